"""`manage.py apply FILE...`: bring the registry to what the files state, all or nothing."""

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from alerts.restart_words import sentences
from controlplane import edit_preview
from controlplane.registry_file import apply_files
from models_registry.actor import Actor
from models_registry.document_diff import document_diff


class Command(BaseCommand):
    help = (
        "Applies registry files (YAML, as `export` writes them): all or nothing, repeatable. A document states all of "
        "its thing: a field that is left out gets its default. A list that is left out (features, receivers, "
        "members, ...) stays as it is, and so does traffic. Nothing is deleted but features, receivers and members "
        "that a stated list leaves out; with --prune, whatever a stated list leaves out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="only print what would change")
        parser.add_argument("--prune", action="store_true", help="remove what the lists in the files leave out")
        parser.add_argument("--author", default="", help="who is told as the author; default: the system's user")

    def handle(self, *args: Any, files: list[Path], dry_run: bool, prune: bool, author: str, **options: Any) -> None:
        """Prints each change with its difference, and which alerts start anew; with problems, those, and fails."""
        actor = Actor(author or f"{getpass.getuser()} (apply)")
        # Asked before: afterwards the loop may have published already.
        firing, before = edit_preview.ask(None), edit_preview.present()
        outcome = apply_files(files, actor=actor, dry_run=dry_run, prune=prune, look=edit_preview.present)
        if outcome.problems:
            told = "\n".join(map(str, outcome.problems))
            raise CommandError(f"{told}\nNothing was changed.")
        for change in outcome.changes:
            self.stdout.write(change.summary)
            difference = document_diff(change.before, change.after).splitlines()[2:]
            self.stdout.write("".join(f"    {line}\n" for line in difference), ending="")
        for name, rows in outcome.left.items():
            self.stdout.write(f"{name}: no file has this list, so its {rows} stay; `{name}: []` would remove them.")
        count = len(outcome.changes)
        if not count:
            self.stdout.write("No changes.")
        else:
            self.stdout.write(f"{count} change{'s' if count > 1 else ''}{' would be made' if dry_run else ' made'}.")
        if outcome.seen is not None and outcome.seen.differs(before):
            for sentence in sentences(edit_preview.compare(None, before, outcome.seen, firing)):
                self.stdout.write(sentence)
