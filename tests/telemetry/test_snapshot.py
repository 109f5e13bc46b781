"""The serving snapshot: the same state is the same document, and what is written is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.snapshot import ServingSnapshot, SnapshotFeature, SnapshotModel, SnapshotVersion, parse

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
FEATURES = st.builds(
    SnapshotFeature,
    name=TEXT,
    kind=st.sampled_from(["numeric", "categorical"]),
    minimum=NUMBER,
    maximum=NUMBER,
    categories=st.lists(TEXT, max_size=3).map(tuple),
    required=st.booleans(),
    default=NUMBER | TEXT,
)
MODELS = st.builds(
    SnapshotModel,
    name=TEXT,
    task=st.just("binary_classification"),
    classes=st.just(("a", "b")),
    features=st.lists(FEATURES, max_size=3).map(tuple),
    versions=st.just((SnapshotVersion("v1", "onnx", "/a", "0" * 64),)),
    live=st.just("v1"),
    canary=st.none() | st.just("v2"),
    canary_percent=st.integers(0, 100),
    shadows=st.lists(TEXT, max_size=2).map(tuple),
)
SNAPSHOTS = st.lists(MODELS, max_size=3, unique_by=lambda m: m.name).map(
    lambda models: ServingSnapshot(tuple(sorted(models, key=lambda m: m.name)))
)


@given(SNAPSHOTS)
def test_what_is_written_is_read(snapshot: ServingSnapshot):
    assert parse(snapshot.text) == snapshot
    assert parse(snapshot.text.encode()).hash == snapshot.hash


@given(st.lists(MODELS, max_size=3, unique_by=lambda m: m.name))
def test_the_order_of_models_makes_no_difference(models: list[SnapshotModel]):
    assert ServingSnapshot(tuple(models)).hash == ServingSnapshot(tuple(reversed(models))).hash


@given(MODELS)
def test_answered_shares_add_up_to_one(model: SnapshotModel):
    assert sum(model.weights().values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", "schema is not 1"),
        ('{"schema": 2, "models": []}', "schema is not 1"),
        ('{"schema": 1}', "lacks or misspells"),
        ('{"schema": 1, "models": [{}]}', "lacks or misspells"),
        ('{"schema": 1, "models": 5}', "lacks or misspells"),
    ],
)
def test_a_document_that_is_no_snapshot_is_refused(text: str, said: str):
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_an_unknown_field_is_refused():
    document = json.loads(ServingSnapshot(()).text)
    document["models"] = [{"name": "a", "features": [], "versions": [], "classes": [], "colour": "red"}]
    with pytest.raises(ValueError, match="colour"):
        parse(json.dumps(document))
