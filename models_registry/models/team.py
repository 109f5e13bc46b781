"""Teams: who owns models, who is woken, how and when."""

import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from models_registry.receiver_rules import receiver_errors
from models_registry.validators import validate_name, validate_time_zone

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WORKING_DAYS = list(WEEKDAYS[:5])


def working_days() -> list[str]:
    """Monday to Friday."""
    return list(WORKING_DAYS)


class Team(models.Model):
    """Owns models and receives their alerts. Tickets wait for its working hours; pages never wait."""

    name = models.CharField(max_length=63, unique=True, validators=[validate_name])
    description = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    always_on_duty = models.BooleanField(default=False, help_text="Tickets are delivered at any hour.")
    hours_start = models.TimeField(default=datetime.time(9))
    hours_end = models.TimeField(default=datetime.time(17))
    working_days = models.JSONField(default=working_days, blank=True, help_text="Lower-case English names of days.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        unknown = [day for day in self.working_days if day not in WEEKDAYS]
        if unknown:
            raise ValidationError({"working_days": f"{unknown[0]!r} is no day: use monday to sunday."})
        if not self.always_on_duty and not self.working_days:
            raise ValidationError({"working_days": "Name at least one day, or let the team be always on duty."})
        if self.hours_start >= self.hours_end:
            raise ValidationError({"hours_end": "Working hours end after they start, on the same day."})


class Member(models.Model):
    """A person's role in a team."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        EDITOR = "editor", "Editor"
        ON_CALL = "on-call", "On-call"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)

    class Meta:
        ordering = ["team", "user"]
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="member_once_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Receiver(models.Model):
    """Where a team gets its pages or its tickets. Secrets stay in files that Alertmanager reads."""

    class Severity(models.TextChoices):
        PAGE = "page", "Pages"
        TICKET = "ticket", "Tickets"

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Webhook"
        SLACK = "slack", "Slack"
        PAGERDUTY = "pagerduty", "PagerDuty"
        OPSGENIE = "opsgenie", "Opsgenie"
        EMAIL = "email", "E-mail"
        TEAMS = "teams", "Microsoft Teams"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="receivers")
    severity = models.CharField(max_length=6, choices=Severity)
    kind = models.CharField(max_length=10, choices=Kind)
    address = models.CharField(
        max_length=300,
        blank=True,
        help_text="The webhook's address, the Slack channel, e-mail addresses, or Opsgenie's API outside the USA; "
        "empty for PagerDuty and Teams.",
    )
    secret_file = models.CharField(
        max_length=300,
        blank=True,
        help_text="Absolute path of a file, on Alertmanager's machine and, for digests of tickets, on Plumbline's. "
        "Slack and Teams: the file holds the incoming webhook's address. PagerDuty: the integration's routing key. "
        "Opsgenie: the API key. Webhook: empty, or from Alertmanager 0.26 on the address, where it is a secret. "
        "E-mail: empty; SMTP_PASSWORD_FILE names the mail server's. Nothing else stands in the file.",
    )

    class Meta:
        ordering = ["team", "severity"]
        constraints = [models.UniqueConstraint(fields=["team", "severity"], name="receiver_once_per_severity")]

    def __str__(self) -> str:
        return f"{self.get_severity_display()} of {self.team}: {self.get_kind_display()}"

    def clean(self) -> None:
        errors = receiver_errors(self.kind, self.address, self.secret_file)
        if errors:
            raise ValidationError(errors)
