"""How long a publish waits, and for what. Nothing waits without an end; what several waits share is one deadline.

The loop publishes within a Celery task that is ended after CELERY_TASK_SOFT_TIME_LIMIT (270 s). The longest that its
parts take, one after the other: 45 s of runs before (reconcile.PATIENCE_SECONDS), 45 s for the steps before it and for
finding out who answers, 60 s of checks, 50 s after the switch and 30 s on the way back, each of the last three with
one request (10 s) that had begun: 260 s. What takes longer after the switch is not cut off: the next run goes on.
"""

import math
import time
from dataclasses import dataclass
from typing import Self

# A request that may begin may also be answered.
LEAST_SECONDS = 1.0


class StillWaiting(Exception):
    """What is current has no verdict yet, and this run has waited for long enough: the next one goes on."""

    MARK = "Goes on with the next run: "

    def __init__(self, what: str) -> None:
        super().__init__(f"{self.MARK}{what}")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment, by `time.monotonic`."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds; never below 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left == 0.0


NEVER = Deadline(math.inf)
PASSED = Deadline(-math.inf)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: FOREGROUND of an agent and of `manage.py publish`, which nobody ends; LOOP of the loop.

    `check`: promtool, amtool and the queries together. `reload`: for the answer to one reload. Prometheus answers when
    it has loaded all: half a second for a thousand models, 14 to 44 s for 20,000 rules (docs/benchmarks.md), so that
    more than 60 is a server in trouble. `load`: from the reload until a server that is alive runs the release, however
    late it answers. `turn`: what one run waits after the switch. `back`: for the old release to be loaded again.
    """

    check: float = 300.0
    reload: float = 60.0
    load: float = 180.0
    turn: float = math.inf
    back: float = 180.0


FOREGROUND = Patience()
LOOP = Patience(check=60.0, turn=50.0, back=30.0)
