"""A backtest in words. What is not known is said first of all numbers, and never reads as `did not fire`. Pure."""

from alerts.backtest.outcome import Replay
from alerts.backtest.trial import Backtest, Trial

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def lasted(seconds: int) -> str:
    """`42 s`, `10 min`, `3 h 12 min`, `6 d 18 h`: the two largest units."""
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def span(days: int) -> str:
    """The time that was asked for."""
    return "24 hours" if days == 1 else f"{days} days"


def verdict(found: Backtest) -> str:
    """Both policies in one or two sentences, with what is not known."""
    edited, present = found.edited, found.present
    if found.knows_nothing:
        return (
            f"Nothing can be said: of the last {span(found.days)}, Prometheus has no data on {found.model.name} "
            "for this alert. That is not the same as never firing."
        )
    if not found.is_edited:
        return f"The present policy would {_fired(edited)}; {_unseen(edited, found.days)}."
    if edited.knows_nothing:
        first = "With these limits nothing can be said: there is no data to judge them by."
    elif edited.unseen == present.unseen:
        first = f"With these limits it would {_fired(edited)}."
    else:
        first = f"With these limits it would {_fired(edited)}; {_unseen(edited, found.days)}."
    told = "is off" if present.replay is None else f"would {_fired(present)}"
    return f"{first} The present policy {told}; {_unseen(present, found.days)}."


def notes(found: Backtest) -> list[str]:
    """What else a person has to know to trust the numbers."""
    told = []
    window = found.edited.limits.window
    if window != found.present.limits.window and found.kind.recorded:
        told.append(
            f"Series over {lasted(window)} are recorded only while a policy asks for that window: what came before "
            "can't be judged with it, and counts as no data."
        )
    asked = found.asked.seconds
    if found.kept is not None and found.kept < asked - found.grid.step:
        told.append(f"Prometheus keeps {lasted(found.kept)}: what lies before can't be looked at.")
    if found.cut_short:
        looked = lasted(found.grid.span.seconds)
        told.append(f"Only the last {looked} were looked at, since no more could be read in time: {found.cut_short}.")
    if found.grid.step > found.interval:
        told.append(
            f"Looked at every {lasted(found.grid.step)}, while the rule is evaluated every {lasted(found.interval)}: "
            "what came and went in between is not counted, and a short break may be missed."
        )
    return told


def _fired(trial: Trial) -> str:
    replay = trial.replay or Replay(())
    if not replay.count:
        return "not have fired where there is data"
    still = ", and it would be firing now" if any(firing.still for firing in replay.firings) else ""
    if replay.count == 1:
        return f"have fired once, for {lasted(replay.total)}{still}"
    total = f"for {lasted(replay.total)} in total (the longest {lasted(replay.longest)})"
    return f"have fired {replay.count} times, {total}{still}"


def _unseen(trial: Trial, days: int) -> str:
    if not trial.unseen_seconds:
        return f"there is data for all of the {span(days)}"
    return f"{lasted(trial.unseen_seconds)} of the {span(days)} have no data"
