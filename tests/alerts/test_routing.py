"""Who is told of what. Asked of amtool, which runs Alertmanager's own code on the rendered file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.options import RenderOptions
from alerts.policies import Policies
from alerts.routing import render_alertmanager
from models_registry.fleet import Fleet, FleetReceiver, FleetTeam
from tests.alerts import tools
from tests.alerts.fleets import OPTIONS, RICH, SMALL, model, receivers, written

QUALITY = {"alertname": "MLDriftCriticalFeatureDetected", "plane": "quality", "model_name": "flight-delay"}
HEALTH = {"alertname": "MLServingDown", "plane": "health", "model_name": "flight-delay"}
META = {"alertname": "PlumblineReleaseFailing", "plane": "meta", "team": "platform", "severity": "ticket"}


def rendered(fleet: Fleet, options: RenderOptions = OPTIONS) -> dict[str, Any]:
    return yaml.safe_load(render_alertmanager(fleet, options, Policies()))


def on_disk(fleet: Fleet, folder: Path) -> Path:
    return written({"alertmanager/alertmanager.yml": render_alertmanager(fleet, OPTIONS, Policies())}, folder)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return on_disk(RICH, tmp_path_factory.mktemp("routes"))


def team_route(document: dict[str, Any], team: str) -> dict[str, Any]:
    (route,) = [r for r in document["route"]["routes"] if f'team="{team}"' in r.get("matchers", [])]
    return route


def test_everything_reaches_plumbline_first_and_at_once() -> None:
    first = rendered(SMALL)["route"]["routes"][0]
    assert first == {"receiver": "plumbline", "continue": True, "group_wait": "0s", "group_interval": "15s"}


def test_a_teams_pages_and_tickets_reach_its_own_receivers(rich: Path) -> None:
    assert tools.receivers_of(rich, **HEALTH, team="ml-platform", severity="page") == ["plumbline", "ml-platform/page"]
    tickets = tools.receivers_of(rich, **QUALITY, team="applied-ml", severity="ticket")
    assert tickets == ["plumbline", "applied-ml/ticket"]


def test_the_right_team_sees_the_right_failure(rich: Path) -> None:
    """The guide's point: neither one shared channel, nor the researchers at night."""
    missing = {"alertname": "MLFeatureMissingRatioHigh", "plane": "quality", "model_name": "claims-risk"}
    told = tools.receivers_of(rich, **missing, team="data-platform", severity="ticket")
    assert told == ["plumbline", "data-platform/ticket"]


@pytest.mark.parametrize(
    ("team", "severity", "told"),
    [
        ("flights", "page", "platform/page"),  # registered, without receivers
        ("flights", "ticket", "platform/ticket"),
        ("geo", "ticket", "platform/ticket"),  # has a pager alone, and a ticket never goes to a pager
        ("applied-ml", "page", "platform/page"),  # has no pager: somebody must wake
        ("gone", "page", "platform/page"),  # no such team any more
        ("gone", "ticket", "platform/ticket"),
    ],
)
def test_what_no_receiver_of_the_team_takes_reaches_the_platform_team(
    rich: Path, team: str, severity: str, told: str
) -> None:
    assert tools.receivers_of(rich, **QUALITY, team=team, severity=severity) == ["plumbline", told]


def test_without_a_platform_team_plumbline_alone_is_told_of_the_rest(tmp_path: Path) -> None:
    lone = Fleet(teams=(FleetTeam("a", receivers=receivers("", "slack", "a")), FleetTeam("b")), models=(model("m"),))
    folder = on_disk(lone, tmp_path)
    assert tools.check_routes(folder).accepted
    assert tools.receivers_of(folder, **QUALITY, team="b", severity="ticket") == ["plumbline"]
    # Its ticket channel is better than nobody for a page.
    assert tools.receivers_of(folder, **HEALTH, team="a", severity="page") == ["plumbline", "a/ticket"]


def test_a_fleet_of_nobody_is_routed_to_plumbline(tmp_path: Path) -> None:
    folder = on_disk(Fleet(teams=(), models=()), tmp_path)
    assert tools.check_routes(folder).accepted
    assert tools.receivers_of(folder, **META) == ["plumbline"]


def test_the_watchdog_ends_at_plumbline(rich: Path) -> None:
    told = tools.receivers_of(rich, alertname="Watchdog", plane="meta", team="platform", severity="ticket")
    assert set(told) == {"plumbline"}


def test_pages_never_wait_and_tickets_wait_for_the_teams_hours() -> None:
    routes = team_route(rendered(RICH), "applied-ml")["routes"]
    by_severity = {route["matchers"][0]: route for route in routes}
    assert "active_time_intervals" not in by_severity['severity="page"']
    assert routes[-1]["matchers"] == ['severity="ticket"']
    assert routes[-1]["active_time_intervals"] == ["applied-ml/hours"]


def test_tickets_of_high_risk_models_and_meta_alerts_do_not_wait() -> None:
    at_once = [r for r in team_route(rendered(RICH), "applied-ml")["routes"] if "active_time_intervals" not in r]
    matchers = [route["matchers"][1:] for route in at_once]
    assert ['plane="meta"'] in matchers
    assert ['model_name=~"churn|fraud"'] in matchers


def test_a_team_that_is_always_on_duty_has_no_hours() -> None:
    document = rendered(RICH)
    assert "active_time_intervals" not in str(team_route(document, "platform"))
    assert "platform/hours" not in [interval["name"] for interval in document["time_intervals"]]


def test_working_hours_are_on_the_teams_own_clock() -> None:
    berlin = replace(RICH.teams[4], receivers=receivers(team="flights"))
    assert berlin.name == "flights"
    (hours,) = rendered(Fleet(teams=(berlin,), models=()))["time_intervals"]
    assert hours["time_intervals"] == [
        {
            "times": [{"start_time": "07:30", "end_time": "22:00"}],
            "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "location": "Europe/Berlin",
        }
    ]


def test_groups_and_repeats_are_the_guides() -> None:
    route = rendered(SMALL)["route"]
    assert route["group_by"] == ["alertname", "team", "model_name"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("30s", "5m", "4h")


def test_whatever_silences_is_of_the_same_model_and_both_sides_have_one() -> None:
    """Absent labels count as equal: without the guard a meta alert would be silenced by nothing at all."""
    for rule in rendered(RICH)["inhibit_rules"]:
        assert rule["equal"][0] == "model_name"
        assert 'model_name!=""' in rule["source_matchers"]
        assert 'model_name!=""' in rule["target_matchers"]


def test_a_page_about_a_budget_silences_the_tickets_of_the_same_objective_alone() -> None:
    (rule,) = [r for r in rendered(RICH)["inhibit_rules"] if 'alertname="MLErrorBudgetBurn"' in r["source_matchers"]]
    assert rule["equal"] == ["model_name", "objective"]
    assert 'tier=~"page-.+"' in rule["source_matchers"] and 'tier=~"ticket-.+"' in rule["target_matchers"]
    assert all('model_name!=""' in rule[side] for side in ("source_matchers", "target_matchers"))


def test_secrets_are_named_by_their_files() -> None:
    found = {r["name"]: r for r in rendered(RICH)["receivers"]}
    plumbline = found["plumbline"]["webhook_configs"][0]
    assert plumbline["url"] == "https://plumbline.example.com/api/alertmanager/webhook"
    token = {"type": "Bearer", "credentials_file": "/run/secrets/webhook_token"}
    assert plumbline["http_config"]["authorization"] == token
    assert found["ml-platform/page"]["pagerduty_configs"][0]["routing_key_file"] == "/run/secrets/ml-platform-page"
    assert found["ml-platform/page"]["pagerduty_configs"][0]["severity"] == "critical"
    assert found["ml-platform/ticket"]["slack_configs"][0]["api_url_file"] == "/run/secrets/ml-platform-ticket"


def test_every_receiver_is_told_of_the_end() -> None:
    for receiver in rendered(RICH)["receivers"]:
        for kind, configurations in receiver.items():
            if kind != "name":
                assert all(c["send_resolved"] for c in configurations), receiver["name"]


def test_typed_addresses_open_no_template(tmp_path: Path) -> None:
    typed = (
        FleetReceiver("page", "webhook", "http://127.0.0.1/{{ .ExternalURL }}", ""),
        FleetReceiver("ticket", "slack", "#a{{ .Status }}", "/s"),
    )
    fleet = Fleet(teams=(FleetTeam("a", receivers=typed),), models=())
    assert tools.check_routes(on_disk(fleet, tmp_path)).accepted
    found = {r["name"]: r for r in rendered(fleet)["receivers"]}
    assert found["a/page"]["webhook_configs"][0]["url"] == "http://127.0.0.1/%7B%7B .ExternalURL %7D%7D"
    assert found["a/ticket"]["slack_configs"][0]["channel"] == '#a{{ "{" }}{ .Status }}'
