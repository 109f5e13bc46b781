"""The typed expression of a custom alert, made fit to be owned. Pure."""

from alerts.expressions import Expr
from telemetry.names import MODEL

# Labels that are not the expression's to give: the owner's, and those of a single scrape.
_FORCED = ("job", "instance", MODEL, "team", "severity", "plane", "policy", "alertname")


def collapsed(expression: str) -> Expr:
    """The typed expression without the labels that Plumbline sets, one series where they alone told two apart.

    It stands on lines of its own: a comment at its end hides nothing of ours.
    """
    return Expr(f"max without ({', '.join(_FORCED)}) (\n{expression.strip()}\n)")
