"""`manage.py create_token USER NAME`: a token for the API, printed once."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.tokens import issue


class Command(BaseCommand):
    help = "Makes an API token for a user and prints it. It can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the user's name")
        parser.add_argument("name", help="what uses the token, for example ci-fraud")

    def handle(self, *args: Any, user: str, name: str, **options: Any) -> None:
        """Prints the token alone, so that a script can keep it."""
        users = get_user_model()
        owner = users.objects.filter(**{users.USERNAME_FIELD: user}).first()
        if owner is None:
            raise CommandError(f"There is no user {user!r}: make one with `manage.py createsuperuser` or in the UI.")
        try:
            _, text = issue(owner, name)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(text)
