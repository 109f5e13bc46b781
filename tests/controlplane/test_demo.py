"""The demo: real flights, two real classifiers, one registry that can be loaded again and again."""

from pathlib import Path

import numpy as np
import pytest
import skops.io
from django.core.management import call_command

from controlplane.demo import train
from controlplane.demo.flights import CLASSES, DRIFT_STARTS, FEATURES, MODEL, flights, table
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.fleet import load_fleet
from models_registry.models import Change, MLModel


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[train.Artifact, ...]:
    return train.train(tmp_path_factory.mktemp("artifacts"))


def loaded(artifact: train.Artifact) -> object:
    return skops.io.load(artifact.path, trusted=skops.io.get_untrusted_types(file=artifact.path))


def test_flights_come_in_time_order_without_what_is_unknown() -> None:
    days = [flight.day for flight in flights(end=DRIFT_STARTS)]
    assert days == sorted(days)
    assert all(set(flight.features) <= set(FEATURES) for flight in flights(end=DRIFT_STARTS))
    assert all(None not in flight.features.values() for flight in flights(end=DRIFT_STARTS))


def test_a_version_is_trained_once_since_its_file_would_be_another_artifact(tmp_path: Path) -> None:
    assert train.train(tmp_path) == train.train(tmp_path)


def test_the_live_version_tells_late_flights_from_others(artifacts: tuple[train.Artifact, ...]) -> None:
    model = loaded(artifacts[0])
    later = table(start=DRIFT_STARTS).slice(0, 5_000)
    later = later.filter(np.array([late is not None for late in later["late"].to_pylist()]))
    late = np.array(later["late"].to_pylist(), dtype=bool)
    scores = model.predict_proba(train.as_rows(later))[:, list(model.classes_).index(CLASSES[1])]
    assert scores[late].mean() > scores[~late].mean() + 0.01


def test_the_canary_fails_on_airlines_that_its_training_data_lacked(artifacts: tuple[train.Artifact, ...]) -> None:
    canary = loaded(artifacts[1])
    june = table(end=DRIFT_STARTS).slice(0, 2_000)
    airlines = june["airline"].to_pylist()
    rows = train.as_rows(june)
    unknown = next(n for n, airline in enumerate(airlines) if airline not in train.EXTRACT)
    known = next(n for n, airline in enumerate(airlines) if airline in train.EXTRACT)
    canary.predict_proba(rows[known : known + 1])
    with pytest.raises(ValueError, match="unknown categories"):
        canary.predict_proba(rows[unknown : unknown + 1])


@pytest.mark.django_db
def test_the_demo_can_be_loaded_again_and_leaves_what_was_shifted_since(plumbline_home: Path) -> None:
    call_command("demo", "--receivers", "http://127.0.0.1:1")
    model = load_fleet().by_name[MODEL]
    assert (model.split.live, model.split.canary, model.split.canary_percent) == ("v1", "v2", 10)
    assert model.version("v1").baseline.frozen_at is not None
    traffic.roll_back(MLModel.objects.get(name=MODEL), actor=SYSTEM)
    before = Change.objects.count()

    call_command("demo", "--receivers", "http://127.0.0.1:1")

    assert Change.objects.count() == before
    assert load_fleet().by_name[MODEL].split.canary is None
