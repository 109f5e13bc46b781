"""What a live check found, in words. What is not known is said, and never reads as `did not fire`. Pure."""

from alerts.backtest.words import lasted
from alerts.live_lint.firings import SPAN, STEPS
from controlplane.live_check.report import Alert

# Severity -> the heading of its findings, and how it is coloured.
HEADINGS = {
    "fault": ("What keeps a rule from doing its work", "bad"),
    "notice": ("Worth a look", "notice"),
    "unknown": ("Not known", "notice"),
    "note": ("As it may be", "plain"),
}


def alert_line(alert: Alert) -> str:
    """`Fires: 2. Would have fired 3 times, for 12 min in all, in the last 24 h; …`."""
    return f"{_now(alert)} {past(alert)}"


def past(alert: Alert) -> str:
    """What it would have done, with what is not known of it."""
    found = alert.firings
    if not alert.reads:
        return "It reads no series, so there is no past to look at."
    if found is None:
        return "How often it would have fired isn't known."
    if not found["seen"]:
        return (
            f"Of the last 24 h, looked at every {lasted(found['step'])}, it has no data: nothing can be said of them."
        )
    did = "Would not have fired" if not found["times"] else f"Would have fired {_times(found['times'])}"
    total = f", for {lasted(found['total'])} in all" if found["times"] else ""
    unseen = SPAN - found["seen"]
    without = f"; {lasted(unseen)} of them have no data" if unseen >= found["step"] * 2 else ""
    seldom = f"; looked at every {lasted(found['step'])}" if found["step"] > STEPS[0] else ""
    return f"{did}{total} in the last 24 h{without}{seldom}."


def _now(alert: Alert) -> str:
    if alert.firing:
        return f"Fires: {alert.firing}."
    return f"Pending: {alert.pending}." if alert.pending else "Doesn't fire."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
