"""What artifacts of each framework may be, and what their answers become."""

import math
import pickle
from pathlib import Path

import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from serving import loaders
from serving.loaders.predictor import LoadError
from serving.warming import warm
from telemetry.snapshot import SnapshotFeature
from tests.serving import artifacts

MIXED = artifacts.model(features=artifacts.MIXED)


def unlisted(rows: object) -> object:
    """A function that an artifact may name, and that serving has no reason to run."""
    return rows


class TestSklearn:
    def test_a_pipeline_over_numbers_and_categories_answers_by_position(self, tmp_path: Path) -> None:
        predictor = loaders.load("sklearn", artifacts.mixed_pipeline(tmp_path / "a"), MIXED)
        scores, classes = predictor.predict([[190.0, "a"], [5.0, "b"], [150.0, "never seen"]])
        assert classes == ["yes", "no", "yes"]
        assert scores[0] > 0.9 > 0.1 > scores[1]

    def test_the_score_is_the_positive_class_however_the_artifact_sorts_its_classes(self, tmp_path: Path) -> None:
        path = artifacts.mixed_pipeline(tmp_path / "a", classes=("on-time", "late"))  # sorted: late, on-time
        model = artifacts.model(features=artifacts.MIXED, classes=("on-time", "late"))
        scores, classes = loaders.load("sklearn", path, model).predict([[190.0, "a"], [5.0, "b"]])
        assert classes == ["late", "on-time"]
        assert scores[0] > 0.9 > 0.1 > scores[1]

    def test_classes_that_are_numbers_match_by_position(self, tmp_path: Path) -> None:
        estimator = LogisticRegression().fit([[0, 0], [1, 1]], [0, 1])
        predictor = loaders.load("sklearn", artifacts.dump(estimator, tmp_path / "a"), artifacts.model())
        assert predictor.predict([[1.0, 1.0]])[1] == ["yes"]

    def test_other_classes_than_the_registered_ones_are_refused(self, tmp_path: Path) -> None:
        path = artifacts.mixed_pipeline(tmp_path / "a", classes=("good", "bad"))
        with pytest.raises(LoadError, match=r"classes are \['bad', 'good'\], registered are \['no', 'yes'\]"):
            loaders.load("sklearn", path, MIXED)

    @pytest.mark.parametrize(
        "estimator",
        [RandomForestClassifier(3), GradientBoostingClassifier(n_estimators=3)],
        ids=["forest", "boosting"],
    )
    def test_trees_load_without_anyone_listing_types(self, tmp_path: Path, estimator: object) -> None:
        predictor = loaders.load("sklearn", artifacts.mixed_pipeline(tmp_path / "a", estimator), MIXED)
        assert predictor.predict([[190.0, "a"]])[1] == ["yes"]

    def test_missing_numbers_reach_an_estimator_that_can_use_them(self, tmp_path: Path) -> None:
        estimator = HistGradientBoostingClassifier(max_iter=2).fit([[0.0, 0.0], [1.0, 1.0]] * 30, ["no", "yes"] * 30)
        predictor = loaders.load("sklearn", artifacts.dump(estimator, tmp_path / "a"), artifacts.model())
        assert 0 <= predictor.predict([[math.nan, 1.0]])[0][0] <= 1

    def test_a_regression_gives_values_and_no_classes(self, tmp_path: Path) -> None:
        estimator = LinearRegression().fit([[0, 0], [1, 1], [2, 5]], [0, 2, 7])
        model = artifacts.model(task="regression", classes=())
        scores, classes = loaders.load("sklearn", artifacts.dump(estimator, tmp_path / "a"), model).predict(
            [[3.0, 4.0]]
        )
        assert scores == [pytest.approx(7.0)]
        assert classes == [None]

    def test_types_beyond_the_list_are_named_and_never_constructed(self, tmp_path: Path) -> None:
        estimator = make_pipeline(FunctionTransformer(unlisted), LogisticRegression()).fit([[0, 0], [1, 1]], [0, 1])
        path = artifacts.dump(estimator, tmp_path / "a")
        with pytest.raises(LoadError, match=r"types that serving doesn't construct: .*unlisted"):
            loaders.load("sklearn", path, artifacts.model())

    def test_a_pickle_is_refused_and_not_run(self, tmp_path: Path) -> None:
        class Bomb:
            def __reduce__(self) -> tuple[object, ...]:
                return Path.touch, (tmp_path / "exploded",)

        (tmp_path / "a").write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(LoadError, match="not a skops file"):
            loaders.load("sklearn", tmp_path / "a", artifacts.model())
        assert not (tmp_path / "exploded").exists()

    def test_a_classifier_without_probabilities_is_refused(self, tmp_path: Path) -> None:
        path = artifacts.dump(Perceptron().fit([[0, 0], [1, 1]], ["no", "yes"]), tmp_path / "a")
        with pytest.raises(LoadError, match="predict_proba"):
            loaders.load("sklearn", path, artifacts.model())

    def test_another_number_of_features_is_refused(self, tmp_path: Path) -> None:
        path = artifacts.dump(LogisticRegression().fit([[0], [1]], ["no", "yes"]), tmp_path / "a")
        with pytest.raises(LoadError, match="takes 1 features, registered are 2"):
            loaders.load("sklearn", path, artifacts.model())

    def test_a_regressor_for_a_classification_is_refused(self, tmp_path: Path) -> None:
        path = artifacts.dump(LinearRegression().fit([[0, 0], [1, 1]], [0, 1]), tmp_path / "a")
        with pytest.raises(LoadError, match="gives no probabilities"):
            loaders.load("sklearn", path, artifacts.model())


class TestOnnx:
    def test_one_tensor_in_two_probabilities_out(self, tmp_path: Path) -> None:
        predictor = loaders.load("onnx", artifacts.constant(tmp_path / "a", 0.75), artifacts.model())
        assert predictor.predict([[1.0, 2.0], [math.nan, 0.0]])[0][0] == pytest.approx(0.75)
        assert predictor.predict([[1.0, 2.0]])[1] == ["yes"]

    def test_one_input_per_feature_by_name_numbers_and_strings(self, tmp_path: Path) -> None:
        predictor = loaders.load("onnx", artifacts.named_inputs(tmp_path / "a"), MIXED)
        scores, classes = predictor.predict([[10.0, "a"], [10.0, "b"], [10.0, None]])
        assert scores == [0.0, 1.0, 0.0]
        assert classes == ["no", "yes", "no"]

    def test_a_single_sigmoid_is_the_positive_class(self, tmp_path: Path) -> None:
        predictor = loaders.load("onnx", artifacts.one_sigmoid(tmp_path / "a"), artifacts.model())
        scores, classes = predictor.predict([[0.0, 0.0], [-4.0, 0.0]])
        assert scores == [pytest.approx(0.5), pytest.approx(0.018, abs=0.001)]
        assert classes == ["yes", "no"]

    def test_maps_of_zipmap_match_by_class_name(self, tmp_path: Path) -> None:
        model = artifacts.model(task="multiclass_classification", classes=("red", "green", "blue"))
        path = artifacts.zip_map(tmp_path / "a", ["blue", "green", "red"])
        scores, classes = loaders.load("onnx", path, model).predict([[0.0, 0.0]])
        assert classes == ["green"]
        assert scores == [pytest.approx(0.5)]

    def test_a_tensor_whose_label_contradicts_the_registered_order_is_refused(self, tmp_path: Path) -> None:
        good = loaders.load("onnx", artifacts.labelled(tmp_path / "a", ["no", "yes"]), artifacts.model())
        assert good.predict([[0.0, 0.0]]) == ([pytest.approx(0.9)], ["yes"])
        swapped = loaders.load("onnx", artifacts.labelled(tmp_path / "b", ["yes", "no"]), artifacts.model())
        with pytest.raises(LoadError, match="register the classes in the order of the artifact's columns"):
            warm(swapped, artifacts.model())

    def test_a_regression(self, tmp_path: Path) -> None:
        predictor = loaders.load(
            "onnx", artifacts.total(tmp_path / "a"), artifacts.model(task="regression", classes=())
        )
        assert predictor.predict([[3.0, 4.0]]) == ([7.0], [None])

    def test_inputs_that_fit_no_registered_feature_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LoadError, match=r"differ in \['income', 'x', 'y', 'zip code'\]"):
            loaders.load("onnx", artifacts.named_inputs(tmp_path / "a"), artifacts.model())

    def test_a_tensor_of_numbers_for_categories_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LoadError, match=r"not numeric: \['zip code'\]"):
            loaders.load("onnx", artifacts.constant(tmp_path / "a", 0.5), MIXED)

    def test_another_width_is_refused(self, tmp_path: Path) -> None:
        model = artifacts.model(features=(*artifacts.NUMBERS, SnapshotFeature("z", "numeric")))
        with pytest.raises(LoadError, match="takes 2 features, registered are 3"):
            loaders.load("onnx", artifacts.constant(tmp_path / "a", 0.5), model)

    def test_a_damaged_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"no network")
        with pytest.raises(LoadError, match="not an ONNX file"):
            loaders.load("onnx", tmp_path / "a", artifacts.model())


class TestWarming:
    def test_a_score_that_is_no_number_is_refused(self, tmp_path: Path) -> None:
        model = artifacts.model()
        with pytest.raises(LoadError, match="gave the score nan"):
            warm(loaders.load("onnx", artifacts.constant(tmp_path / "a", math.nan), model), model)

    def test_a_fast_version_is_measured_as_fast(self, tmp_path: Path) -> None:
        model = artifacts.model()
        assert warm(loaders.load("onnx", artifacts.constant(tmp_path / "a", 0.5), model), model) < 0.001


def test_a_framework_without_a_loader_is_refused_and_never_imported(tmp_path: Path) -> None:
    for framework in ("xgboost", "predictor", "os", "../x"):
        with pytest.raises(LoadError, match="No loader for framework"):
            loaders.load(framework, tmp_path, artifacts.model())
