"""`manage.py drift_check MODEL`: one check now, in the foreground."""

import argparse
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from drift import claims
from drift.edits import check_of, save_check
from drift.engine.report import table
from drift.engine.verdict import WITH_SCORES, from_document
from drift.models import CheckRun, DriftCheck
from drift.run import run_window
from drift.trigger import NotTriggered, planned
from models_registry.actor import SYSTEM
from models_registry.models import MLModel


class Command(BaseCommand):
    help = (
        "Run a model's drift check now, for each version with traffic, and print what it found. "
        "Exits with an error where a version could not be judged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="the model's name")
        parser.add_argument(
            "--window-end", type=_instant, metavar="TIME", help="end of the window (ISO 8601; default: now)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check = _check(options["model"])
        end = options["window_end"] or timezone.now().replace(microsecond=0)
        try:
            runs = planned(check, end)
        except NotTriggered as error:
            raise CommandError(str(error)) from error
        done = [self._run(check, run) for run in runs]
        failed = [run.version.version for run in done if run.state not in WITH_SCORES]
        if failed:
            raise CommandError(f"No verdict on {', '.join(failed)}.")

    def _run(self, check: DriftCheck, run: CheckRun) -> CheckRun:
        claims.reopen(run)
        done = run_window(check, run.version, run.window_end)
        self.stdout.write(f"{check.model} {run.version.version}, {run.window_start} to {run.window_end}")
        verdict = from_document(done.result) if done.finished_at and done.result else None
        self.stdout.write(table(verdict) if verdict else "another worker is at it")
        self.stdout.write("")
        return done


def _check(name: str) -> DriftCheck:
    model = MLModel.objects.filter(name=name).first()
    if model is None:
        known = ", ".join(MLModel.objects.values_list("name", flat=True)[:20])
        raise CommandError(f"There is no model {name!r}; there are: {known or 'none'}.")
    check = check_of(model)
    if check.pk is None:
        save_check(check, actor=SYSTEM)
    return check


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: write it like 2015-07-01T00:00:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
