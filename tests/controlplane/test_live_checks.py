"""After a publish the running Prometheus is asked about what changed; on demand about all of it, proofs included.

A real Prometheus whose past is known (tests.alerts.recorded_day) runs the release.
"""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from redis import Redis as RedisClient

from alerts.live_lint.asking import Budget
from alerts.prometheus import Prometheus as PrometheusClient
from controlplane import live_checks, live_run, reconcile
from controlplane.bundle import Bundle
from controlplane.live_checks import AGAIN, LEASE, NotCurrent, ask, begin, claim, due, give_back
from controlplane.live_report import Report, report_of
from controlplane.live_run import RETRY, run
from controlplane.management.commands import prove as prove_command
from controlplane.models import LiveCheck, Release
from controlplane.release_files import ReleaseFiles
from controlplane.stack.prometheus import Prometheus
from controlplane.stack.redis import Redis
from tests.alerts.recorded_day import STEP, fill_store
from tests.controlplane.addresses import free_address
from tests.controlplane.bundles import OTHER, alert, bundle, rule_group, rule_test
from tests.controlplane.conftest import wait_until
from tests.page_text import text_of

pytestmark = pytest.mark.django_db

State = LiveCheck.State
RULES = {
    "Apart": ("health", "there > 5 and on (model_version) other_labels > 5"),
    "Hot": ("health", "hot > 1"),
    "Missing": ("health", "nowhere > 1"),
    "Slip": ("custom", 'there{route="predcit"} > 1'),
}
ALL = {"Steady": "Steady:default", **{name: f"{name}:default" for name in RULES}}


def path_of(name: str) -> str:
    return f"prometheus/rules/{RULES[name][0] if name in RULES else 'health'}/{name}.yml"


def key(name: str) -> list[str]:
    return [path_of(name), f"{name}:default"]


@dataclass
class Watched:
    """A home whose current release a Prometheus with a known past runs."""

    home: Path
    server: Prometheus
    bundle: Bundle

    @property
    def files(self) -> ReleaseFiles:
        return ReleaseFiles(self.home / "releases", self.home / "current", self.home / "targets")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("prometheus")
    fill_store(folder / "data", int(time.time()) // STEP * STEP)
    files = {path_of(name): rule_group(f"{name}:default", alert(name, expr)) for name, (_, expr) in RULES.items()}
    config = bundle("127.0.0.1:9").text("prometheus/prometheus.yml")
    wanted = bundle(
        "127.0.0.1:9", files | {"prometheus/prometheus.yml": config.replace("rules/*.yml,", "rules/custom/*.yml,")}
    )
    releases = ReleaseFiles(home / "releases", home / "current", home / "targets")
    releases.write(wanted)
    releases.switch(wanted.hash)
    with Prometheus(home / "current/prometheus/prometheus.yml", folder) as server:
        wait_until(lambda: any(a.labels["alertname"] == "Hot" for a in PrometheusClient(server.url).alerts()))
        yield Watched(home, server, wanted)


@pytest.fixture
def watched(running: Watched, settings: Settings) -> Watched:
    settings.PLUMBLINE_HOME = running.home
    settings.RELEASES_DIR = running.home / "releases"
    settings.CURRENT_LINK = running.home / "current"
    settings.TARGETS_DIR = running.home / "targets"
    settings.PROMETHEUS_URL = running.server.url
    settings.EVALUATION_INTERVAL_SECONDS = 1
    return running


def published(watched: Watched, *names: str, base: str = "b" * 64) -> Release:
    """The release that is current, with the groups that it changed."""
    return Release.objects.create(
        hash=watched.bundle.hash,
        base_hash=base,
        outcome=Release.Outcome.PUBLISHED,
        changed_groups=[key(name) for name in names],
        finished_at=timezone.now() - timedelta(minutes=1),
    )


def checked(watched: Watched, *names: str) -> LiveCheck:
    """A check of these groups that is due."""
    published(watched, *names)
    begin(watched.bundle.hash, timezone.now())
    return LiveCheck.objects.get()


def worked_off(watched: Watched, check: LiveCheck) -> Report:
    while not check.finished:
        assert run(watched.files) is not None
        check.refresh_from_db()
        assert not check.problem
    return report_of(check.found)


# --- After a publish --------------------------------------------------------------------------------------------


def test_what_a_release_changed_is_looked_at_and_nothing_else(watched: Watched) -> None:
    check = checked(watched, "Apart", "Missing")
    report = worked_off(watched, check)
    assert {(t.severity, t.rules) for t in report.findings} == {("fault", ("Apart",)), ("fault", ("Missing",))}
    assert {alert.rule for alert in report.alerts} == {"Apart", "Missing"}
    assert run(watched.files) is None, "nothing is due any more"


def test_what_fires_now_and_would_have_is_told(watched: Watched) -> None:
    check = checked(watched, "Hot")
    (found,) = worked_off(watched, check).alerts
    assert found.firing == 1 and found.firings is not None
    assert found.firings["times"] == 2 and found.firings["still"]


def test_the_loop_waits_for_some_evaluations_and_then_tells_a_worker_once_in_a_run(
    watched: Watched, broker: Redis, settings: Settings
) -> None:
    release = published(watched, "Hot")
    settings.EVALUATION_INTERVAL_SECONDS = 600
    assert reconcile.STEPS["live_check"](timezone.now()) == "nothing is due"
    later = release.finished_at + timedelta(seconds=1201)
    assert reconcile.STEPS["live_check"](later) == "a worker was told"
    with RedisClient.from_url(broker.client_url) as client:
        assert int(client.llen("celery")) == 1


def test_without_a_broker_the_loop_says_so_and_tries_again(watched: Watched, lost_broker: None) -> None:
    checked(watched, "Hot")
    with pytest.raises(reconcile.NotDone, match="No worker could be told"):
        reconcile.STEPS["live_check"](timezone.now())
    assert due(timezone.now()).exists()


def test_the_loop_takes_the_same_queries_however_many_releases_there_are(
    watched: Watched, broker: Redis, django_assert_num_queries
) -> None:
    worked_off(watched, checked(watched, "Hot"))
    with django_assert_num_queries(3):
        reconcile.STEPS["live_check"](timezone.now())
    for _ in range(5):
        Release.objects.create(hash="c" * 64, outcome=Release.Outcome.REFUSED)
    with django_assert_num_queries(3):
        reconcile.STEPS["live_check"](timezone.now())


def test_what_is_wrong_is_looked_at_again_and_what_is_well_is_not(watched: Watched) -> None:
    check = checked(watched, "Missing", "Hot")
    worked_off(watched, check)
    assert check.state == State.DONE and check.todo == [key("Missing")]
    assert check.due_at == check.finished_at + AGAIN[0]
    assert run(watched.files, check.due_at) is not None
    check.refresh_from_db()
    assert (check.looks, check.state, check.due_at) == (2, State.DONE, check.finished_at + AGAIN[1])
    assert set(check.found) == {" ".join(key("Missing")), " ".join(key("Hot"))}


def test_a_newer_release_takes_over_what_an_older_one_left(watched: Watched) -> None:
    older = checked(watched, "Apart", "Missing")
    published(watched, "Hot", base=watched.bundle.hash + "x")
    begin(watched.bundle.hash, timezone.now())
    older.refresh_from_db()
    newer = LiveCheck.objects.latest("pk")
    assert older.state == State.SUPERSEDED and older.due_at is None
    assert newer.todo == [key("Apart"), key("Hot"), key("Missing")]


def test_the_first_release_is_looked_at_whole(watched: Watched) -> None:
    published(watched, base=watched.bundle.hash)
    begin(watched.bundle.hash, timezone.now())
    report = worked_off(watched, LiveCheck.objects.get())
    assert {alert.rule for alert in report.alerts} == set(ALL)


def test_a_release_that_is_not_current_is_not_asked_about(watched: Watched) -> None:
    release = published(watched, "Hot")
    begin("d" * 64, timezone.now())
    assert not LiveCheck.objects.exists()
    with pytest.raises(NotCurrent):
        ask(release, "d" * 64, timezone.now(), prove=True)
    check = checked(watched, "Hot")
    Release.objects.update(hash="d" * 64)
    assert run(watched.files) is not None
    check.refresh_from_db()
    assert check.state == State.SUPERSEDED and check.found == {}


# --- Bounds -----------------------------------------------------------------------------------------------------


def test_a_run_looks_at_some_groups_and_the_next_one_goes_on(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "GROUPS_AT_ONCE", 3)
    check = checked(watched, *RULES)
    assert run(watched.files) is not None
    check.refresh_from_db()
    assert check.state == State.WAITING and len(check.found) == 3 and check.left == 1
    assert len(worked_off(watched, check).alerts) == 4


def test_a_group_that_is_too_much_for_a_run_is_not_known_and_holds_nobody_up(watched: Watched) -> None:
    check = checked(watched, "Hot", "Missing")
    while not check.finished:
        assert run(watched.files, budget=Budget(queries=2)) is not None
        check.refresh_from_db()
    assert {t.severity for t in report_of(check.found).findings} == {"unknown"}
    assert check.due_at is not None, "it is tried again"


# --- Two workers, and one that dies -----------------------------------------------------------------------------


def test_of_two_workers_one_gets_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(watched, "Hot")
    real, claimed = live_checks.uuid.uuid4, []

    def other_is_quicker() -> object:
        monkeypatch.setattr(live_checks.uuid, "uuid4", real)
        claimed.append(claim(timezone.now()))
        return real()

    monkeypatch.setattr(live_checks.uuid, "uuid4", other_is_quicker)
    assert claim(timezone.now()) is None, "it had seen the row, and came too late"
    assert claimed[0] is not None and claim(timezone.now()) is None


def test_what_a_killed_worker_was_at_is_done_again_and_its_late_word_counts_for_nothing(watched: Watched) -> None:
    check = checked(watched, "Missing")
    now = timezone.now()
    dead = claim(now)
    assert dead is not None and run(watched.files, now + LEASE / 2) is None
    assert run(watched.files, now + LEASE) is not None
    check.refresh_from_db()
    assert check.state == State.DONE and len(check.found) == 1
    assert not give_back(dead, found={}, state=State.DONE)
    check.refresh_from_db()
    assert len(check.found) == 1


# --- Prometheus' faults -----------------------------------------------------------------------------------------


def not_known(watched: Watched, check: LiveCheck, why: str) -> None:
    """Nothing is told, the reason is, and it is tried again."""
    assert run(watched.files) is not None
    check.refresh_from_db()
    assert why in check.problem and check.found == {}
    assert check.state == State.WAITING and check.due_at == check.tried_at + RETRY


def test_a_prometheus_that_is_down_is_not_known_and_asked_again(watched: Watched, settings: Settings) -> None:
    check = checked(watched, "Missing")
    settings.PROMETHEUS_URL = f"http://user:secret@{free_address()}"
    not_known(watched, check, "Connection refused")
    assert "secret" not in check.problem
    settings.PROMETHEUS_URL = watched.server.url
    assert run(watched.files, check.due_at) is not None
    check.refresh_from_db()
    assert check.state == State.DONE and not check.problem and len(check.found) == 1


def test_a_prometheus_that_hangs_is_not_known(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "TIMEOUT", 0.4)
    check = checked(watched, "Missing")
    watched.server.process.send_signal(signal.SIGSTOP)
    try:
        not_known(watched, check, "no answer in time")
    finally:
        watched.server.process.send_signal(signal.SIGCONT)


def test_where_the_first_of_several_is_down_the_next_one_is_asked(watched: Watched, settings: Settings) -> None:
    settings.FURTHER_PROMETHEUS_URLS = (watched.server.url,)
    settings.PROMETHEUS_URL = f"http://{free_address()}"
    assert worked_off(watched, checked(watched, "Missing")).of("fault")


def test_a_prometheus_that_runs_something_else_is_not_known(watched: Watched) -> None:
    other = Bundle({**watched.bundle.files, OTHER: rule_group("Other:default", alert("Other", "there > 1"))})
    watched.files.write(other)
    watched.files.switch(other.hash)
    try:
        Release.objects.create(
            hash=other.hash,
            base_hash="b",
            outcome=Release.Outcome.PUBLISHED,
            changed_groups=[[OTHER, "Other:default"]],
            finished_at=timezone.now() - timedelta(minutes=1),
        )
        begin(other.hash, timezone.now())
        (found,) = worked_off(watched, LiveCheck.objects.get()).findings
    finally:
        watched.files.switch(watched.bundle.hash)
    assert found.severity == "unknown" and "does not run this group" in found.text


# --- On demand --------------------------------------------------------------------------------------------------


def test_all_of_it_on_demand_with_all_proofs_whatever_passed_before(watched: Watched) -> None:
    check = ask(published(watched, "Hot"), watched.bundle.hash, timezone.now(), prove=True)
    report = worked_off(watched, check)
    assert {alert.rule for alert in report.alerts} == set(ALL)
    assert check.proofs["passed"] is True and check.proofs["files"] == 0


def test_asking_again_while_it_is_under_way_changes_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "GROUPS_AT_ONCE", 2)
    release = published(watched, "Hot")
    check = ask(release, watched.bundle.hash, timezone.now(), prove=False)
    run(watched.files)
    assert ask(release, watched.bundle.hash, timezone.now(), prove=False).left == 3
    assert len(worked_off(watched, check).alerts) == 5


def test_asking_takes_the_row_from_a_run_that_is_under_way(watched: Watched) -> None:
    check = checked(watched, "Hot")
    at_it = claim(timezone.now())
    assert at_it is not None
    ask(check.release, watched.bundle.hash, timezone.now(), prove=False)
    assert not give_back(at_it, found={}, state=State.DONE)
    check.refresh_from_db()
    assert check.state == State.WAITING and check.todo is None


@pytest.mark.parametrize(("fires", "passed"), [(True, True), (False, False)])
def test_a_proof_that_fails_is_told(watched: Watched, fires: bool, passed: bool) -> None:
    proof = rule_test("Steady", "rules/health/Steady.yml", fires=fires)
    proven = live_run.prove(Bundle({**watched.bundle.files, "prometheus/tests/Steady.yml": proof}))
    assert (proven.passed, proven.files) == (passed, 1)
    assert passed or "alertname: Steady" in proven.reason


def test_proofs_run_on_the_whole_rules_too(watched: Watched) -> None:
    proof = rule_test("Steady", "rules/health/Steady.yml", fires=True)
    assert live_run.prove(
        Bundle({**watched.bundle.files, "prometheus/tests/Steady.yml": proof}), whole_rules=True
    ).passed


def test_the_command_proves_what_the_registry_says_now(
    plumbline_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("prove")
    assert "proof files passed in" in capsys.readouterr().out
    assert not Release.objects.exists()
    monkeypatch.setattr(prove_command, "render_bundle", lambda: wrong)
    wrong = Bundle({"prometheus/tests/Some.yml": rule_test("Some", "rules/Some.yml", fires=True)})
    with pytest.raises(SystemExit) as ended:
        call_command("prove")
    assert ended.value.code == 1 and "alertname: Some" in capsys.readouterr().err


def test_the_command_tells_what_is_wrong(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    published(watched, "Hot")
    with pytest.raises(SystemExit) as ended:
        call_command("live_check")
    told = capsys.readouterr().out
    assert ended.value.code == 1
    assert "fault    Missing: nowhere has never been there" in told
    assert "alert    Hot:default: Fires now: 1. Would have fired 2 times" in told


def test_the_command_says_that_prometheus_cannot_be_asked(
    watched: Watched, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    published(watched, "Hot")
    settings.PROMETHEUS_URL = f"http://{free_address()}"
    with pytest.raises(SystemExit) as ended:
        call_command("live_check")
    assert ended.value.code == 2 and "Not known" in capsys.readouterr().err


# --- The page and the API ---------------------------------------------------------------------------------------


def test_the_page_tells_it_all_and_offers_to_look_again(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    check = checked(watched, *RULES)
    address = f"/releases/{check.release_id}/"
    html = client.get(address).content.decode()
    assert "4 rule groups left to look at" in text_of(html) and 'hx-trigger="every 3s' in html
    worked_off(watched, check)
    html = client.get(address).content.decode()
    text = text_of(html)
    assert "Something is wrong" in text and 'hx-trigger="every 3s' not in html
    assert "Missing nowhere has never been there, as far as the last day tells. Is it spelt" in text
    assert "Hot default Fires now: 1. Would have fired 2 times" in text
    assert client.post(f"{address}live/").status_code == 302
    check.refresh_from_db()
    assert (check.state, check.whole, check.prove) == (State.WAITING, True, True)


def test_the_page_says_that_it_is_not_known(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    check = checked(watched, "Hot")
    LiveCheck.objects.update(problem="http://p can't be reached: <b>gone</b>", tried_at=timezone.now())
    html = client.get(f"/releases/{check.release_id}/live/").content.decode()
    assert "<b>gone" not in html and "Nothing found" not in html
    assert "Not known http://p can't be reached" in text_of(html)


def test_the_page_escapes_what_rules_hold(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    check = checked(watched, "Hot")
    nasty = "<script>alert(1)</script>"
    finding = {"severity": "fault", "text": nasty, "asked": nasty, "remedy": nasty, "rule": nasty}
    group = {
        "rules": [{"rule": nasty, "firing": 1, "pending": 0, "firings": None, "reads": True}],
        "findings": [finding],
    }
    LiveCheck.objects.update(found={f"x {nasty}": group}, proofs={"passed": False, "files": 1, "reason": nasty})
    for address in (f"/releases/{check.release_id}/", f"/releases/{check.release_id}/live/"):
        assert nasty not in client.get(address).content.decode()


def test_a_release_that_prometheus_never_ran_has_no_such_part(client: Client, stranger: User, db: None) -> None:
    client.force_login(stranger)
    refused = Release.objects.create(hash="e" * 64, outcome=Release.Outcome.REFUSED)
    assert "running Prometheus" not in client.get(f"/releases/{refused.pk}/").content.decode()


def test_the_pages_queries_do_not_grow_with_what_was_found(
    watched: Watched, client: Client, stranger: User, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    client.force_login(stranger)
    check = checked(watched, *RULES)
    client.get(f"/releases/{check.release_id}/")
    with django_assert_max_num_queries(20) as before:
        client.get(f"/releases/{check.release_id}/")
    worked_off(watched, check)
    with django_assert_num_queries(len(before)):
        client.get(f"/releases/{check.release_id}/")


def test_the_api_tells_the_same_and_takes_the_wish(watched: Watched, client: Client, stranger: User) -> None:
    address = f"/api/releases/{published(watched, 'Missing', 'Hot').pk}/"
    assert client.post(f"{address}live-check/").status_code in (401, 403)
    client.force_login(stranger)
    assert client.get(address).json()["live_check"] is None
    asked = client.post(f"{address}live-check/")
    assert asked.status_code == 202 and asked.json()["state"] == "waiting" and asked.json()["groups_left"] is None
    worked_off(watched, LiveCheck.objects.get())
    told = client.get(address).json()["live_check"]
    assert (told["state"], told["groups_looked_at"], told["groups_left"]) == ("done", 5, 3)
    assert ["Missing"] in [finding["rules"] for finding in told["findings"]]
    hot = next(row for row in told["alerts"] if row["rule"] == "Hot")
    assert hot["firing"] == 1 and hot["firings"]["times"] == 2 and "Fires now: 1" in hot["told"]


def test_the_api_refuses_what_is_not_in_force(watched: Watched, client: Client, stranger: User) -> None:
    client.force_login(stranger)
    old = Release.objects.create(hash="f" * 64, outcome=Release.Outcome.PUBLISHED)
    answer = client.post(f"/api/releases/{old.pk}/live-check/")
    assert answer.status_code == 409 and "another release" in answer.json()["detail"]
