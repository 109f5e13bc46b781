"""What a request may hold, and how a refusal reads."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.validation import MAX_BATCH_ROWS, InvalidInputError, Validator
from telemetry.snapshot import SnapshotFeature

FEATURES = (
    SnapshotFeature("income", "numeric", 0.0, 100.0, required=True),
    SnapshotFeature("age", "numeric", 18.0, 99.0, default=40.0),
    SnapshotFeature("dépendants, «n»", "numeric"),
    SnapshotFeature("region", "categorical", categories=("north", "south")),
    SnapshotFeature("note", "categorical", default="none"),
)
VALIDATOR = Validator(FEATURES)


def body(**features: object) -> bytes:
    return json.dumps({"features": {"income": 1.0, **features}}).encode()


def refusal(text: bytes) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as raised:
        VALIDATOR.one(text)
    return raised.value


def test_a_row_comes_in_the_registered_order_whatever_order_it_was_sent_in() -> None:
    inputs = VALIDATOR.one(json.dumps({"features": {"region": "north", "age": 30, "income": 2}}).encode())
    assert inputs.rows[0][:2] == [2.0, 30.0]
    assert inputs.rows[0][3:] == ["north", "none"]


def test_what_is_left_out_is_filled_with_its_default_or_missing_and_noticed() -> None:
    inputs = VALIDATOR.one(body())
    assert inputs.rows[0][1] == 40.0
    assert math.isnan(inputs.rows[0][2])  # type: ignore[arg-type]
    assert inputs.rows[0][3] is None
    assert inputs.defaulted == [["age", "note"]]
    assert inputs.missing == {"dépendants, «n»": 1, "region": 1}


def test_null_is_the_same_as_left_out() -> None:
    assert VALIDATOR.one(body(age=None, region=None)).defaulted == [["age", "note"]]
    assert refusal(json.dumps({"features": {"income": None}}).encode()).field == "income"


def test_values_out_of_range_and_unknown_categories_are_served_and_noticed() -> None:
    inputs = VALIDATOR.one(body(income=100.5, age=18, region="east", note="anything"))
    assert inputs.out_of_range == {"income": 1, "region": 1}
    assert inputs.rows[0][3] == "east"


def test_a_missing_required_feature_is_refused_by_name() -> None:
    error = refusal(b'{"features": {}}')
    assert error.field == "income"
    assert "'income' is required: send a finite JSON number" in str(error)


@pytest.mark.parametrize("value", ["12", True, [1], {"a": 1}, 10**400])
def test_a_number_of_another_type_is_refused_by_name(value: object) -> None:
    error = refusal(body(age=value))
    assert error.field == "age"
    assert "send a finite JSON number" in str(error)


@pytest.mark.parametrize("value", [1, 1.5, False, ["north"], "n" * 1025])
def test_a_category_of_another_type_is_refused_by_name(value: object) -> None:
    error = refusal(body(region=value))
    assert error.field == "region"
    assert "send a JSON string" in str(error)


def test_an_unknown_feature_is_refused_by_name() -> None:
    error = refusal(body(incomme=3))
    assert error.field == "incomme"
    assert "leave it out, or register it" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"features": 3}',
        b'{"feature": {}}',
        b'{"features": {"income": NaN}}',
        b'{"features": {"income": 1e999}}',
        b'{"features": {"income": 1}, "model_version": "v1"}',
        b'{"features": {"income": 1, "note": "\xff"}}',
        b'{"features": {"income": 1, "note": "\\ud800"}}',
        b'{"features": ' + b"[" * 100_000,
    ],
)
def test_what_is_not_the_documented_json_is_refused(text: bytes) -> None:
    assert refusal(text).field in ("body", "income")


def test_a_long_value_is_not_repeated_whole() -> None:
    assert len(str(refusal(body(age="x" * 10_000)))) < 200
    assert len(str(refusal(body(**{"y" * 10_000: 1})))) < 250


def test_one_bad_row_refuses_a_batch_and_says_which() -> None:
    rows = [{"income": 1}, {"income": "1"}]
    with pytest.raises(InvalidInputError, match=r"rows\[1\]: feature 'income'"):
        VALIDATOR.batch(json.dumps({"rows": rows}).encode())


@pytest.mark.parametrize("count", [0, MAX_BATCH_ROWS + 1])
def test_a_batch_has_a_bounded_number_of_rows(count: int) -> None:
    with pytest.raises(InvalidInputError, match=f"send 1 to {MAX_BATCH_ROWS}"):
        VALIDATOR.batch(json.dumps({"rows": [{"income": 1}] * count}).encode())


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([f.name for f in FEATURES]) | st.text(), _ANY_JSON, max_size=6))
def test_whatever_is_sent_is_either_a_row_of_registered_values_or_a_refusal_with_a_field(
    features: dict[str, object],
) -> None:
    try:
        inputs = VALIDATOR.one(json.dumps({"features": features}).encode())
    except InvalidInputError as error:
        assert error.field is not None
        return
    (row,) = inputs.rows
    assert len(row) == len(FEATURES)
    for feature, value in zip(FEATURES, row, strict=True):
        if feature.kind == "numeric":
            assert isinstance(value, float)
            assert math.isfinite(value) or inputs.missing.get(feature.name) == 1
        else:
            assert isinstance(value, str) or inputs.missing.get(feature.name) == 1
    assert sum(inputs.missing.values()) + len(inputs.defaulted[0]) == sum(
        features.get(f.name) is None for f in FEATURES
    )


@given(st.binary(max_size=200))
def test_no_bytes_get_past_as_anything_but_a_refusal_or_a_row(text: bytes) -> None:
    try:
        VALIDATOR.one(text)
    except InvalidInputError as error:
        assert error.field is not None
