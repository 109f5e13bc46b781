"""A process of its own that changes traffic: `python -m tests.models_registry.shifting_process seed|shift|report`."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402

from models_registry import traffic  # noqa: E402
from models_registry.actor import Actor  # noqa: E402
from models_registry.models import Change, MLModel, Traffic  # noqa: E402
from models_registry.split import Split  # noqa: E402
from models_registry.traffic import TrafficError  # noqa: E402
from tests.fixtures.registry import make_model  # noqa: E402

SHIFTS = 20


def shift(name: str, start: int) -> None:
    """Say so once ready, wait for a line on standard input, shift again and again; prints how many Changes it wrote."""
    model = MLModel.objects.get(name="fraud")
    traffic.read_split = slow(traffic.read_split)
    written = 0
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    for n in range(SHIFTS):
        done = False
        while not done:
            try:
                written += traffic.shift_traffic(model, percent=start + n, actor=Actor(name)) is not None
                done = True
            except TrafficError as error:
                if "being changed by others" not in str(error):
                    raise
    print(written)  # noqa: T201


def slow(read: Callable[..., Split]) -> Callable[..., Split]:
    """`read`, and time for the other process between it and the write: else the race is seldom lost."""

    def reading(*arguments: Any) -> Split:
        found = read(*arguments)
        time.sleep(0.003)
        return found

    return reading


def report() -> None:
    """Prints the shares before and after of each Change, the revision and the share in force."""
    changes = Change.objects.filter(kind="traffic").values_list("before", "after")
    shares = [(before["canary_percent"], after["canary_percent"]) for before, after in changes]
    row = Traffic.objects.get()
    print(json.dumps({"shares": shares, "revision": row.revision, "percent": row.canary_percent}))  # noqa: T201


if __name__ == "__main__":
    settings.PLUMBLINE_WAKE = "builtins.dict"
    if sys.argv[1] == "seed":
        make_model("fraud", versions=("v1", "v2"), live="v1", canary="v2", percent=10)
    elif sys.argv[1] == "shift":
        shift(sys.argv[2], int(sys.argv[3]))
    else:
        report()
