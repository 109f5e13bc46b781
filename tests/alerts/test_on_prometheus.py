"""The rendered rules on a real Prometheus that scrapes a fleet in the middle of a shift: replicas disagree."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.catalogue import KINDS
from alerts.firing import firing_now
from alerts.live_lint.asking import Asking, Budget
from alerts.live_lint.conditions import conditions
from alerts.live_lint.findings import Origin, Severity
from alerts.live_lint.looking import LiveRule, look
from alerts.policies import Policies, PolicyRow
from alerts.prometheus import ActiveAlert, Prometheus
from alerts.recording import GROUP
from alerts.restarts import Effect, Firing, effect
from alerts.rules import rules_of_kind
from tests.alerts.fleets import NASTY, OPTIONS, POLICIES, RICH, bundle, model, with_model, written
from tests.alerts.rendered import rules
from tests.alerts.watched_fleet import WatchedFleet

FAST = replace(OPTIONS, scrape_interval=1, drift_scrape_interval=1, evaluation_interval=1)
IMPATIENT = Policies(
    rows=tuple(
        PolicyRow(name, for_=1)
        for name in (
            "MLBaselineStale",
            "MLBusinessProxyOutOfBand",
            "MLCanaryWorse",
            "MLDriftCheckFailing",
            "MLDriftCheckStale",
            "MLDriftCriticalFeatureDetected",
            "MLDriftManyFeatures",
            "MLFeatureDefaultedHigh",
            "MLFeatureMissingRatioHigh",
            "MLFeatureOutOfRangeHigh",
            "MLInferenceHighErrorRate",
            "MLInferenceSaturated",
            "MLInvalidInputHigh",
            "MLPredictionClassShift",
            "MLPredictionDistributionShift",
            "MLReplicaRestarting",
            "MLTrafficShareMismatch",
            "MLVersionMismatch",
            "PlumblineReleaseFailing",
        )
    ),
    custom=POLICIES.custom,
    objectives=POLICIES.objectives,
)
RECORDED_LABELS = {"model_name", "model_version", "route", "feature_name", "predicted_class"}


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError(f"Not within {seconds} seconds: {what}")


Held = tuple[frozenset[tuple[str, str]], datetime]


def as_held(firing: Firing) -> Held:
    return frozenset(firing.labels.items()), firing.since


class Watching:
    """Prometheus on a rendered bundle, and the means to publish another."""

    def __init__(self, folder: Path, targets: WatchedFleet, start: Callable[..., Any]) -> None:
        self.folder = folder
        self.publish(RICH)
        jobs = ("model-inference", "model-inference", "drift-exporter", "plumbline")
        for job in set(jobs):
            addresses = [a for a, j in zip(targets.addresses, jobs, strict=True) if j == job]
            file = folder / f"prometheus/targets/{job}.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps([{"targets": addresses}]))
        self.server = Prometheus(start(folder / "prometheus/prometheus.yml").url)

    def publish(self, fleet: Any, policies: Policies = IMPATIENT) -> None:
        # Its own address is not public: plain HTTP.
        written(bundle(fleet, policies, replace(FAST, plumbline_target="loopback")), self.folder)

    def held(self, *names: str) -> set[Held]:
        """Who fires, and since when: an alert that starts anew is another one."""
        return {(frozenset(a.labels.items()), a.active_at) for name in names for a in self.firing(name)}

    def firing(self, name: str) -> list[ActiveAlert]:
        return [a for a in self.server.alerts() if a.labels["alertname"] == name and a.state == "firing"]


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory, prometheus_server: Callable[..., Any]) -> Iterator[Watching]:
    with WatchedFleet(RICH) as targets:
        watching = Watching(tmp_path_factory.mktemp("bundle"), targets, prometheus_server)
        wait_for(lambda: watching.firing("MLCanaryWorse"), "the canary's alert fires")
        yield watching


def test_every_rule_is_evaluated_without_error(watching: Watching) -> None:
    def all_evaluated() -> bool:
        return all(rule.health != "unknown" for group in watching.server.rules() for rule in group.rules)

    wait_for(all_evaluated, "every rule is evaluated")
    for group in watching.server.rules():
        for rule in group.rules:
            assert (rule.health, rule.last_error) == ("ok", ""), f"{group.name}: {rule.name}"


def test_recorded_series_have_a_value_and_are_free_of_job_and_instance(watching: Watching) -> None:
    (group,) = [group for group in watching.server.rules() if group.name == GROUP]
    for rule in group.rules:
        samples = wait_for(lambda name=rule.name: watching.server.query(name), f"{rule.name} has a value")
        for sample in samples:
            assert set(sample.labels) - {"__name__"} <= RECORDED_LABELS, rule.name
            assert sample.value == sample.value, f"{rule.name} is NaN"


def test_a_feature_that_drifts_in_two_versions_counts_once(watching: Watching) -> None:
    counts = {s.labels["model_name"]: s.value for s in watching.server.query("job:ml_drift_features_triggered:current")}
    assert counts == {m.name: len(m.features) for m in RICH.models if m.features}


def test_a_canary_is_judged_while_replicas_disagree_about_it(watching: Watching) -> None:
    """v2 is canary on one replica and live on the other: it counts as a canary, and v1 alone as live."""
    assert {a.labels["model_version"] for a in watching.firing("MLCanaryWorse")} == {"v2"}
    assert {a.labels["model_name"] for a in watching.firing("MLCanaryWorse")} == {m.name for m in RICH.models}
    (live,) = {s.value for s in watching.server.query("job:ml_live_server_error_rate:ratio5m")}
    assert live == 0


def test_each_alert_carries_its_team_and_its_severity(watching: Watching) -> None:
    fired = wait_for(lambda: watching.firing("MLDriftCriticalFeatureDetected"), "drift fires")
    found = {(a.labels["model_name"], a.labels["team"], a.labels["severity"]) for a in fired}
    assert found == {
        ("churn", "applied-ml", "page"),  # of high risk
        ("claims-risk", "applied-ml", "ticket"),
        ("flight-delay", "flights", "ticket"),
    }


def test_a_budget_burns_in_every_tier_for_the_objectives_that_are_missed_and_no_other(watching: Watching) -> None:
    """A quarter of the answers fails, none is slow: the availability of two models is missed, the latency is not."""
    every = {"page-fast", "page-slow", "ticket-fast", "ticket-slow"}

    def told() -> set[tuple[str, str, str]]:
        labels = [alert.labels for alert in watching.firing("MLErrorBudgetBurn")]
        return {(each["model_name"], each["objective"], each["tier"]) for each in labels}

    expected = {(model_name, "availability", tier) for model_name in ("flight-delay", "price") for tier in every}
    wait_for(lambda: told() == expected, "the budgets burn")
    teams = {a.labels["model_name"]: a.labels["team"] for a in watching.firing("MLErrorBudgetBurn")}
    assert teams == {"flight-delay": "flights", "price": "ml-platform"}


def test_whatever_is_wrong_is_told_with_an_owner_and_without_job_and_instance(watching: Watching) -> None:
    """On two replicas that both export everything: no condition meets two series where it wants one."""
    impatient = {row.alert for row in IMPATIENT.rows}
    wait_for(lambda: all(watching.firing(name) for name in impatient), f"all of {sorted(impatient)} fire")
    for alert in watching.server.alerts():
        assert {"team", "severity", "plane", "policy"} <= set(alert.labels), alert.labels["alertname"]
        assert {"job", "instance"}.isdisjoint(alert.labels), alert.labels["alertname"]


def test_a_check_that_fails_goes_to_those_who_can_mend_it(watching: Watching) -> None:
    fired = wait_for(lambda: watching.firing("MLDriftCheckFailing"), "a failing check is told")
    # No baseline fits: that is the applied-ML team's, not the data team's.
    found = {(a.labels["model_name"], a.labels["team"]) for a in fired if a.labels["state"] == "baseline_mismatch"}
    assert found == {(m.name, m.applied_ml_team) for m in RICH.models}


def test_features_of_any_name_reach_their_own_teams(watching: Watching) -> None:
    fired = wait_for(lambda: watching.firing("MLFeatureMissingRatioHigh"), "missing fires")
    owners = {(a.labels["model_name"], a.labels["feature_name"]): a.labels["team"] for a in fired}
    for name in NASTY:
        assert owners["fraud", name] == "geo"
        assert owners["churn", name] == "data-platform"
    assert all(set(a.labels) == {*_ALERT_LABELS, "feature_name", "model_version"} for a in fired)


_ALERT_LABELS = ("alertname", "model_name", "plane", "policy", "severity", "team")


def test_an_alert_keeps_firing_through_a_reload_that_adds_a_model(watching: Watching) -> None:
    names = ("MLCanaryWorse", "MLFeatureMissingRatioHigh", "MLInferenceHighErrorRate", "PlumblineReleaseFailing")
    for name in names:
        wait_for(lambda name=name: watching.firing(name), f"{name} fires")
    before = {_key(a): a.active_at for name in names for a in watching.firing(name)}
    added = model("aaa-first", on_call_team="new", applied_ml_team="new", data_team="new", risk="high")
    watching.publish(with_model(RICH, added))
    watching.server.reload()

    def loaded() -> bool:
        found = [rule for group in watching.server.rules() for rule in group.rules if rule.name == "MLCanaryWorse"]
        return all('"aaa-first|' in rule.query and rule.health == "ok" for rule in found)

    wait_for(loaded, "the added model is in the rules, and they have been evaluated")
    after = {_key(a): a.active_at for name in names for a in watching.firing(name)}
    assert after == before


def _key(alert: ActiveAlert) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(alert.labels.items()))


def test_an_edit_restarts_what_was_said_before_and_nothing_else(watching: Watching) -> None:
    """Four edits at once, each of another alert: who starts anew, ends and goes on is as it was told beforehand."""
    edits = (
        PolicyRow("MLVersionMismatch", model="flight-delay", for_=1),
        PolicyRow("MLTrafficShareMismatch", model="price", enabled=False),
        PolicyRow("MLDriftCheckStale", for_=1, severity="page"),
        PolicyRow("MLFeatureDefaultedHigh", for_=2, thresholds={"ratio": 0.2}),
    )
    after = IMPATIENT
    for row in edits:
        after = after.having(row)
        wait_for(lambda name=row.alert: watching.firing(name), f"{row.alert} fires")
    found: dict[str, Effect] = {}
    for name in (row.alert for row in edits):
        rules = [rules_of_kind(KINDS[name], RICH, policies, FAST) for policies in (IMPATIENT, after)]
        found[name] = effect(*rules, firing_now([watching.server], name).alerts, RICH)
    assert {f.labels["model_name"] for f in found["MLVersionMismatch"].restarts} == {"flight-delay"}
    assert {f.labels["model_name"] for f in found["MLTrafficShareMismatch"].ends} == {"price"}
    assert found["MLDriftCheckStale"].restarts and found["MLFeatureDefaultedHigh"].keeps
    watching.publish(RICH, after)
    watching.server.reload()
    lost = {key for each in found.values() for key in map(as_held, (*each.restarts, *each.ends))}
    names = list(found)
    wait_for(lambda: not lost & watching.held(*names), "what was said to resolve has resolved")
    anew = {(f.labels["alertname"], f.labels["model_name"]) for each in found.values() for f in each.restarts}
    wait_for(lambda: anew <= {(dict(k)["alertname"], dict(k)["model_name"]) for k, _ in watching.held(*names)}, "anew")
    ended = {(f.labels["alertname"], f.labels["model_name"]) for each in found.values() for f in each.ends}
    assert not ended & {(dict(k)["alertname"], dict(k)["model_name"]) for k, _ in watching.held(*names)}
    # Of a quality alert, whose state outlives a scrape that fails: since the same moment as before.
    assert set(map(as_held, found["MLFeatureDefaultedHigh"].keeps)) <= watching.held("MLFeatureDefaultedHigh")
    watching.publish(RICH)
    watching.server.reload()


def test_every_rule_can_be_asked_about_live_and_finds_what_it_reads(watching: Watching) -> None:
    """Without its limits, no expression of ours matches many with many, and no match of ours never meets."""
    rendered = rules(bundle(RICH, IMPATIENT))
    recorded = {rule.name: rule.body["expr"] for rule in rendered if "record" in rule.body}
    asked = [
        LiveRule(
            rule.group,
            rule.body["expr"],
            Origin("record" in rule.body, False, conditions(recorded), recorded.keys()),
        )
        for rule in rendered
    ]
    found = [
        (each.rule.name, f) for each in look(asked, Asking(watching.server, Budget(500, 60))) for f in each.findings
    ]
    assert [f for f in found if f[1].severity is Severity.UNKNOWN or "never meet" in f[1].text] == []
    # This Prometheus doesn't scrape itself.
    assert {rule for rule, f in found if f.severity is Severity.FAULT} == {"PlumblineRuleEvaluationFailing:default"}
    # Nobody asks for batches, so that nothing is recorded of the objective on them.
    silent = {rule.partition(":")[0] for rule, f in found if f.severity is Severity.NOTICE and "never been" in f.text}
    assert silent == {"MLErrorBudgetBurn"}


def test_a_pending_alert_goes_on_waiting_under_its_rule_and_begins_anew_under_another(
    prometheus_server: Callable[..., Any], tmp_path: Path
) -> None:
    """What is said of pending alerts before an edit: another limit or `for` keeps the wait, another policy doesn't."""

    def write(policy: str, for_: str, expr: str) -> None:
        rule = {"alert": "Waits", "expr": expr, "for": for_, "labels": {"policy": policy}}
        text = json.dumps({"groups": [{"name": f"Waits:{policy}", "interval": "1s", "rules": [rule]}]})
        (tmp_path / "rules.yml").write_text(text)

    def waits_since() -> datetime:
        def pending() -> list[ActiveAlert]:
            return [alert for alert in server.alerts() if alert.state == "pending"]

        (alert,) = wait_for(pending, "the alert is pending")
        return alert.active_at

    write("default", "1h", "vector(1)")
    (tmp_path / "prometheus.yml").write_text("rule_files: [rules.yml]\n")
    server = Prometheus(prometheus_server(tmp_path / "prometheus.yml").url)
    since = waits_since()
    write("default", "2h", "vector(1) > 0")
    server.reload()
    wait_for(lambda: server.rules()[0].rules[0].query == "vector(1) > 0", "the edit is loaded")
    assert waits_since() == since
    write("model:fraud", "2h", "vector(1) > 0")
    server.reload()
    wait_for(lambda: server.rules()[0].name == "Waits:model:fraud", "the other policy is loaded")
    assert waits_since() > since
