"""Receivers that the present Alertmanagers are too old for, found before one of them, or amtool, refuses the file."""

from collections.abc import Iterator, Sequence

import yaml

from alerts.alertmanager import Alertmanager
from controlplane.bundle import ALERTMANAGER_CONFIG, Bundle
from controlplane.publishing.checks import CheckRefused
from telemetry.receiver_versions import TEAMS_FILE_SINCE, WEBHOOK_FILE_SINCE, Version, version_of, written


def check_receivers(alertmanagers: Sequence[Alertmanager], bundle: Bundle) -> None:
    """CheckRefused names the receiver, the version that it needs and the one that a server reports.

    Asks nobody where no receiver needs a newer server than Plumbline does. Raises Unreachable and Refused.
    """
    needed = list(_needed(bundle))
    for alertmanager in alertmanagers if needed else ():
        reported = alertmanager.status().version
        for receiver, what, since in needed:
            if version_of(reported) < since:
                raise CheckRefused(
                    f"The receiver {receiver} ({what}) needs Alertmanager {written(since)} or later; the one at "
                    f"{alertmanager.url.rpartition('@')[2]} reports {reported}. Give the team another kind of "
                    "receiver, or upgrade it."
                )


def _needed(bundle: Bundle) -> Iterator[tuple[str, str, Version]]:
    try:
        document = yaml.safe_load(bundle.text(ALERTMANAGER_CONFIG))
    except yaml.YAMLError:
        return  # amtool says what is wrong with it
    for receiver in (document or {}).get("receivers", []):
        if receiver.get("msteams_configs"):
            yield receiver["name"], "Microsoft Teams", TEAMS_FILE_SINCE
        if any("url_file" in each for each in receiver.get("webhook_configs", [])):
            yield receiver["name"], "a webhook's address from a file", WEBHOOK_FILE_SINCE
