"""A baseline profile from Parquet: choose each feature's bins from its own distribution, then count once.

Numeric bins are quantile bins: equal-width ones depend on the largest outlier. Quantiles are exact and computed one
column at a time, so equal data gives an equal profile, in the memory of one column.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from drift.engine.duck import Limits, Table, column_kind, open_table
from drift.engine.errors import SchemaMismatch
from drift.engine.profile import CATEGORICAL, NUMERIC, CategoricalCounts, NumericCounts, Profile
from drift.engine.scan import Bounds, Columns, Question, Window, condition, count, value_expression

DEFAULT_BINS = 10
DEFAULT_CATEGORIES = 50


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a profile. `kinds` maps each feature to its kind; `choose_features` proposes them."""

    kinds: Mapping[str, str]
    columns: Columns = field(default_factory=Columns)
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    window: Window | None = None
    bins: int = DEFAULT_BINS
    max_categories: int = DEFAULT_CATEGORIES  # the rest is counted as `other`


def build_profile(files: Sequence[Path], recipe: Recipe, limits: Limits | None = None) -> Profile:
    """The profile of the rows of `files`; ScanError or SchemaMismatch say why there is none."""
    if not files:
        raise SchemaMismatch("There is no Parquet file to make a profile of.")
    with open_table(files, limits or Limits()) as table:
        return profile_of(table, recipe)


def profile_of(table: Table, recipe: Recipe) -> Profile:
    """`build_profile` on an open table."""
    columns = recipe.columns
    question = Question(Profile(rows=0), columns, recipe.bounds, recipe.window)
    where = condition(table, question)
    prefix = columns.feature_prefix
    like = Profile(
        rows=0,
        features={
            name: _numeric(table, prefix + name, where, recipe.bins)
            if kind == NUMERIC
            else _categorical(table, prefix + name, where, recipe.max_categories)
            for name, kind in recipe.kinds.items()
        },
        score=_numeric(table, columns.score, where, recipe.bins) if columns.score else None,
        classes=_categorical(table, columns.predicted_class, where, recipe.max_categories)
        if columns.predicted_class
        else None,
    )
    median = _median(table, columns.score, where) if columns.score else None
    return replace(count(table, replace(question, like=like)), score_median=median)


@dataclass(frozen=True, slots=True)
class Choice:
    """The features found in a table, and the columns that can't be features, with the reason."""

    kinds: dict[str, str]
    skipped: dict[str, str]


def choose_features(
    types: Mapping[str, str],
    columns: Columns,
    include: Collection[str] = (),
    exclude: Collection[str] = (),
    categorical: Collection[str] = (),
) -> Choice:
    """Which columns of a table of `types` are features: those of `include` (all, where empty) but not of `exclude`,
    never the columns that hold time, predictions or defaults. SchemaMismatch names what was asked for and is absent."""
    own = {columns.timestamp, columns.score, columns.predicted_class, columns.defaulted}
    prefix = columns.feature_prefix
    candidates = {
        name.removeprefix(prefix): found for name, found in types.items() if name.startswith(prefix) and name not in own
    }
    if absent := [name for name in (*include, *exclude, *categorical) if name not in candidates]:
        raise SchemaMismatch(f"The data has no feature {absent[0]!r}; it has {', '.join(sorted(candidates))}.")
    kinds: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name, found in candidates.items():
        kind = column_kind(found)
        if name in exclude or (include and name not in include):
            continue
        if kind is None:
            skipped[name] = f"{found} is neither a number nor a category"
        else:
            kinds[name] = CATEGORICAL if name in categorical else kind
    return Choice(kinds, skipped)


def bin_edges(quantiles: Sequence[float], maximum: float) -> tuple[float, ...]:
    """Ascending inner edges from the inner `quantiles`; ties merged.

    An edge at the maximum would leave nothing above it and is dropped. Where no edge is left, (nearly) all values are
    the maximum, a constant: it gets a bin of its own between what is below and what is above it, so that a move either
    way shows. In a single bin none would.
    """
    edges = tuple(sorted({edge for edge in quantiles if math.isfinite(edge) and edge < maximum}))
    return edges or (math.nextafter(maximum, -math.inf), maximum)


def _numeric(table: Table, name: str, where: str, bins: int) -> NumericCounts:
    value = value_expression(table, name, NUMERIC)
    levels = ", ".join(str(step / bins) for step in range(1, bins))
    maximum, quantiles = table.rows(
        f"SELECT max(v), quantile_disc(v, [{levels}]) "  # noqa: S608 - quoted by drift.engine.duck
        f"FROM (SELECT {value} AS v FROM {table.source}{where}) WHERE isfinite(v)"
    )[0]
    edges = () if maximum is None else bin_edges(quantiles, maximum)
    return NumericCounts(edges=edges, counts=(0,) * (len(edges) + 1))


def _categorical(table: Table, name: str, where: str, most: int) -> CategoricalCounts:
    value = value_expression(table, name, CATEGORICAL)
    found = table.rows(
        f"SELECT v FROM (SELECT {value} AS v FROM {table.source}{where}) WHERE v IS NOT NULL "  # noqa: S608
        f"GROUP BY v ORDER BY count(*) DESC, v LIMIT {int(most)}"
    )
    categories = tuple(sorted(row[0] for row in found))
    return CategoricalCounts(categories=categories, counts=(0,) * len(categories))


def _median(table: Table, name: str, where: str) -> float | None:
    value = value_expression(table, name, NUMERIC)
    median = table.rows(
        f"SELECT median(v) FROM (SELECT {value} AS v FROM {table.source}{where}) WHERE isfinite(v)"  # noqa: S608
    )[0][0]
    return None if median is None else float(median)
