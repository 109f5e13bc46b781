"""A worker in a process of its own, to be run and killed by tests: `python -m tests.dashboards.worker COMMAND [N...]`.

`seed N` writes N changes; `deliver S...` runs a pass as of S seconds from now, one for each S.
"""

import os
import sys
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from dashboards.annotations import deliver_pending  # noqa: E402
from models_registry.models import Change  # noqa: E402


def main(command: str, *numbers: int) -> None:
    if command == "seed":
        call_command("migrate", verbosity=0)
        for n in range(*numbers):
            Change.objects.create(
                kind="deploy",
                model_name="claims-risk",
                author="ada",
                object_type="traffic",
                object_name="x",
                summary=f"change {n}",
            )
    elif command == "deliver":
        for seconds in numbers:
            deliver_pending(now=timezone.now() + timedelta(seconds=seconds))


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
