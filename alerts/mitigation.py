"""What rolling back, shifting, promoting and withdrawing would do, told before it is done. Pure."""

from dataclasses import dataclass

from models_registry import split as moves
from models_registry.split import Split, TrafficError


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would do, in words; where it isn't possible, why."""

    possible: bool
    text: str
    after: Split


def preview_roll_back(split: Split) -> Preview:
    """What rolling back would do now."""
    try:
        after = moves.roll_back(split)
    except TrafficError as error:
        return Preview(False, str(error), split)
    if split.canary is not None:
        return Preview(
            True, f"Empties canary {split.canary} ({split.canary_percent} %); {after.live} answers all.", after
        )
    return Preview(True, f"Puts {after.live} back in place of {split.live}, which then answers nothing.", after)


def preview_withdraw(split: Split) -> Preview:
    """What withdrawing would do now."""
    after = moves.withdraw(split)
    if split.live is None:
        return Preview(False, "Nothing answers for this model: there is nothing to withdraw.", split)
    who = f"{split.live} and {split.canary} answer" if split.canary else f"{split.live} answers"
    told = f"{who} nobody any more: requests for the model are refused. Rolling back puts {split.live} back."
    return Preview(True, told, after)


def preview_promote(split: Split) -> Preview:
    """What promoting the canary would do now."""
    try:
        after = moves.promote(split)
    except TrafficError as error:
        return Preview(False, str(error), split)
    return Preview(True, f"{after.live} answers all; {split.live} answers nothing, and can be rolled back to.", after)
