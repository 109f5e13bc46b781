"""The forms' kinder fields: what is typed comes back, and nothing needs JSON."""

import pytest
from django.forms import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from models_registry.admin.fields import DefaultValueField, LabelsField

LABEL = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=10)
LABELS = st.lists(LABEL, max_size=5, unique=True)


@given(LABELS, st.integers(1, 4))
def test_a_list_that_is_shown_comes_back_as_it_was(labels: list[str], rows: int):
    field = LabelsField(rows=rows)
    assert field.clean(field.prepare_value(labels)) == labels
    assert not field.has_changed(labels, field.prepare_value(labels))


@pytest.mark.parametrize(
    ("typed", "labels"),
    [
        ("a, b", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a, b\nc", ["a, b", "c"]),
        ("a,,b,", ["a", "b"]),
        ("", []),
        ("  \n ", []),
        ("a,b\n", ["a,b"]),
    ],
)
def test_a_list_is_typed_by_lines_or_by_commas(typed: str, labels: list[str]):
    assert LabelsField().clean(typed) == labels


@pytest.mark.parametrize(
    ("typed", "kind", "value"),
    [("", "numeric", None), ("1.5", "numeric", 1.5), ("1.5", "categorical", "1.5"), ("", "categorical", None)],
)
def test_a_default_is_a_number_or_a_text_by_the_features_kind(typed: str, kind: str, value: object):
    assert DefaultValueField.for_kind(typed, kind) == value


def test_a_default_that_is_no_number_is_refused():
    with pytest.raises(ValidationError, match="no number"):
        DefaultValueField.for_kind("many", "numeric")
