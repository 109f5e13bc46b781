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


WHOLE = ServingSnapshot(
    (
        SnapshotModel(
            name="fraud",
            task="binary_classification",
            classes=("no", "yes"),
            features=(SnapshotFeature("amount", "numeric", minimum=0.0),),
            versions=(SnapshotVersion("v1", "onnx", "/a.onnx", "0" * 64),),
            live="v1",
        ),
    )
)
NEEDED = [
    *((("models", 0), name) for name in ("name", "task", "classes", "features", "versions", "live")),
    *((("models", 0, "features", 0), name) for name in ("name", "kind")),
    *((("models", 0, "versions", 0), name) for name in ("version", "framework", "artifact", "sha256")),
]


def document(path: tuple[str | int, ...]):
    """WHOLE as plain data, and what lies at `path` of it."""
    whole = place = json.loads(WHOLE.text)
    for step in path:
        place = place[step]
    return whole, place


@pytest.mark.parametrize(("path", "name"), NEEDED)
def test_a_field_that_is_missing_is_named(path: tuple[str | int, ...], name: str):
    whole, place = document(path)
    del place[name]
    with pytest.raises(ValueError, match=f"lacks or misspells a field.*{name}"):
        parse(json.dumps(whole))


@pytest.mark.parametrize("path", [("models", 0), ("models", 0, "features", 0), ("models", 0, "versions", 0)])
def test_a_field_that_is_unknown_is_named(path: tuple[str | int, ...]):
    whole, place = document(path)
    place["colour"] = "red"
    with pytest.raises(ValueError, match=r"lacks or misspells a field.*colour"):
        parse(json.dumps(whole))


@pytest.mark.parametrize("schema", [None, 0, 2, "1", [1]])
def test_another_schema_is_refused_with_the_remedy(schema: object):
    whole, _ = document(())
    whole["schema"] = schema
    with pytest.raises(ValueError, match="schema is not 1: upgrade serving or the control plane"):
        parse(json.dumps(whole))


def test_the_hash_is_of_the_canonical_text_and_every_field_counts():
    assert parse(json.dumps(json.loads(WHOLE.text), indent=4)).hash == WHOLE.hash
    assert " " not in WHOLE.text
    hashes = {WHOLE.hash}
    for path, name in NEEDED:
        if isinstance(document(path)[1][name], str):
            whole, place = document(path)
            place[name] += "x"
            hashes.add(parse(json.dumps(whole)).hash)
    assert len(hashes) == 1 + 9
