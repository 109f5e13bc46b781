"""`manage.py prove`: all proofs of what the registry says now, whatever has passed before."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from controlplane.publishing.proving import prove
from controlplane.rendering import render_bundle


class Command(BaseCommand):
    help = (
        "Render the present registry and run all its proofs with promtool; publishes nothing. Exit code 0: all passed; "
        "1: one failed; 2: they could not be run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--whole-rules",
            action="store_true",
            help="on the rules as they stand, and not cut down to what each proof can see: minutes for a large fleet",
        )

    def handle(self, *args: Any, whole_rules: bool, **options: Any) -> None:
        proven = prove(render_bundle(), whole_rules=whole_rules, say=self.stdout.write)
        self.stdout.write(str(proven))
        if not proven.passed:
            self.stderr.write(proven.reason)
            sys.exit(1 if proven.passed is False else 2)
