"""PromQL as a tree: its nodes, and which labels a result has for certain."""

from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser as promql

CHILDREN = ("lhs", "rhs", "expr", "vector_selector", "param")
# Labels that a result of unknown labels is taken to have: all. A selector's own labels are the exporter's affair.
ANY = None
Labels = frozenset[str] | None


def nodes(expression: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Each node with those around it, the nearest last."""
    yield expression, path
    inside = (*path, expression)
    for child in (*(getattr(expression, name, None) for name in CHILDREN), *getattr(expression, "args", ())):
        if child is not None and type(child).__module__.startswith("promql_parser"):
            yield from nodes(child, inside)


def bare(expression: Any) -> Any:
    """Without parentheses around it."""
    return bare(expression.expr) if isinstance(expression, promql.ParenExpr) else expression


def labels(expression: Any, of_series: Mapping[str, Labels]) -> Labels:
    """The labels that every series of the result has. `of_series`: of recorded series, by name."""
    if isinstance(expression, promql.ParenExpr | promql.UnaryExpr):
        return labels(expression.expr, of_series)
    if isinstance(expression, promql.VectorSelector):
        return of_series.get(expression.name or "", ANY)
    if isinstance(expression, promql.MatrixSelector):
        return labels(expression.vector_selector, of_series)
    if isinstance(expression, promql.AggregateExpr):
        return frozenset(expression.modifier.labels) if expression.modifier else frozenset()
    if isinstance(expression, promql.Call):
        return _of_call(expression, of_series)
    if isinstance(expression, promql.BinaryExpr):
        return _of_binary(expression, of_series)
    return frozenset()


def _of_call(call: Any, of_series: Mapping[str, Labels]) -> Labels:
    name, arguments = call.func.name, list(call.args)
    if name in ("label_replace", "label_join"):
        held, target = labels(arguments[0], of_series), arguments[1].val
        if held is ANY:
            return ANY
        removed = name == "label_replace" and arguments[2].val == ""
        return held - {target} if removed else held | {target}
    if name in ("vector", "time", "absent"):
        return frozenset()
    held = next((labels(a, of_series) for a in arguments if not isinstance(a, promql.NumberLiteral)), frozenset())
    return held - {"le"} if name == "histogram_quantile" and held is not ANY else held


def _of_binary(node: Any, of_series: Mapping[str, Labels]) -> Labels:
    left, right = labels(node.lhs, of_series), labels(node.rhs, of_series)
    operator = str(node.op)
    if operator in ("and", "unless") or is_scalar(node.rhs):
        return left
    if is_scalar(node.lhs):
        return right
    if operator == "or":
        return right if left is ANY else left if right is ANY else left & right
    if node.modifier is not None and "OneToMany" in str(node.modifier.card):
        return right
    return left


def is_scalar(node: Any) -> bool:
    node = bare(node)
    if isinstance(node, promql.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    return isinstance(node, promql.NumberLiteral) or (isinstance(node, promql.Call) and node.func.name == "time")
