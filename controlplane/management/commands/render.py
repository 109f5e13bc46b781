"""`manage.py render DIR`: the bundle for the present database, for a look or for a system that publishes itself."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alerts.scraping import render_targets
from controlplane.bundle import PROMETHEUS_CONFIG, TARGETS, Bundle
from controlplane.rendering import render_bundle, render_options
from controlplane.target_files import write_targets
from models_registry.fleet import load_fleet

OURS = {"prometheus", "alertmanager", "grafana", "kubernetes"}


class Command(BaseCommand):
    help = "Write the bundle for the present database to DIR, with the scrape targets beside it. Publishes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "directory", metavar="DIR", type=Path, help="A new or empty folder, or one rendered before."
        )

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        check_replaceable(directory)
        bundle = render_bundle()
        try:
            write_beside(bundle, directory)
        except OSError as error:
            raise CommandError(f"{directory} could not be written: {error}") from error
        self.stdout.write(f"{bundle.hash}  {len(bundle.files)} files in {directory}")


def check_replaceable(directory: Path) -> None:
    """CommandError where `directory` holds something that render has not written."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise CommandError(f"{directory} is not a folder.")
    if directory.is_symlink():
        raise CommandError(f"{directory} is a link: name the folder itself.")
    names = {path.name for path in directory.iterdir()}
    if names and (names - OURS or not (directory / PROMETHEUS_CONFIG).is_file()):
        raise CommandError(f"{directory} holds other files: name a new or an empty folder, or one rendered before.")


def write_beside(bundle: Bundle, directory: Path) -> None:
    """Write next to `directory` first, so that it is the old one or the new one, never a mixture."""
    directory = directory.absolute()
    draft, old = directory.with_name(f".{directory.name}.tmp"), directory.with_name(f".{directory.name}.old")
    for left in (draft, old):
        shutil.rmtree(left, ignore_errors=True)
    bundle.write(draft)
    write_targets(draft / TARGETS, render_targets(load_fleet(), render_options()))
    if directory.exists():
        directory.rename(old)
    draft.rename(directory)
    shutil.rmtree(old, ignore_errors=True)
