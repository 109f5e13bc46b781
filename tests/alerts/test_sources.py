"""Where each value comes from: what is said to hold is what the rules are rendered with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.catalogue import KINDS
from alerts.owners import severity_of
from alerts.policies import Policies, PolicyRow
from alerts.sources import Origin, Sourced, left_out, sourced
from tests.alerts.fleets import RICH

LATENCY, DRIFT, MISSING, FAILING = (
    "MLInferenceHighLatencyP95",
    "MLDriftCriticalFeatureDetected",
    "MLFeatureMissingRatioHigh",
    "MLDriftCheckFailing",
)
SCOPES: tuple[dict[str, str], ...] = ({}, {"team": "flights"}, {"model": "flight-delay"}, {"model": "price"})


def values(alert: str, model: str, *rows: PolicyRow) -> dict[str, Sourced]:
    found = sourced(KINDS[alert], RICH.by_name[model], Policies(rows), "platform")
    return {each.name: each for each in found}


def sources(found: dict[str, Sourced]) -> dict[str, tuple[str, str]]:
    return {name: (each.words, each.source) for name, each in found.items()}


def test_without_a_policy_the_catalogue_and_the_registry_say_all() -> None:
    assert sources(values(LATENCY, "flight-delay")) == {
        "seconds": ("0.35 s", "catalogue"),
        "requests_per_minute": ("1", "catalogue"),
        "window": ("5m", "catalogue"),
        "for": ("10m", "catalogue"),
        "severity": ("page", "catalogue"),
        "team": ("flights", "role"),
        "enabled": ("on", "catalogue"),
    }


def test_each_value_comes_from_the_narrowest_policy_that_states_it() -> None:
    found = values(
        LATENCY,
        "flight-delay",
        PolicyRow(LATENCY, thresholds={"seconds": 1, "requests_per_minute": 5}, window=60, severity="ticket"),
        PolicyRow(LATENCY, team="flights", thresholds={"seconds": 2}, for_=60, enabled=False),
        PolicyRow(LATENCY, model="flight-delay", thresholds={"seconds": 3}),
    )
    assert sources(found) == {
        "seconds": ("3 s", "model:flight-delay"),
        "requests_per_minute": ("5", "default"),
        "window": ("1m", "default"),
        "for": ("1m", "team:flights"),
        "severity": ("ticket", "default"),
        "team": ("flights", "role"),
        "enabled": ("on", "model:flight-delay"),
    }
    seconds = [(each.policy, each.words, each.holds) for each in found["seconds"].stated]
    assert seconds == [("model:flight-delay", "3 s", True), ("team:flights", "2 s", False), ("default", "1 s", False)]
    assert found["seconds"].otherwise == "0.35 s"


def test_a_severity_by_risk_is_the_risks() -> None:
    assert sources(values(DRIFT, "churn"))["severity"] == ("page", Origin.RISK)
    assert sources(values(DRIFT, "flight-delay"))["severity"] == ("ticket", Origin.RISK)
    stated = values(DRIFT, "churn", PolicyRow(DRIFT, severity="ticket"))
    assert sources(stated)["severity"] == ("ticket", "default")


def test_all_teams_that_can_be_told_are_named() -> None:
    assert values(MISSING, "price")["team"].words == "data-platform, geo"
    assert values(FAILING, "price")["team"].words == "data-platform, applied-ml"


def test_what_an_empty_field_of_a_policy_means_is_said_with_its_source() -> None:
    rows = (
        PolicyRow(LATENCY, for_=60),
        PolicyRow(LATENCY, team="flights", thresholds={"seconds": 2}),
        PolicyRow(LATENCY, model="flight-delay", thresholds={"seconds": 3}, for_=5),
    )
    of_the_model = left_out(KINDS[LATENCY], rows[2], ["flights"], Policies(rows))
    assert of_the_model["seconds"] == "2 s, as in team:flights"
    assert of_the_model["for"] == "1m, as in default"
    assert of_the_model["window"] == "5m, as in the catalogue"
    assert left_out(KINDS[LATENCY], rows[1], [], Policies(rows))["seconds"] == "0.35 s, as in the catalogue"
    assert left_out(KINDS[LATENCY], rows[0], [], Policies(rows))["for"] == "10m, as in the catalogue"


@st.composite
def stored(draw: Any, alert: str) -> Policies:
    """Any policies of the alert, of any scopes."""
    rows = []
    for scope in draw(st.lists(st.sampled_from(SCOPES), unique_by=str)):
        limits = draw(st.dictionaries(st.sampled_from([p.name for p in KINDS[alert].parameters]), st.floats(0, 1)))
        seconds = st.none() | st.integers(10, 900)
        severity = draw(st.sampled_from(["", "page", "ticket"]))
        enabled = draw(st.booleans())
        rows.append(
            PolicyRow(
                alert,
                **scope,
                thresholds=limits,
                window=draw(seconds),
                for_=draw(seconds),
                severity=severity,
                enabled=enabled,
            )
        )
    return Policies(tuple(rows))


@pytest.mark.parametrize("alert", [LATENCY, MISSING])
@given(data=st.data())
def test_what_is_said_to_hold_is_what_is_rendered(alert: str, data: Any) -> None:
    policies, kind = data.draw(stored(alert)), KINDS[alert]
    for model in RICH.models:
        limits = policies.limits(kind, model)
        found = {v.name: v.value for v in sourced(kind, model, policies, "platform")}
        assert {p.name: found[p.name] for p in kind.parameters} == limits.thresholds
        assert found.get("window", 0) == limits.window if kind.window else "window" not in found
        assert (found["for"], found["enabled"]) == (limits.for_, limits.enabled)
        assert found["severity"] == severity_of(kind, model, limits.severity)
