"""The walk of `script/up --check`: the main job on the running system, a line with its time for each step."""

import time
from collections.abc import Callable

from controlplane.stack.system import System

Step = Callable[[System], None]


class StepError(AssertionError):
    """A step that did not come out as it must. The message says what was expected and what was found."""


def services_are_healthy(system: System) -> None:
    """Every process lives and answers."""
    for server in system.servers:
        if not server.answers():
            raise StepError(f"{server.process.name} does not answer; its log: {server.process.log}")


STEPS: tuple[Step, ...] = (services_are_healthy,)


def walk(system: System) -> int:
    """0 when every step passed; 1 after the first that failed, which is printed."""
    began = time.monotonic()
    for number, step in enumerate(STEPS, 1):
        name = step.__name__.replace("_", " ")
        step_began = time.monotonic()
        try:
            step(system)
        except StepError as error:
            print(f"{time.monotonic() - step_began:6.1f} s  {number:2}. {name}: FAILED\n{error}", flush=True)
            print(f"The logs are in {system.logs}", flush=True)
            return 1
        print(f"{time.monotonic() - step_began:6.1f} s  {number:2}. {name}", flush=True)
    print(f"All {len(STEPS)} steps passed in {time.monotonic() - began:.0f} s.", flush=True)
    return 0
