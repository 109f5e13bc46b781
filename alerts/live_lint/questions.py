"""What a rule's expression needs to find in Prometheus: each selector its series, each match two sides that meet. Pure.

A rule that is quiet has nothing past its limits, so an operand is asked for without them: what it could give at best.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import promql_parser as promql

from telemetry.names import MODEL
from telemetry.promql import duration, quote, selector

_NAME = "__name__"
_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_COMPARISONS = {">", ">=", "<", "<=", "==", "!="}
_SETS = {"and", "or", "unless"}
_OF_ABSENCE = {"absent", "absent_over_time"}
_SCALARS = {"time", "scalar", "pi"}
_MADE_OF_NOTHING = {*_OF_ABSENCE, "vector", "scalar"}
_ALIVE = "count(up)"
_CHILDREN = ("lhs", "rhs", "expr", "vector_selector", "param")


@dataclass(frozen=True, slots=True)
class Selector:
    """One reading of series; all texts are instant vectors, without the range.

    `bare`: its metric alone; empty where it names none. `of_models`: with its matchers on the model alone, and `others`
    are those beside them; either is empty where there is none. `shifted`: as the rule reads it, where that is at
    another time: `ago`. `excludes`: its absence is what the rule hopes for, or leaves nothing out. `stand_ins`: what
    the rule reads instead where this is absent. `needed`: without it the rule gives nothing, not even at best.
    """

    metric: str
    text: str
    bare: str = ""
    of_models: str = ""
    others: tuple[tuple[str, str, str], ...] = ()  # label, operator, value
    shifted: str = ""
    ago: str = ""
    excludes: bool = False
    stand_ins: tuple[str, ...] = ()
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Two sides that an operator matches: `matching` is on (...) or ignoring (...); empty: by all labels.

    `met`: the series of the left side that meet one of the right. `proofs`: where one of these expressions has a
    series, some must have met.
    """

    operator: str
    matching: str
    labels: tuple[str, ...]
    left: str
    right: str
    proofs: tuple[str, ...] = field(default=(), compare=False)

    @property
    def met(self) -> str:
        return f"({self.left}) and {self.matching} ({self.right})"

    @property
    def by_name(self) -> bool:
        """Whether it names the labels that have to be the same."""
        return self.matching.startswith("on ")


def selectors(expression: str) -> list[Selector]:
    """Each different selector of `expression`, in order. ValueError where that doesn't parse.

    One that is read in several places is told by the place that needs it most.
    """
    found: dict[tuple[str, str], Selector] = {}
    for each in _selectors(promql.parse(expression), _Place()):
        known = found.setdefault((each.text, each.shifted), each)
        most = min(each, known, key=lambda one: (not one.needed, one.excludes, len(one.stand_ins)))
        found[each.text, each.shifted] = most
    return list(found.values())


def matches(expression: str) -> list[Match]:
    """Each different match of two vectors, `or` aside, which matches nothing. ValueError as above."""
    return list(dict.fromkeys(_matches(promql.parse(expression), (at_best(expression),))))


def at_best(expression: str) -> str:
    """The series that `expression` could give if nothing stood in its way: no limit, and nothing left out.

    Labels that are only put on the result are not: a chain of them over all series costs more than all the rest.
    """
    node: Any = promql.parse(expression)
    while isinstance(node, promql.ParenExpr) or _only_labels(node):
        node = node.expr if isinstance(node, promql.ParenExpr) else node.args[0]
    return _at_best(node)


def measured(expression: str) -> str:
    """Has a series while there is all that `expression` measures, whatever its labels: cheap to ask for a whole day.

    What is made of nothing is always there: then a target that was scraped tells that Prometheus saw anything at all.
    """
    return _present(promql.parse(expression)) or _ALIVE


def _children(node: Any) -> Iterator[Any]:
    for child in (*(getattr(node, name, None) for name in _CHILDREN), *getattr(node, "args", ())):
        if type(child).__module__.startswith("promql_parser"):
            yield child


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in an expression a selector stands."""

    excludes: bool = False
    stand_ins: tuple[str, ...] = ()
    needed: bool = True

    def beside(self, other: Any) -> "_Place":
        return replace(self, stand_ins=(*self.stand_ins, _at_best(other)), needed=False)


def _selectors(node: Any, place: _Place) -> Iterator[Selector]:
    if isinstance(node, promql.VectorSelector):
        yield _selector(node, place)
        return
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "or":
        yield from _selectors(node.lhs, place.beside(node.rhs))
        yield from _selectors(node.rhs, place.beside(node.lhs))
        return
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "unless":
        yield from _selectors(node.lhs, place)
        yield from _selectors(node.rhs, replace(place, excludes=True, needed=False))
        return
    if isinstance(node, promql.Call) and node.func.name in _MADE_OF_NOTHING:
        place = replace(place, excludes=place.excludes or node.func.name in _OF_ABSENCE, needed=False)
    for child in _children(node):
        yield from _selectors(child, place)


def _selector(node: Any, place: _Place) -> Selector:
    matchers = [(m.name, _OPERATORS[str(m.op).rpartition(".")[2]], m.value) for m in node.matchers.matchers]
    named = [m for m in matchers if m[:2] == (_NAME, "=")]
    metric = node.name or next((value for _, _, value in named), "")
    models = [m for m in matchers if m[0] == MODEL]
    others = tuple(m for m in matchers if m[0] not in (MODEL, _NAME))
    text, offset = _written(node.name, matchers), node.offset.total_seconds() if node.offset else 0.0
    return Selector(
        metric=metric,
        text=text,
        bare=_written(node.name, named) if metric else "",
        of_models=_written(node.name, [*named, *models]) if metric and models and others else "",
        others=others,
        shifted=node.prettify() if offset or node.at else "",
        ago=duration(int(offset)) if offset > 0 else "",
        excludes=place.excludes,
        stand_ins=place.stand_ins,
        needed=place.needed and not offset and node.at is None,
    )


def _written(name: str | None, matchers: list[tuple[str, str, str]]) -> str:
    return selector(name or "", *(f"{label}{operator}{quote(value)}" for label, operator, value in matchers))


def _matches(node: Any, proofs: tuple[str, ...]) -> Iterator[Match]:
    """`proofs`: expressions that have no series where this node has none."""
    if not isinstance(node, promql.BinaryExpr) or _is_scalar(node.lhs) or _is_scalar(node.rhs):
        made_of_nothing = isinstance(node, promql.Call) and node.func.name in _MADE_OF_NOTHING
        for child in _children(node):
            yield from _matches(child, () if made_of_nothing else proofs)
        return
    operator = str(node.op)
    if operator == "or":
        yield from _matches(node.lhs, ())
        yield from _matches(node.rhs, ())
        return
    matching = node.modifier.matching if node.modifier is not None else None
    labels = tuple(matching.labels) if matching is not None else ()
    excludes = operator == "unless"
    match = Match(operator, _matching(node), labels, _at_best(node.lhs), _at_best(node.rhs), () if excludes else proofs)
    yield match
    inside = proofs if excludes else (*proofs, match.met)
    yield from _matches(node.lhs, inside)
    yield from _matches(node.rhs, () if excludes else inside)


def _only_labels(node: Any) -> bool:
    return isinstance(node, promql.Call) and node.func.name in ("label_replace", "label_join")


def _matching(node: Any) -> str:
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is None:
        return ""
    word = "on" if "Include" in str(matching.type) else "ignoring"
    return f"{word} ({', '.join(matching.labels)})"


def _at_best(node: Any) -> str:
    if isinstance(node, promql.ParenExpr):
        return _at_best(node.expr)
    if isinstance(node, promql.BinaryExpr):
        return _binary_at_best(node)
    if isinstance(node, promql.UnaryExpr):
        return _at_best(node.expr)
    if isinstance(node, promql.AggregateExpr):
        return _aggregate_at_best(node)
    if isinstance(node, promql.Call):
        if node.func.name in _OF_ABSENCE:
            return "vector(1)"
        return f"{node.func.name}({', '.join(_at_best(argument) for argument in node.args)})"
    # Prettified, since the plain text of a node leaves quotes inside of values as they are.
    return str(node.prettify())


def _binary_at_best(node: Any) -> str:
    operator = str(node.op)
    left, right = _is_scalar(node.lhs), _is_scalar(node.rhs)
    if left and right:
        return str(node.prettify())
    compares = operator in _COMPARISONS
    if compares and (left or right):
        return _at_best(node.rhs if left else node.lhs)
    if operator == "unless":
        return _at_best(node.lhs)
    # With bool, a comparison of two vectors gives each pair and not only those that it holds for.
    words = [operator, "bool" if compares else "", _matching(node), "" if operator in _SETS else _grouping(node)]
    return f"({_at_best(node.lhs)}) {' '.join(filter(None, words))} ({_at_best(node.rhs)})"


def _grouping(node: Any) -> str:
    cardinality = str(node.modifier.card) if node.modifier is not None else ""
    for side, word in (("ManyToOne", "group_left"), ("OneToMany", "group_right")):
        if side in cardinality:
            return f"{word} ({', '.join(node.modifier.group_labels or ())})"
    return ""


def _aggregate_at_best(node: Any) -> str:
    labels = f" {_by(node.modifier)} " if node.modifier is not None else ""
    arguments = [node.param.prettify()] if node.param is not None else []
    return f"{node.op}{labels}({', '.join([*arguments, _at_best(node.expr)])})"


def _by(modifier: Any) -> str:
    word = "by" if "By" in str(modifier.type) else "without"
    return f"{word} ({', '.join(modifier.labels)})"


def _present(node: Any) -> str:
    """One series without labels while the node can have any; empty for scalars, which always have one."""
    if isinstance(node, promql.VectorSelector):
        return f"count({node.prettify()})"
    if isinstance(node, promql.Call) and node.func.name in _MADE_OF_NOTHING:
        return _ALIVE
    if isinstance(node, promql.BinaryExpr) and str(node.op) == "unless":
        return _present(node.lhs)
    parts = list(dict.fromkeys(filter(None, (_present(child) for child in _children(node)))))
    word = "or" if isinstance(node, promql.BinaryExpr) and str(node.op) == "or" else "and on ()"
    return f" {word} ".join(f"({part})" for part in parts) if len(parts) > 1 else "".join(parts)


def _is_scalar(node: Any) -> bool:
    if isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        return _is_scalar(node.expr)
    if isinstance(node, promql.BinaryExpr):
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    return isinstance(node, promql.NumberLiteral) or (isinstance(node, promql.Call) and node.func.name in _SCALARS)
