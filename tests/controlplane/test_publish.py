"""Publishing against a real Prometheus and a real Alertmanager: what gets through, what is refused, what is undone.

Invariant 2: a refused release touches nothing, one that can't be loaded or evaluated is switched back, and alerts that
were live stay live.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts.prometheus import Prometheus
from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.models.release import is_failing
from controlplane.publishing import checks
from controlplane.publishing.servers import Servers
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from models_registry.actor import Actor
from models_registry.models import Change
from tests.controlplane.bundles import MANY_TO_MANY, OTHER, STEADY, TWO, alert, rule_group, rule_test
from tests.controlplane.conftest import Pair, steady_keeps_its_start, the_next_run_reaches, time_passes, wait_until

pytestmark = pytest.mark.django_db

Outcome = Release.Outcome


def other(expr: str = "vector(2)", policy: str = "default") -> dict[str, str]:
    return {OTHER: rule_group(f"Other:{policy}", alert("Other", expr, policy))}


def test_a_change_is_checked_switched_loaded_and_evaluated(pair: Pair, base: Bundle) -> None:
    wanted = pair.bundle(other(), group_wait="2s")
    published = pair.publish(wanted)

    assert (published.outcome, published.reason) == (Outcome.PUBLISHED, "")
    assert pair.runs(wanted)
    row = Release.objects.get()
    assert row == published.release
    assert (row.hash, row.base_hash, row.outcome) == (wanted.hash, base.hash, Outcome.PUBLISHED)
    steps = [entry["step"] for entry in row.log]
    assert steps == [
        *("render", "write", "promtool", "tests", "amtool", "queries", "switch", "reload", "verify", "probation")
    ]
    assert all(entry["seconds"] >= 0 and entry["at"] for entry in row.log)
    assert row.changed_groups == [[OTHER, "Other:default"]]
    assert "+- name: Other:default" in row.diff and "-route: {receiver: nobody, group_wait: 1s}" in row.diff
    assert row.finished_at is not None and row.started_at <= row.finished_at
    health = {rule.name: rule.health for group in pair.prometheus.rules() for rule in group.rules}
    assert health == {"Steady": "ok", "Other": "ok"}
    assert "group_wait: 2s" in pair.alertmanager.status().config


def test_what_runs_already_is_left_alone_and_not_written_down(pair: Pair, base: Bundle) -> None:
    before = pair.prometheus.runtime().loaded_at
    assert pair.publish(base).outcome == Outcome.UNCHANGED
    assert not Release.objects.exists()
    assert pair.prometheus.runtime().loaded_at == before


def test_a_firing_alert_keeps_its_start_through_a_release_that_changes_another_group(pair: Pair, base: Bundle) -> None:
    with steady_keeps_its_start(pair.prometheus):
        assert pair.publish(pair.bundle(other())).outcome == Outcome.PUBLISHED
        wait_until(lambda: pair.firing("Other") is not None)


def test_a_firing_alert_keeps_its_start_when_its_own_expression_changes(pair: Pair, base: Bundle) -> None:
    """As when a model joins its policy."""
    changed = {STEADY: rule_group("Steady:default", alert("Steady", "vector(1) > 0"))}
    with steady_keeps_its_start(pair.prometheus):
        published = pair.publish(pair.bundle(changed))
    assert published.release is not None and published.release.restarted_alerts == []


def test_the_firing_alerts_that_a_change_restarts_are_named(pair: Pair, base: Bundle) -> None:
    moved = {STEADY: rule_group("Steady:team:x", alert("Steady", "vector(1)", "team:x"))}
    published = pair.publish(pair.bundle(moved))
    assert published.release is not None and published.release.restarted_alerts == ["Steady"]


def test_the_pending_alerts_that_a_change_restarts_are_named_too(pair: Pair, base: Bundle) -> None:
    def waiting(policy: str) -> dict[str, str]:
        rule = alert("Other", "vector(6)", policy, extra=", for: 1h")
        return {OTHER: rule_group(f"Other:{policy}", rule)}

    pair.publish(pair.bundle(waiting("default")))
    wait_until(lambda: any(each.state == "pending" for each in pair.prometheus.alerts()))
    published = pair.publish(pair.bundle(waiting("team:x")))
    row = published.release
    assert row is not None and (row.restarted_alerts, row.pending_alerts) == ([], ["Other"])


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (other("up >"), "promtool check config.*Other.*parse error"),
        ({OTHER: "groups: [{name: x, rules: [{alert: Sample}]}]"}, "can't be read|promtool"),
        ({OTHER: "groups: ["}, "can't be read"),
        ({OTHER: rule_group("again", alert("Steady", "vector(9)"))}, "(?s)Steady.*twice.*Other.yml.*another label"),
        ({"alertmanager/alertmanager.yml": "route: {receiver: nobody}"}, 'amtool.*undefined receiver "nobody"'),
        (other(MANY_TO_MANY), "(?s)can't evaluate Other.*Other:default.*many-to-many"),
        (
            other() | {"prometheus/tests/Other.yml": rule_test("Other", "rules/health/Other.yml", fires=False)},
            "promtool test rules.*Other",
        ),
    ],
    ids=["syntax", "no-expression", "yaml", "duplicate-labels", "route", "many-to-many", "rule-test"],
)
def test_what_a_checker_refuses_touches_nothing(pair: Pair, base: Bundle, files: dict[str, str], says: str) -> None:
    loaded_at = pair.prometheus.runtime().loaded_at
    with steady_keeps_its_start(pair.prometheus):
        published = pair.publish(pair.bundle(files))

        assert published.outcome == Outcome.REFUSED
        assert re.search(says, published.reason.replace("\n", " ")), published.reason
        assert pair.runs(base)
        assert pair.prometheus.runtime().loaded_at == loaded_at
        assert is_failing()
        the_next_run_reaches(pair, pair.bundle(group_wait="4s"))


def test_a_prometheus_that_reads_other_files_is_not_taken_for_one_that_runs_the_release(
    pair: Pair, base: Bundle, tmp_path: Path, prometheus_server: Callable[..., PrometheusServer]
) -> None:
    """It answers the reload with 200: only its own API tells."""
    (tmp_path / "prometheus.yml").write_text("global: {evaluation_interval: 1s}")
    stranger = Prometheus(prometheus_server(tmp_path / "prometheus.yml").url)
    published = pair.publish(pair.bundle(other()), servers=Servers((stranger,), (pair.alertmanager,)))
    assert published.outcome == Outcome.FAILED, "not the bundle's fault: it is tried again"
    assert "has not loaded group Other:default" in published.reason
    assert f"--config.file={pair.home}/current/prometheus/prometheus.yml" in published.reason
    assert pair.files.current_hash() == base.hash


def test_what_was_refused_is_tried_again_when_it_changes_or_someone_asks_or_after_an_hour(
    pair: Pair, base: Bundle
) -> None:
    bad = pair.bundle(other(MANY_TO_MANY))
    first = pair.publish(bad)
    again = pair.publish(bad)
    assert (again.outcome, again.release) == (Outcome.REFUSED, first.release)
    assert Release.objects.count() == 1 and is_failing()

    assert pair.publish(bad, retry=True).outcome == Outcome.REFUSED
    time_passes(minutes=59)
    assert pair.publish(bad).outcome == Outcome.REFUSED
    assert Release.objects.count() == 2
    time_passes(minutes=61)
    assert pair.publish(bad).outcome == Outcome.REFUSED
    assert Release.objects.count() == 3

    assert pair.publish(base).outcome == Outcome.UNCHANGED  # taken back
    assert not is_failing()
    assert pair.publish(pair.bundle(other())).outcome == Outcome.PUBLISHED


def test_while_a_bundle_is_refused_the_servers_are_kept_on_the_current_release(pair: Pair, base: Bundle) -> None:
    bad = pair.bundle(other(MANY_TO_MANY))
    pair.publish(bad)
    stray = pair.files.folder(base.hash) / STEADY
    text = stray.read_text()
    stray.write_text(rule_group("Steady:default", alert("Steady", "vector(3)")))
    pair.prometheus.reload()
    stray.write_text(text)
    assert not pair.runs(base)
    assert pair.publish(bad).outcome == Outcome.REFUSED
    assert pair.runs(base)


def test_a_prometheus_that_runs_something_else_is_brought_back(pair: Pair, base: Bundle) -> None:
    edited = pair.files.folder(base.hash) / STEADY
    edited.write_text(rule_group("Steady:default", alert("Steady", "vector(3)")))
    pair.prometheus.reload()

    assert pair.publish(base).outcome == Outcome.PUBLISHED
    assert pair.runs(base)


def test_an_alertmanager_that_lost_its_configuration_is_brought_back(pair: Pair, base: Bundle) -> None:
    link = pair.files
    lost = pair.bundle(group_wait="7s")
    link.write(lost)
    link.switch(lost.hash)
    pair.alertmanager.reload()
    link.switch(base.hash)
    assert pair.publish(base).outcome == Outcome.PUBLISHED
    assert pair.runs(base)


def test_a_rule_that_errs_already_does_not_stop_a_release_that_leaves_it_alone(pair: Pair, base: Bundle) -> None:
    late = f"record: 'job:two', expr: '{TWO}'", alert("Late", "job:two * on () job:two")
    erring = pair.bundle({OTHER: rule_group("Late:default", *late)})
    pair.files.write(erring)
    pair.files.switch(erring.hash)
    pair.prometheus.reload()
    wait_until(lambda: any(r.health == "err" for g in pair.prometheus.rules() for r in g.rules))

    better = pair.bundle({OTHER: rule_group("Late:default", *late, alert("Fine", "vector(1)"))})
    # The query check sees the expression as known, since the base has it.
    assert pair.publish(better).outcome == Outcome.PUBLISHED


def test_a_missing_checker_names_its_debian_package(pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    published = pair.publish(pair.bundle(other()))
    assert published.outcome == Outcome.FAILED, "tried again by itself, once it is installed"
    assert "promtool is not installed" in published.reason and "apt-get install" in published.reason
    assert pair.files.current_hash() == base.hash


def test_a_release_names_who_made_its_changes(pair: Pair, base: Bundle) -> None:
    for author in ("ana", "zoë", "ana"):
        Change.objects.create(
            kind="registry", object_type="model", object_name="x", summary="x", author=Actor(author).name
        )
    published = pair.publish(pair.bundle(other()))
    assert published.release is not None and published.release.author == "ana, zoë"
    following = pair.publish(pair.bundle(other("vector(4)")))
    assert following.release is not None and following.release.author == "plumbline"


def test_what_failed_through_no_fault_of_the_bundle_is_tried_again_after_a_while(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = pair.bundle(other())
    with monkeypatch.context() as patched:
        patched.setattr(checks, "TOOL_SECONDS", 0.001)
        first = pair.publish(wanted)
    assert first.outcome == Outcome.FAILED and "was not done within" in first.reason
    assert pair.publish(wanted).release == first.release, "not every 15 seconds"
    time_passes(minutes=6)
    assert pair.publish(wanted).outcome == Outcome.PUBLISHED


def test_a_renderer_that_fails_is_a_failed_release(pair: Pair, base: Bundle) -> None:
    def broken() -> Bundle:
        raise ValueError("the policy default has no threshold")

    for _ in range(2):
        published = pair.publish(base, render=broken)
        assert published.outcome == Outcome.FAILED and "no threshold" in published.reason
    assert Release.objects.count() == 1 and is_failing()


def test_only_the_tests_of_changed_rules_are_run(pair: Pair, base: Bundle) -> None:
    tests = {
        "prometheus/tests/Steady.yml": rule_test("Steady", "rules/health/Steady.yml", fires=True),
        "prometheus/tests/Other.yml": rule_test("Other", "rules/health/Other.yml", fires=True),
    }
    proven = pair.bundle(other() | tests)
    assert message(pair.publish(proven).release, "tests") == "2 rule test files passed"
    changed = pair.bundle(other("vector(5)") | tests)
    assert message(pair.publish(changed).release, "tests") == "1 rule test files passed"


def test_a_publisher_that_finds_a_newer_attempt_gives_up(pair: Pair, base: Bundle) -> None:
    """The fence, should the lock ever fail (a file system without locks)."""

    def overtake(step: str) -> None:
        if step == "queries":
            Release.objects.create(hash="f" * 64)

    published = pair.publish(pair.bundle(other()), checkpoint=overtake)
    assert published.outcome == Outcome.SUPERSEDED
    assert pair.files.current_hash() == base.hash


def message(row: Release | None, step: str) -> str:
    assert row is not None
    return next(entry["message"] for entry in row.log if entry["step"] == step)
