"""Which version answers the next request."""

import itertools
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Choice = TypeVar("Choice")

# The fractional part of the golden ratio: its multiples modulo 1 fill the unit interval more evenly than any other
# number's, so a share is within a fraction of a point after a thousand requests, where a coin would be off by three;
# and being irrational it can't fall into step with clients that take turns.
_STEP = 0.6180339887498949


class Split(Generic[Choice]):
    """A weighted split. Weights may add up to anything above 0; a choice of weight 0 is never made."""

    def __init__(self, weighted: Sequence[tuple[Choice, float]]) -> None:
        positive = [(choice, weight) for choice, weight in weighted if weight > 0]
        if not positive:
            raise ValueError("A split needs a choice with a weight above 0.")
        total = sum(weight for _, weight in positive)
        self._choices = [choice for choice, _ in positive]
        self._bounds = [at / total for at in itertools.accumulate(weight for _, weight in positive)][:-1]

    def at(self, point: float) -> Choice:
        """The choice at `point` of the unit interval, [0, 1)."""
        return self._choices[bisect_right(self._bounds, point)]


def points(start: float | None = None) -> Callable[[], float]:
    """A source of evenly spread points of [0, 1); callable from several threads (a count's step is atomic).

    Each replica starts elsewhere, so that replicas behind one balancer don't send their canary requests in step.
    """
    origin = random.random() if start is None else start  # noqa: S311 - spreads traffic, keeps no secret
    count = itertools.count()
    return lambda: (origin + next(count) * _STEP) % 1.0
