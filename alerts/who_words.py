"""An answer to "who gets paged?" in words. Pure."""

from collections.abc import Mapping

from alerts.routing import PLUMBLINE
from alerts.who import Answer, Inhibition, Told

_EVERYTHING = "Every alert comes here, whatever its labels."


def why(told: Told) -> str:
    """The way down the tree: which matchers led to this receiver."""
    if not told.path:
        return _EVERYTHING
    steps = ", then ".join(" and ".join(str(matcher) for matcher in route) for route in told.path)
    return steps[0].upper() + steps[1:] + "."


def when(told: Told) -> str:
    """Whether it is told at that time."""
    if told.now:
        return "told"
    return f"waits: outside {told.muted_by}"


def pace(told: Told) -> str:
    """How notifications are grouped and repeated, where a team is told."""
    settings = told.settings
    if told.receiver == PLUMBLINE or "group_wait" not in settings:
        return ""
    return (
        f"Grouped by {', '.join(settings.get('group_by', []))}; told after {settings['group_wait']}, news after "
        f"{settings['group_interval']}, repeated after {settings['repeat_interval']}."
    )


def silenced_by(inhibition: Inhibition) -> str:
    """Which other alert would keep this one quiet."""
    # That a label of `equal` must be there is said by its value below.
    told = [str(matcher) for matcher in inhibition.sources if not (matcher.operator == "!=" and not matcher.value)]
    same = [f"{label} {value}" for label, value in inhibition.equal.items() if value]
    return f"An alert whose {' and '.join(told)}" + (f", of the same {' and '.join(same)}" if same else "") + "."


def nobody(answer: Answer) -> bool:
    """Whether no team is told at any time: Plumbline alone keeps the alert."""
    return all(each.receiver == PLUMBLINE for each in answer.told)


def labels_in_words(labels: Mapping[str, str]) -> str:
    """`alertname=X team=y`, in a steady order."""
    return " ".join(f"{name}={value}" for name, value in labels.items())
