"""`manage.py demo`: the worked demo's registry and artifacts, in the present database."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.demo import load
from controlplane.demo.flights import MODEL
from controlplane.registry_file import apply_files
from controlplane.secrets import ensure_secret
from models_registry.actor import Actor
from models_registry.models import Traffic

USER = "demo"
# Short enough to be typed; as script/up makes it.
PASSWORD_BYTES = 12


class Command(BaseCommand):
    help = (
        "Loads the demo: four teams, the model flight-delay with a good and a bad version trained on real flights, its "
        "baseline, policies and drift check, and the user demo, whose password lies in PLUMBLINE_HOME/secrets. "
        "Repeatable: what is there already stays, traffic included. Not for a database that holds more than the demo."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--receivers",
            default="http://127.0.0.1:9099",
            metavar="URL",
            help="where the teams' pages and tickets are posted, below it /<team>/<page|ticket> (default: %(default)s)",
        )

    def handle(self, *args: Any, receivers: str, **options: Any) -> None:
        """Writes PLUMBLINE_HOME/demo/registry.yml and applies it."""
        self._ensure_user()
        file = load.write(
            settings.PLUMBLINE_HOME / "demo",
            settings.ARTIFACTS_DIR / MODEL,
            receivers=receivers.rstrip("/"),
            user=USER,
            with_traffic=not Traffic.objects.filter(model__name=MODEL, live__isnull=False).exists(),
        )
        outcome = apply_files([file], actor=Actor("demo"))
        if outcome.problems:
            raise CommandError("\n".join(map(str, outcome.problems)))
        self.stdout.write(f"{file}: {len(outcome.changes)} changes made.")

    def _ensure_user(self) -> None:
        password = ensure_secret(settings.SECRETS_DIR / "demo_password", random_bytes=PASSWORD_BYTES)
        user, _ = get_user_model().objects.get_or_create(
            username=USER, defaults={"is_staff": True, "is_superuser": True, "email": "demo@example.org"}
        )
        # Hashing is slow on purpose; a repeated load leaves the password and its sessions alone.
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
