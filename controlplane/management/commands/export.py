"""`manage.py export`: the registry as a YAML file that apply reads."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.registry_file import export
from models_registry.models import MLModel


class Command(BaseCommand):
    help = "Prints the registry as YAML, as `apply` reads it. No secret is in it: receivers name files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--model", help="only this model, with its teams and what belongs to it")

    def handle(self, *args: Any, model: str | None, **options: Any) -> None:
        """Prints to standard output."""
        if model is not None and not MLModel.objects.filter(name=model).exists():
            raise CommandError(f"There is no model {model!r}.")
        self.stdout.write(export(model), ending="")
