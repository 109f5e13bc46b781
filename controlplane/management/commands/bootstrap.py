"""`manage.py bootstrap`: the first release, so that Prometheus and Alertmanager have something to start from."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane.publishing.checks import CheckImpossible, CheckRefused
from controlplane.publishing.first_release import write_first_release
from controlplane.publishing.release_files import Busy, ReleaseFiles
from controlplane.rendering import render_bundle
from controlplane.targets import sync_targets


class Command(BaseCommand):
    help = "Write the first release where there is none yet. Repeatable: an existing release is never touched."

    def handle(self, *args: Any, **options: Any) -> None:
        files = ReleaseFiles.from_settings(settings)
        try:
            release = write_first_release(files, render_bundle, self.stdout.write)
        except (Busy, CheckRefused, CheckImpossible, OSError) as error:
            raise CommandError(str(error)) from error
        sync_targets()
        if release is None:
            self.stdout.write(f"{files.current} exists already: nothing to do.")
            return
        self.stdout.write(
            f"{files.current} is there. Start Prometheus with --config.file={files.current}/prometheus/prometheus.yml"
            f" and Alertmanager with --config.file={files.current}/alertmanager/alertmanager.yml."
        )
