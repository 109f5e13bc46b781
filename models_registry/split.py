"""How a model's traffic is split, and the moves that lead from one split to another. Pure: no database."""

from dataclasses import dataclass, replace


class TrafficError(ValueError):
    """A move that the present split doesn't allow; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Split:
    """Live answers what the canary leaves (`canary_percent`, whole percents); shadows answer nothing."""

    live: str | None = None
    canary: str | None = None
    canary_percent: int = 0
    shadows: frozenset[str] = frozenset()
    previous_live: str | None = None

    def role(self, version: str) -> str | None:
        """live, canary or shadow; None for a version without traffic."""
        if version == self.live:
            return "live"
        if version == self.canary:
            return "canary"
        return "shadow" if version in self.shadows else None


def deploy(split: Split, version: str, percent: int) -> Split:
    """`version` as a canary with `percent` of the traffic, or, with 100, as the live version.

    The first version of a model has nothing to be a canary of: it goes live whatever the percent.
    """
    _check_percent(percent)
    shadows = split.shadows - {version}
    if split.live == version:
        if percent == 100:
            # Nobody beside it: deploying what is live already, again, ends a canary and is otherwise no change.
            return replace(split, canary=None, canary_percent=0, shadows=shadows)
        raise TrafficError(f"{version} is live already: a canary is another version.")
    if split.live is None:
        # After a withdrawal the version itself can be the one that was live before.
        previous = None if split.previous_live == version else split.previous_live
        return replace(split, live=version, previous_live=previous, shadows=shadows)
    if percent == 100:
        return replace(split, live=version, canary=None, canary_percent=0, previous_live=split.live, shadows=shadows)
    return replace(split, canary=version, canary_percent=percent, shadows=shadows)


def shift(split: Split, percent: int) -> Split:
    """The present canary with `percent` of the traffic."""
    _check_percent(percent)
    if split.canary is None:
        raise TrafficError("There is no canary to shift traffic to: deploy a version first.")
    return replace(split, canary_percent=percent)


def promote(split: Split, version: str | None = None) -> Split:
    """The canary becomes live. With `version`, a repeat finds it live already and changes nothing."""
    if version is not None and version == split.live:
        return split
    if split.canary is None:
        raise TrafficError("There is no canary to promote: deploy a version first.")
    if version not in (None, split.canary):
        raise TrafficError(f"{version} is not the canary, {split.canary} is: name that one.")
    return deploy(split, split.canary, 100)


def roll_back(split: Split, version: str | None = None) -> Split:
    """Without the canary, or, where there is none, with the previous live version live again.

    With `version`, that version leaves traffic, whichever of the two it is; one that answers nothing already is left
    alone. So a repeated order to roll back a canary never goes on to roll back the live version.
    """
    if version is not None and version not in (split.canary, split.live):
        return split
    if split.canary is not None and version in (None, split.canary):
        return replace(split, canary=None, canary_percent=0)
    if split.previous_live is None:
        raise TrafficError("There is nothing to roll back to: no canary, and no version was live before this one.")
    shadows = split.shadows - {split.previous_live}
    return Split(live=split.previous_live, shadows=shadows)


def withdraw(split: Split) -> Split:
    """Nobody answers requests any more; rolling back puts the live version back."""
    if split.live is None:
        return split
    return Split(previous_live=split.live)


def shadow(split: Split, shadows: frozenset[str]) -> Split:
    """`shadows` see a copy of the traffic."""
    serving = {split.live, split.canary} & shadows
    if serving:
        raise TrafficError(f"{serving.pop()} answers requests already: a shadow is another version.")
    return replace(split, shadows=shadows)


def settle(before: Split, wanted: Split) -> Split:
    """`wanted`, checked; its previous live version, where it names none, is the one that was live before."""
    _check_percent(wanted.canary_percent)
    if wanted.live is None:
        raise TrafficError("No live version is named: state which version answers requests.")
    if wanted.canary == wanted.live:
        raise TrafficError(f"{wanted.canary} can't be live and canary at once: name two versions.")
    if wanted.canary is None and wanted.canary_percent:
        raise TrafficError("There is a canary's share but no canary: name it, or leave the share out.")
    shadow(wanted, wanted.shadows)
    previous = wanted.previous_live or (before.previous_live if before.live in (wanted.live, None) else before.live)
    return replace(wanted, previous_live=None if previous == wanted.live else previous)


def told(split: Split) -> str:
    """A split in words."""
    if split.live is None:
        return "nobody answers"
    live = f"{split.live} live {100 - split.canary_percent} %"
    canary = f", {split.canary} canary {split.canary_percent} %" if split.canary else ""
    shadows = f", shadows {', '.join(sorted(split.shadows))}" if split.shadows else ""
    return live + canary + shadows


def _check_percent(percent: int) -> None:
    if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
        raise TrafficError(f"A share is a whole percent from 0 to 100, not {percent!r}.")
