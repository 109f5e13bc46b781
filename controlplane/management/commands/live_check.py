"""`manage.py live_check`: what the running Prometheus says of the release in force, now, in the foreground."""

import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from controlplane.live_check.report import report_of
from controlplane.live_check.run import run
from controlplane.live_check.turns import NotCurrent, ask
from controlplane.live_check.words import alert_line
from controlplane.models import LiveCheck, Release
from controlplane.publishing.release_files import ReleaseFiles

FOUND, NOT_KNOWN = 1, 2
POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = (
        "Ask Prometheus about every rule of the release in force. Exit code 0: nothing is wrong; 1: something is; "
        "2: not all of it can be told."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        files = ReleaseFiles.from_settings(settings)
        good = Release.objects.filter(outcome__in=Release.GOOD, hash=files.current_hash())
        release = good.order_by("-pk").first()
        if release is None:
            raise CommandError("No release is in force: manage.py publish makes one.")
        try:
            check = ask(release, files.current_hash(), timezone.now(), prove=False)
        except NotCurrent as error:
            raise CommandError(str(error)) from error
        self._work_off(check, files)
        self._tell(check)

    def _work_off(self, check: LiveCheck, files: ReleaseFiles) -> None:
        """Run after run, those of workers included, until nothing is left or Prometheus doesn't answer."""
        while not check.finished:
            if check.problem:
                raise SystemExit(self._not_known(check.problem))
            done = run(files)
            if done is None:
                time.sleep(POLL_SECONDS)
            else:
                self.stdout.write(done.message)
            check.refresh_from_db()
        if check.state == LiveCheck.State.SUPERSEDED:
            raise CommandError("Another release was published meanwhile.")

    def _not_known(self, problem: str) -> int:
        self.stderr.write(f"Not known: {problem}")
        return NOT_KNOWN

    def _tell(self, check: LiveCheck) -> None:
        report = report_of(check.found)
        for severity, findings in report.by_severity:
            for each in findings:
                self.stdout.write(f"{severity:<8} {', '.join(each.rules)}: {each.text} {each.remedy}".rstrip())
        for alert in report.loud:
            self.stdout.write(f"alert    {alert.group}: {alert_line(alert)}")
        if report.of("fault"):
            sys.exit(FOUND)
        if report.of("unknown"):
            sys.exit(NOT_KNOWN)
