"""The nudge: run the loop now instead of at its next tick. It may fail, since the loop runs by the clock anyway."""


def wake() -> None:
    """Replaced by the reconcile room's nudge."""
