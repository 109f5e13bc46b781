"""`manage.py publish`: one attempt now, in the foreground, without Redis or workers."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from controlplane.models import Release
from controlplane.publish import Publisher
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers
from controlplane.rendering import render_bundle

UNREACHABLE, REFUSED = 2, 1


class Command(BaseCommand):
    help = (
        "Render, check, switch, reload, verify. Exit code 0: published, or nothing to change; 1: refused, switched "
        "back or failed; 2: a server can't be reached."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait", type=float, default=120.0, metavar="SECONDS", help="for another publish to end (default 120)"
        )

    def handle(self, *args: Any, wait: float, **options: Any) -> None:
        publisher = Publisher(
            ReleaseFiles.from_settings(settings),
            Servers.from_settings(settings),
            render_bundle,
            # Who asks by hand may know that what refused it has changed.
            retry=True,
            say=self.stdout.write,
        )
        published = publisher.publish(wait)
        name = f"release {published.release.pk}: " if published.release is not None else ""
        self.stdout.write(f"{name}{Release.Outcome(published.outcome).label}")
        if published.reason:
            self.stderr.write(published.reason)
        if published.outcome == Release.Outcome.UNREACHABLE:
            sys.exit(UNREACHABLE)
        if published.outcome not in Release.GOOD:
            sys.exit(REFUSED)
