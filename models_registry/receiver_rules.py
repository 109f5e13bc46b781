"""What each kind of receiver needs: an address, a secret file, a server that knows it. One function for each kind."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from models_registry.validators import validate_http_url
from telemetry.receiver_versions import TEAMS_FILE_SINCE, WEBHOOK_FILE_SINCE, Version, written

Errors = dict[str, str]
# Alertmanager sends the content of the secret file there: to nobody else.
OPSGENIE = ("https://api.opsgenie.com/", "https://api.eu.opsgenie.com/")


def receiver_errors(kind: str, address: str, secret_file: str) -> Errors:
    """What is wrong with a receiver of `kind`: field -> what to do about it."""
    return _RULES[kind](address, secret_file) if kind in _RULES else {}


def _webhook(address: str, secret_file: str) -> Errors:
    if not secret_file:
        return _url(address)
    if too_old := _needs(WEBHOOK_FILE_SINCE, "a webhook's address from a file (url_file)"):
        return {"secret_file": f"{too_old} Leave this empty and give an address without a secret in it."}
    if address:
        return {"address": "The address lies in the secret file: leave this empty."}
    return _secret(secret_file)


def _slack(address: str, secret_file: str) -> Errors:
    errors = _secret(secret_file)
    if not address.startswith(("#", "@")):
        errors["address"] = "A Slack channel starts with # (or @ for a person)."
    return errors


def _pagerduty(address: str, secret_file: str) -> Errors:
    errors = _secret(secret_file)
    if address:
        errors["address"] = "PagerDuty needs no address: its routing key lies in the secret file."
    return errors


def _opsgenie(address: str, secret_file: str) -> Errors:
    errors = _secret(secret_file)
    if address and address not in OPSGENIE:
        errors["address"] = f"Leave this empty, or name one of Opsgenie's own addresses: {', '.join(OPSGENIE)}."
    return errors


def _email(address: str, secret_file: str) -> Errors:
    errors: Errors = {}
    if not (settings.SMTP_SMARTHOST and settings.SMTP_FROM):
        errors["kind"] = "E-mail needs a server to send it: set SMTP_SMARTHOST and SMTP_FROM first."
    if secret_file:
        errors["secret_file"] = "Leave this empty: SMTP_PASSWORD_FILE names the mail server's."  # noqa: S105
    try:
        for part in address.split(","):
            validate_email(part.strip())
    except ValidationError:
        errors["address"] = "Write e-mail addresses, split at commas: flights@example.com, on-call@example.com."
    return errors


def _teams(address: str, secret_file: str) -> Errors:
    if too_old := _needs(TEAMS_FILE_SINCE, "Microsoft Teams' address from a file (msteams_configs)"):
        return {"kind": too_old}
    errors = _secret(secret_file)
    if address:
        errors["address"] = "Teams' address holds a secret, so it lies in the secret file: leave this empty."
    return errors


def _needs(since: Version, what: str) -> str:
    """Empty where the servers know `what`; else why it is refused, and what to do."""
    if since <= settings.ALERTMANAGER_VERSION:
        return ""
    return (
        f"Alertmanager reads {what} from {written(since)} on, and ALERTMANAGER_VERSION says "
        f"{written(settings.ALERTMANAGER_VERSION)}: raise it once every Alertmanager, and Plumbline's own "
        "amtool, is as new."
    )


def _url(address: str) -> Errors:
    try:
        validate_http_url(address)
    except ValidationError as error:
        return {"address": error.messages[0]}
    return {}


def _secret(secret_file: str) -> Errors:
    if secret_file.startswith("/"):
        return {}
    return {"secret_file": "Name the absolute path of the file that holds the secret."}


_RULES: dict[str, Callable[[str, str], Errors]] = {
    "webhook": _webhook,
    "slack": _slack,
    "pagerduty": _pagerduty,
    "opsgenie": _opsgenie,
    "email": _email,
    "teams": _teams,
}
