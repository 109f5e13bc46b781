"""scikit-learn, from files of skops: no pickle, and only types of this list are ever constructed.

Rows reach the estimator as one 2-D numpy array in the registered order of features: of float when all features are
numeric, else of object. Pipelines address columns by position (pandas is not installed).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.base import is_classifier, is_regressor

from serving.loaders.predictor import (
    REGRESSION,
    Classes,
    LoadError,
    Predictor,
    Row,
    Scores,
    column_order,
    scores_and_classes,
    values_only,
)
from telemetry.snapshot import SnapshotModel

# Beyond what skops trusts by itself. Listed one by one, never by prefix: numpy and sklearn also hold functions that
# run code. functools.partial is left out for the same reason.
TRUSTED = (
    "numpy.dtype",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)


def load(path: Path, model: SnapshotModel) -> Predictor:
    """The estimator in `path`; LoadError when it holds other types, or doesn't fit the registered model."""
    try:
        untrusted = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
        if untrusted:
            raise LoadError(f"The artifact holds types that serving doesn't construct: {', '.join(sorted(untrusted))}.")
        estimator = skops.io.load(path, trusted=list(TRUSTED))
    except LoadError:
        raise
    except Exception as error:  # a damaged file fails anywhere inside zipfile, json, numpy or skops
        raise LoadError(f"The artifact is not a skops file that can be read: {error!r}") from error
    expected = getattr(estimator, "n_features_in_", len(model.features))
    if expected != len(model.features):
        raise LoadError(f"The estimator takes {expected} features, registered are {len(model.features)}.")
    if model.task == REGRESSION:
        if not is_regressor(estimator):
            raise LoadError(f"{type(estimator).__name__} is not a regressor, yet the model's task is regression.")
        return _Regressor(estimator, model)
    if not is_classifier(estimator) or not hasattr(estimator, "predict_proba"):
        raise LoadError(f"{type(estimator).__name__} gives no probabilities: use a classifier with predict_proba.")
    return _Classifier(estimator, model)


def _dtype(model: SnapshotModel) -> type:
    return float if all(feature.kind == "numeric" for feature in model.features) else object


class _Classifier:
    def __init__(self, estimator: Any, model: SnapshotModel) -> None:
        self._probabilities = estimator.predict_proba
        self._model = model
        self._dtype = _dtype(model)
        order = column_order(model, list(estimator.classes_))
        self._order = None if order == sorted(order) else order

    def predict(self, rows: Sequence[Row]) -> tuple[Scores, Classes]:
        """See Predictor."""
        probabilities = self._probabilities(np.array(rows, dtype=self._dtype))
        if self._order is not None:
            probabilities = probabilities[:, self._order]
        return scores_and_classes(self._model, probabilities)


class _Regressor:
    def __init__(self, estimator: Any, model: SnapshotModel) -> None:
        self._values = estimator.predict
        self._dtype = _dtype(model)

    def predict(self, rows: Sequence[Row]) -> tuple[Scores, Classes]:
        """See Predictor."""
        return values_only(self._values(np.array(rows, dtype=self._dtype)))
