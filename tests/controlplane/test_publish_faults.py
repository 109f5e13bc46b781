"""Publishing under fire: what Prometheus, Alertmanager or a late renderer do to a publish, made on real servers.

After each: the servers run exactly the old or the new release, whole; an alert that the edit does not concern keeps its
start; and the next run, with the fault gone, reaches what is wanted. What kills, full disks and lost databases do:
test_publish_crashes.py; several servers: test_publish_pairs.py and test_agent.py; a release that a checker refuses:
test_publish.py.
"""

import signal
import time
from collections.abc import Callable

import pytest

from controlplane.bundle import ALERTMANAGER_CONFIG, Bundle
from controlplane.models import Release
from controlplane.models.release import is_failing
from controlplane.publishing import checks
from controlplane.publishing.patience import Patience
from controlplane.publishing.servers import Servers
from controlplane.stack.server import PortServer
from tests.controlplane.addresses import free_address
from tests.controlplane.bundles import OTHER, STEADY, TWO, alert, rule_group
from tests.controlplane.conftest import Pair, steady_keeps_its_start, the_next_run_reaches, time_passes, wait_until

pytestmark = pytest.mark.django_db

Outcome = Release.Outcome
KINDS = ("prometheus", "alertmanager")


def server_of(pair: Pair, kind: str) -> PortServer:
    return pair.prometheus_server if kind == "prometheus" else pair.alertmanager_server


def with_another(pair: Pair, kind: str, url: str, timeout: float = 0.7) -> Servers:
    """The pair, with `url` in the place of its server of that kind."""
    urls = {each: server_of(pair, each).url for each in KINDS} | {kind: url}
    return Servers.at([urls["prometheus"]], [urls["alertmanager"]], timeout=timeout)


def hasty(pair: Pair, timeout: float = 0.7) -> Servers:
    return with_another(pair, "prometheus", pair.prometheus_server.url, timeout)


def at(step: str, deed: Callable[[], object]) -> Callable[[str], None]:
    """A checkpoint that does `deed` when `step` has ended."""
    return lambda ended: deed() if ended == step else None


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_server_nothing_is_switched_and_that_is_said_once(pair: Pair, base: Bundle, kind: str) -> None:
    nobody = with_another(pair, kind, f"http://{free_address()}")
    wanted = pair.edit("vector(2)")
    with steady_keeps_its_start(pair.prometheus):
        first = pair.publish(wanted, servers=nobody)
        assert first.outcome == Outcome.UNREACHABLE
        assert "can't be reached" in first.reason and "Nothing was changed" in first.reason
        assert pair.publish(wanted, servers=nobody).release == first.release
        assert Release.objects.get().tries == 2 and is_failing()
        assert pair.runs(base)
        the_next_run_reaches(pair, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs_before_the_switch_changes_nothing(pair: Pair, base: Bundle, kind: str) -> None:
    wanted, server = pair.edit("vector(2)"), server_of(pair, kind)
    with steady_keeps_its_start(pair.prometheus):
        server.process.send_signal(signal.SIGSTOP)
        try:
            published = pair.publish(wanted, servers=hasty(pair))
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert published.outcome == Outcome.UNREACHABLE and "Nothing was changed" in published.reason
        assert pair.runs(base)
        the_next_run_reaches(pair, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_hangs_after_the_switch_finds_the_old_release_when_it_wakes(
    pair: Pair, base: Bundle, kind: str
) -> None:
    wanted, server = pair.edit("vector(2)"), server_of(pair, kind)
    with steady_keeps_its_start(pair.prometheus):
        try:
            stop = at("switch", lambda: server.process.send_signal(signal.SIGSTOP))
            published = pair.publish(wanted, servers=hasty(pair), patience=Patience(reload=0.7), checkpoint=stop)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert published.outcome == Outcome.UNREACHABLE and "no answer in time" in published.reason
        assert pair.files.current_hash() == base.hash and is_failing()
        if kind == "alertmanager":
            assert pair.runs(base), "Prometheus could be told at once"
        the_next_run_reaches(pair, base)
        the_next_run_reaches(pair, wanted)


def test_a_query_that_prometheus_is_too_busy_for_says_nothing_about_the_rule(pair: Pair, base: Bundle) -> None:
    wanted = pair.edit(" + ".join(["sum_over_time(vector(1)[2d:1s])"] * 400))
    with steady_keeps_its_start(pair.prometheus):
        published = pair.publish(wanted, servers=hasty(pair, timeout=2))
        assert published.outcome == Outcome.UNREACHABLE
        assert "did not answer Other" in published.reason and "timed out" in published.reason
        assert pair.runs(base)
        the_next_run_reaches(pair, pair.edit("vector(2)"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_dies_after_the_switch_finds_the_old_release(pair: Pair, base: Bundle, kind: str) -> None:
    wanted, server = pair.edit("vector(22)"), server_of(pair, kind)
    with steady_keeps_its_start(pair.prometheus, restarted=kind == "prometheus"):
        published = pair.publish(wanted, checkpoint=at("switch", server.kill))
        assert published.outcome == Outcome.UNREACHABLE
        server.start()
        assert pair.runs(base), "the other one, which never died, was told too"
        the_next_run_reaches(pair, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_refuses_the_reload_is_switched_back_and_asked_again_after_an_hour(
    pair: Pair, base: Bundle, kind: str
) -> None:
    """What it reads is damaged on the disk after the checks. That is not told from a release that is at fault."""
    wanted = pair.edit("vector(2)")
    damaged = pair.files.folder(wanted.hash) / {"prometheus": OTHER, "alertmanager": ALERTMANAGER_CONFIG}[kind]
    with steady_keeps_its_start(pair.prometheus):
        published = pair.publish(wanted, checkpoint=at("switch", lambda: damaged.write_text("groups: [\n")))
        assert published.outcome == Outcome.ROLLED_BACK
        assert {"prometheus": "failed to reload config", "alertmanager": "yaml: "}[kind] in published.reason
        if kind == "prometheus":
            assert "its own log does" in published.reason and f"{pair.files.current}/prometheus" in published.reason
        assert pair.runs(base)
        assert pair.publish(wanted).release == published.release and is_failing(), "not every 15 seconds"
        time_passes(minutes=61)
        the_next_run_reaches(pair, wanted)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({OTHER: rule_group("Other:default", alert("Other", "up >"))}, "failed to reload config"),
        ({ALERTMANAGER_CONFIG: "route: {receiver: nobody}\nreceivers: []"}, 'undefined receiver "nobody"'),
    ],
    ids=KINDS,
)
def test_what_a_server_will_not_load_although_its_checker_says_yes_is_switched_back(
    pair: Pair, base: Bundle, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], says: str
) -> None:
    """As with a checker that is newer than its server."""
    with steady_keeps_its_start(pair.prometheus):
        with monkeypatch.context() as patched:
            for name in ("check_with_promtool", "check_rule_tests", "check_expressions", "check_with_amtool"):
                patched.setattr(checks, name, lambda *_: 0)
            published = pair.publish(pair.bundle(files))
        assert published.outcome == Outcome.ROLLED_BACK and says in published.reason
        assert pair.runs(base) and is_failing()
        the_next_run_reaches(pair, pair.bundle(group_wait="3s"))


def test_a_rule_that_errs_only_at_evaluation_is_switched_back_within_one_interval(pair: Pair, base: Bundle) -> None:
    """The series it matches does not exist until the release itself records it, so no query can show the error."""
    fine = alert("Fine", "vector(1)")
    group = rule_group(
        "Late:default", f"record: 'job:two', expr: '{TWO}'", alert("Late", "job:two * on () job:two"), fine
    )
    with steady_keeps_its_start(pair.prometheus):
        started = time.monotonic()
        published = pair.publish(pair.bundle({OTHER: group}, group_wait="9s"))

        assert time.monotonic() - started < 1 + 4 + 3  # interval, margin, the checks
        assert published.outcome == Outcome.ROLLED_BACK
        assert "Late (group Late:default of prometheus/rules/health/Other.yml)" in published.reason
        assert "many-to-many" in published.reason
        assert pair.runs(base)
        row = Release.objects.get()
        assert [entry["step"] for entry in row.log][-3:] == ["probation", "back", "restore"]
        the_next_run_reaches(pair, pair.bundle({OTHER: rule_group("Late:default", fine)}, group_wait="9s"))


def test_a_publisher_that_dies_after_the_switch_to_a_release_that_errs_is_taken_back_by_the_next(
    pair: Pair, base: Bundle
) -> None:
    class Died(BaseException):
        """As SIGKILL, nothing is done about it."""

    def die(step: str) -> None:
        if step == "switch":
            raise Died

    late = f"record: 'job:pair', expr: '{TWO}'", alert("Late", "job:pair * on () job:pair")
    erring = pair.bundle({OTHER: rule_group("Late:default", *late)})
    with steady_keeps_its_start(pair.prometheus):
        with pytest.raises(Died):
            pair.publish(erring, checkpoint=die)
        assert pair.files.current_hash() == erring.hash
        published = pair.publish(erring)
        assert published.outcome == Outcome.ROLLED_BACK and "many-to-many" in published.reason
        assert pair.runs(base) and Release.objects.get().finished
        the_next_run_reaches(pair, pair.bundle(group_wait="6s"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_restarted_with_an_old_file_is_brought_back(pair: Pair, base: Bundle, kind: str) -> None:
    """As from a stale mount: it starts, answers, and runs what was published before."""
    newer = pair.edit("vector(3)")
    with steady_keeps_its_start(pair.prometheus, restarted=kind == "prometheus"):
        the_next_run_reaches(pair, newer)
        server = server_of(pair, kind)
        server.kill()
        pair.files.switch(base.hash)
        server.start()
        pair.files.switch(newer.hash)
        assert not pair.runs(newer)
        the_next_run_reaches(pair, newer)


def test_an_older_render_that_arrives_late_gives_up(pair: Pair, base: Bundle) -> None:
    """Rendered, then held up, while another machine published what is newer: the lock does not reach that far."""
    older, newer = pair.edit("vector(4)"), pair.edit("vector(44)")

    def held_up() -> Bundle:
        row = Release.objects.create(hash=newer.hash, base_hash=base.hash, outcome=Outcome.PUBLISHED)
        assert row.pk
        return older

    with steady_keeps_its_start(pair.prometheus):
        published = pair.publish(older, render=held_up)
        assert published.outcome == Outcome.SUPERSEDED and "Nothing was changed" in published.reason
        assert pair.runs(base)
        the_next_run_reaches(pair, newer)


def test_a_release_whose_file_was_damaged_on_disk_is_mended_before_it_is_loaded(pair: Pair, base: Bundle) -> None:
    (pair.files.folder(base.hash) / STEADY).write_text("groups: []\n")
    with steady_keeps_its_start(pair.prometheus):
        assert pair.publish(base).outcome == Outcome.PUBLISHED
        wait_until(lambda: pair.runs(base))
