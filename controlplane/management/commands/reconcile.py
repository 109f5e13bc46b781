"""`manage.py reconcile`: the loop in the foreground, without Celery."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error as DatabaseLost
from django.db import close_old_connections
from django.utils import timezone

from controlplane.reconcile import run_alone


class Command(BaseCommand):
    help = "Run the loop every RECONCILE_INTERVAL_SECONDS, or once; prints each step. Ctrl-C ends it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one run; exit code 1 where a step failed")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        while True:
            started = time.monotonic()
            failed = not self._run()
            if once:
                raise SystemExit(1 if failed else 0)
            time.sleep(max(0.0, settings.RECONCILE_INTERVAL_SECONDS - (time.monotonic() - started)))
            close_old_connections()

    def _run(self) -> bool:
        try:
            outcome = run_alone(timezone.now())
        except DatabaseLost as error:
            self.stderr.write(f"The database can't be used: {str(error).strip()}")
            return False
        if outcome is None:
            self.stdout.write("Another process is at it.")
            return True
        for name, step in outcome.steps.items():
            self.stdout.write(f"{'ok  ' if step.ok else 'FAIL'} {name:<12} {step.seconds:7.2f} s  {step.message}")
        return outcome.ok
