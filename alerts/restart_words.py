"""What an edit does to the alerts that fire, in words: for the page, the message after saving, and the API. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.annotations import readable_duration
from alerts.firing import FiringNow
from alerts.restarts import Effect, Firing
from telemetry.names import FEATURE, MODEL, VERSION

# So that a message stays one; the page has all of them.
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Told:
    """An edit of `alert`: its effect, what is known of the firing alerts, and what the alert is called."""

    alert: str
    effect: Effect
    firing: FiringNow

    @property
    def known(self) -> bool:
        return self.firing.known

    @property
    def nothing_fires(self) -> bool:
        return self.known and not self.firing.alerts

    @property
    def lingers(self) -> str:
        """How long alerts that left their rule are told yet; empty where they aren't."""
        return readable_duration(self.effect.lingers) if self.effect.lingers else ""

    @property
    def problem(self) -> str:
        return self.firing.problem


def about(firing: Firing) -> str:
    """`fraud v2, amount`: the model, its version, and the feature where the alert is about one."""
    labels = firing.labels
    model = " ".join(filter(None, (labels.get(MODEL, ""), labels.get(VERSION, ""))))
    return ", ".join(filter(None, (model, labels.get(FEATURE, ""))))


def verdict(told: Told) -> str:
    """The effect in one or two sentences. What is not known is said, and never reads as `nothing`."""
    if not told.known:
        return f"Which firing alerts start anew is not known: {told.problem}."
    effect = told.effect
    parts = [
        _list("Firing now, and starts anew:", told.alert, effect.restarts),
        _list("Firing now, and ends:", told.alert, effect.ends),
        "" if effect.restarts or effect.ends else "No firing alert starts anew.",
        _list("Goes on firing, its limit changed:", told.alert, effect.keeps),
        f"The old one is told for {told.lingers} yet." if told.lingers else "",
        f"Not all servers answered: {told.problem}." if told.problem else "",
    ]
    return " ".join(filter(None, parts))


def _list(words: str, alert: str, held: Sequence[Firing]) -> str:
    if not held:
        return ""
    named = "; ".join(_one(alert, each) for each in held[:MOST_NAMED])
    more = f" and {len(held) - MOST_NAMED} more" if len(held) > MOST_NAMED else ""
    return f"{words} {named}{more}."


def _one(alert: str, firing: Firing) -> str:
    subject = about(firing)
    on = f" on {subject}" if subject else ""
    return f"{alert}{on}, since {firing.since:%Y-%m-%d %H:%M} UTC"
