"""Who is told when, asked of a running Alertmanager: amtool's route test does not look at time intervals."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
import yaml

from alerts.hours import WEEKDAYS
from alerts.who import who
from controlplane.stack.alertmanager import Alertmanager
from controlplane.stack.receiver import Receiver

ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata", "Europe/Berlin")
# No interval begins or ends this close to the present: the test itself takes time.
MARGIN = timedelta(minutes=3)


def intervals(now: datetime) -> dict[str, dict[str, Any]]:
    """Name -> interval, on each zone's clock: around now, before now, after now, and the whole of other days."""
    found = {}
    for zone in ZONES:
        local = now.astimezone(ZoneInfo(zone))
        if (local + MARGIN).date() != local.date():
            continue
        today = WEEKDAYS[local.weekday()]
        before, after = (local - MARGIN).strftime("%H:%M"), (local + MARGIN).strftime("%H:%M")
        spans = {"around": (before, after), "before": ("00:00", before), "after": (after, "24:00")}
        for name, (start, end) in spans.items():
            if start < end:  # early in the day nothing lies before
                times = [{"start_time": start, "end_time": end}]
                found[f"{zone}/{name}"] = {"times": times, "weekdays": [today], "location": zone}
        found[f"{zone}/today"] = {"weekdays": [today], "location": zone}
        found[f"{zone}/other-days"] = {"weekdays": [d for d in WEEKDAYS if d != today], "location": zone}
    return found


@pytest.fixture(scope="module")
def document(webhook_receiver: Receiver) -> dict[str, Any]:
    """A route for each interval that speaks within it, and one that is mute within it."""
    routes, receivers = [], [{"name": "root"}]
    named = intervals(datetime.now(UTC))
    for name in named:
        for key in ("active", "mute"):
            route = f"{name}/{key}"
            routes.append(
                {
                    "receiver": route,
                    "matchers": [f'case="{name}"'],
                    "continue": True,
                    f"{key}_time_intervals": [name],
                    "group_wait": "0s",
                }
            )
            receivers.append({"name": route, "webhook_configs": [{"url": f"{webhook_receiver.url}/{route}"}]})
    return {
        "route": {"receiver": "root", "group_by": ["case"], "routes": routes},
        "receivers": receivers,
        "time_intervals": [{"name": name, "time_intervals": [interval]} for name, interval in named.items()],
    }


def test_a_running_alertmanager_tells_whom_we_say_it_tells(
    document: dict[str, Any],
    webhook_receiver: Receiver,
    alertmanager_server: Callable[..., Alertmanager],
    tmp_path: Path,
) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(document))
    alertmanager = alertmanager_server(config)
    cases = [each["name"] for each in document["time_intervals"]]
    now = datetime.now(UTC)
    expected = {told.receiver for case in cases for told in who(document, {"case": case}, now).told if told.now}
    # Each interval lets one of its two routes speak, so neither silence nor noise can be mistaken for agreement.
    assert len(expected) == len(cases)

    alerts = [{"labels": {"alertname": "X", "case": case}} for case in cases]
    requests.post(f"{alertmanager.url}/api/v2/alerts", json=alerts, timeout=5).raise_for_status()
    webhook_receiver.wait_for(len(expected), timeout=10)
    time.sleep(0.5)  # what must not come has had as long
    assert {delivery.path.removeprefix("/") for delivery in webhook_receiver.received()} == expected
