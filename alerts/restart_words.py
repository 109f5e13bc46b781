"""What an edit does to the alerts that fire or are pending, in words: for pages, messages, the API, `apply`. Pure."""

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
    """An edit of `alert` (empty: of any): its effect, what is known of the active alerts, what the alert is called."""

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
    def touches(self) -> bool:
        """Whether the edit does anything to them, as far as is known."""
        return bool(self.effect.restarts or self.effect.ends or self.effect.keeps)

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
    """The effect in one paragraph."""
    return " ".join(sentences(told, MOST_NAMED))


def sentences(told: Told, most: int | None = None) -> list[str]:
    """The effect, each of its kinds with `most` alerts named. What is not known is said, and never reads as `nothing`.

    What fires and what is pending is told apart: of the second nobody was told yet.
    """
    if not told.known:
        return [f"Which firing alerts start anew is not known: {told.problem}."]
    effect = told.effect
    lost = effect.restarts or effect.ends
    parts = [
        _list("Firing now, and starts anew:", told, effect.restarts, most),
        _list("Firing now, and ends:", told, effect.ends, most),
        "" if any(not each.pending for each in lost) else "No firing alert starts anew.",
        _list("Pending now, and waits its whole `for` anew:", told, effect.restarts, most, pending=True),
        _list("Pending now, and is dropped:", told, effect.ends, most, pending=True),
        _list("Goes on firing, its limit changed:", told, effect.keeps, most),
        _list("Goes on pending, its limit changed:", told, effect.keeps, most, pending=True),
        f"The old one is told for {told.lingers} yet." if told.lingers else "",
        f"Not all servers answered: {told.problem}." if told.problem else "",
    ]
    return [part for part in parts if part]


def _list(words: str, told: Told, effect: Sequence[Firing], most: int | None, *, pending: bool = False) -> str:
    held = [each for each in effect if each.pending == pending]
    if not held:
        return ""
    named = "; ".join(_one(told.alert, each) for each in held[:most])
    more = f" and {len(held) - most} more" if most is not None and len(held) > most else ""
    return f"{words} {named}{more}."


def _one(alert: str, firing: Firing) -> str:
    subject = about(firing)
    on = f" on {subject}" if subject else ""
    return f"{firing.name or alert}{on}, since {firing.since:%Y-%m-%d %H:%M} UTC"
