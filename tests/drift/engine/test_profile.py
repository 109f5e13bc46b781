"""Profiles as documents, and as parts that add up."""

import json
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.engine.profile import (
    SCHEMA,
    CategoricalCounts,
    NumericCounts,
    Profile,
    ProfileError,
    from_document,
    from_text,
    merge,
)

NAMES = st.text(min_size=1, max_size=12)
ROWS = st.integers(0, 10**9)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | ROWS


@st.composite
def numeric(draw: st.DrawFn) -> NumericCounts:
    edges = tuple(sorted(draw(st.sets(NUMBERS, max_size=6))))
    counts = draw(st.lists(ROWS, min_size=len(edges) + 1, max_size=len(edges) + 1))
    return NumericCounts(
        edges, tuple(counts), draw(ROWS), draw(MAYBE), draw(MAYBE), draw(st.none() | NUMBERS), draw(st.none() | NUMBERS)
    )


@st.composite
def categorical(draw: st.DrawFn) -> CategoricalCounts:
    categories = tuple(sorted(draw(st.sets(NAMES, max_size=6))))
    counts = draw(st.lists(ROWS, min_size=len(categories), max_size=len(categories)))
    return CategoricalCounts(categories, tuple(counts), draw(ROWS), draw(ROWS), draw(MAYBE), draw(MAYBE))


PROFILES = st.builds(
    Profile,
    rows=ROWS,
    features=st.dictionaries(NAMES, numeric() | categorical(), max_size=4),
    score=st.none() | numeric(),
    score_median=st.none() | NUMBERS,
    classes=st.none() | categorical(),
)


@given(PROFILES)
def test_a_profile_survives_its_document_with_its_hash(profile: Profile) -> None:
    again = from_text(profile.text())
    assert again == profile
    assert again.content_hash() == profile.content_hash()


@given(PROFILES)
def test_the_hash_survives_a_database_that_writes_whole_floats_as_integers(profile: Profile) -> None:
    def as_stored(value: object) -> object:
        if isinstance(value, dict):
            return {key: as_stored(inner) for key, inner in reversed(list(value.items()))}
        if isinstance(value, list | tuple):
            return [as_stored(inner) for inner in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    stored = as_stored(json.loads(profile.text()))
    assert from_document(stored).content_hash() == profile.content_hash()


@st.composite
def parts_of_one_whole(draw: st.DrawFn) -> list[Profile]:
    def part() -> Profile:
        counts = draw(st.lists(ROWS, min_size=3, max_size=3))
        number = NumericCounts((0.0, 1.0), tuple(counts), draw(ROWS), 1, 2, draw(NUMBERS), draw(NUMBERS))
        category = CategoricalCounts(("a", "b"), (draw(ROWS), draw(ROWS)), draw(ROWS), draw(ROWS))
        return Profile(draw(ROWS), {"n": number, "c": category}, number, None, category)

    return [part() for _ in range(draw(st.integers(2, 5)))]


@given(parts_of_one_whole(), st.randoms())
def test_parts_add_up_to_the_same_whole_in_any_order(parts: list[Profile], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    whole = reduce(merge, parts)
    assert reduce(merge, shuffled) == whole
    assert whole.rows == sum(part.rows for part in parts)
    assert whole.features["c"].present == sum(part.features["c"].present for part in parts)


def test_profiles_on_other_bins_are_not_added() -> None:
    one = Profile(1, {"n": NumericCounts((0.0,), (1, 0))})
    two = Profile(1, {"n": NumericCounts((0.5,), (1, 0))})
    with pytest.raises(ProfileError, match="n was not counted on the same bins"):
        merge(one, two)
    with pytest.raises(ProfileError, match="Only one of the two profiles has m"):
        merge(one, Profile(1, {"m": NumericCounts((0.0,), (1, 0))}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, "schema is 2"),
        ({"features": None}, "lacks or misspells"),
        ({"features": {"x": {"kind": "image"}}}, "'image' is none of numeric, categorical"),
        ({"features": {"x": {"kind": "numeric", "edges": []}}}, "lacks or misspells a field: 'minimum'"),
    ],
)
def test_a_document_that_is_no_profile_is_refused_with_the_field(change: dict[str, object], message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        from_document({**Profile(1).document(), **change})


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ProfileError, match="not JSON"):
        from_text("{")
    with pytest.raises(ProfileError, match="schema is 'list'"):
        from_text("[]")


def test_counts_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ProfileError, match="1 edges make 2 bins, got 1"):
        NumericCounts((0.0,), (1,))
    with pytest.raises(ProfileError, match="finite and ascending"):
        NumericCounts((1.0, 0.0), (1, 1, 1))
    with pytest.raises(ProfileError, match="finite and ascending"):
        NumericCounts((float("nan"),), (1, 1))
    with pytest.raises(ProfileError, match="can't be negative"):
        NumericCounts((), (-1,))
    with pytest.raises(ProfileError, match="listed twice"):
        CategoricalCounts(("a", "a"), (1, 1))
