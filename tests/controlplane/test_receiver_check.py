"""A receiver that the running Alertmanager is too old for is refused with that reason, whatever the setting says."""

import pytest

from alerts.policies import Policies
from alerts.routing import render_alertmanager
from controlplane.bundle import ALERTMANAGER_CONFIG, Bundle
from controlplane.models import Release
from models_registry.fleet import Fleet, FleetReceiver, FleetTeam
from telemetry.receiver_versions import TEAMS_FILE_SINCE, WEBHOOK_FILE_SINCE, Version, version_of, written
from tests.alerts.fleets import OPTIONS
from tests.controlplane.conftest import Pair


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("receiver", "what", "since"),
    [
        (FleetReceiver("page", "teams", "", "/run/secrets/teams"), "Microsoft Teams", TEAMS_FILE_SINCE),
        (FleetReceiver("page", "webhook", "", "/run/secrets/x"), "a webhook's address from a file", WEBHOOK_FILE_SINCE),
    ],
    ids=["teams", "webhook"],
)
def test_a_release_with_it_is_refused_with_the_servers_version(
    pair: Pair, base: Bundle, receiver: FleetReceiver, what: str, since: Version
) -> None:
    routes = render_alertmanager(Fleet((FleetTeam("flights", receivers=(receiver,)),), ()), OPTIONS, Policies())
    published = pair.publish(pair.bundle({ALERTMANAGER_CONFIG: routes}))
    if version_of(pair.alertmanager.status().version) >= since:  # as on Debian 13
        assert published.outcome == Release.Outcome.PUBLISHED
        return
    assert published.outcome == Release.Outcome.REFUSED
    assert f"The receiver flights/page ({what}) needs Alertmanager {written(since)} or later" in published.reason
    assert f"reports {pair.alertmanager.status().version}" in published.reason
    assert pair.runs(base)


@pytest.mark.parametrize(
    ("reported", "version"), [("0.25.0+ds", (0, 25, 0)), ("v0.28.1", (0, 28, 1)), ("0.27.0-rc.0", (0, 27, 0)), ("", ())]
)
def test_versions_as_servers_report_them(reported: str, version: tuple[int, ...]) -> None:
    assert version_of(reported) == version
