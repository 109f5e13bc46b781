"""The clients of Prometheus and Alertmanager against the real servers."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from alerts.alertmanager import Alertmanager, config_hash_of
from alerts.http import Refused, Unreachable
from alerts.prometheus import Prometheus
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from controlplane.stack.prometheus import Prometheus as PrometheusServer

CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
"""
RULES = """
groups:
  - name: sample
    rules:
      - alert: Always
        expr: vector(7)
        for: 0s
        keep_firing_for: 90s
        labels: {severity: page}
        annotations: {summary: "it is {{ $value }}"}
      - record: job:seven
        expr: vector(7)
      - record: job:broken
        expr: |
          (label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))
            * on ()
          (label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))
"""
ROUTES = """
# Zoë's routes
route: {receiver: team, group_wait: 0s}
receivers:
  - name: team
    webhook_configs: [{url: "http://127.0.0.1:9/page"}]
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    (folder / "prometheus.yml").write_text(CONFIG)
    (folder / "rules.yml").write_text(RULES)
    (folder / "alertmanager.yml").write_text(ROUTES)
    return folder


@pytest.fixture(scope="module")
def prometheus(config: Path, prometheus_server: Callable[..., PrometheusServer]) -> Prometheus:
    client = Prometheus(prometheus_server(config / "prometheus.yml").url)
    deadline = time.monotonic() + 15
    while not client.query("job:seven") and time.monotonic() < deadline:
        time.sleep(0.1)
    return client


@pytest.fixture(scope="module")
def alertmanager(config: Path, alertmanager_server: Callable[..., AlertmanagerServer]) -> Alertmanager:
    return Alertmanager(alertmanager_server(config / "alertmanager.yml").url)


@pytest.fixture
def stranger() -> Iterator[str]:
    """A web server that is neither: it answers everything with a page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_query_answers_with_labels_values_and_times(prometheus: Prometheus) -> None:
    [sample] = prometheus.query('label_replace(vector(3), "team", "risk", "", "")')
    assert sample.labels == {"team": "risk"}
    assert sample.value == 3
    assert abs(sample.at - time.time()) < 10
    assert [s.value for s in prometheus.query("1 + 1")] == [2]
    assert prometheus.query("vector(1)", at=1000.5)[0].at == 1000.5


def test_a_range_query_answers_with_points_in_order(prometheus: Prometheus) -> None:
    [series] = prometheus.query_range("vector(3)", start=100, end=130, step=15)
    assert series.points == ((100.0, 3.0), (115.0, 3.0), (130.0, 3.0))


def test_a_query_that_errs_is_refused_with_prometheus_own_words(prometheus: Prometheus) -> None:
    with pytest.raises(Refused, match="parse error"):
        prometheus.query("up >")
    two = '(label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))'
    with pytest.raises(Refused, match="many-to-many") as caught:
        prometheus.query(f"{two} * on () {two}")
    assert caught.value.status == 422


def test_loaded_rules_tell_their_health_and_their_last_error(prometheus: Prometheus) -> None:
    [group] = prometheus.rules()
    always, seven, broken = group.rules
    assert (group.name, group.interval_seconds) == ("sample", 1)
    assert group.file.endswith("/rules.yml")
    assert (always.kind, always.name, always.query) == ("alerting", "Always", "vector(7)")
    assert (always.for_seconds, always.keep_firing_seconds, always.labels) == (0, 90, {"severity": "page"})
    assert always.annotations == {"summary": "it is {{ $value }}"}
    assert seven.kind == "recording" and seven.health == "ok" and seven.last_evaluation is not None
    assert broken.health == "err" and "many-to-many" in broken.last_error


def test_active_alerts_tell_since_when(prometheus: Prometheus) -> None:
    [alert] = prometheus.alerts()
    assert alert.labels == {"alertname": "Always", "severity": "page"}
    assert alert.annotations == {"summary": "it is 7"}
    assert alert.state == "firing" and alert.value == 7
    assert timedelta() <= datetime.now(UTC) - alert.active_at < timedelta(minutes=5)


def test_a_refused_reload_of_prometheus_keeps_the_old_rules(prometheus: Prometheus, config: Path) -> None:
    before = prometheus.rules()[0].rules[0].query
    (config / "rules.yml").write_text("groups: [{name: sample, rules: [{record: x, expr: 'up >'}]}]")
    with pytest.raises(Refused, match="failed to reload config"):
        prometheus.reload()
    assert not prometheus.runtime().reload_succeeded
    assert prometheus.rules()[0].rules[0].query == before
    (config / "rules.yml").write_text(RULES)
    asked_at = datetime.now(UTC)
    prometheus.reload()
    runtime = prometheus.runtime()
    assert runtime.reload_succeeded and runtime.loaded_at >= asked_at.replace(microsecond=0)


def test_equal_expressions_are_formatted_alike(prometheus: Prometheus) -> None:
    assert prometheus.format_query("sum by(a)(rate(x[300s]))>0.50") == prometheus.format_query(
        "sum by (a) (rate(x[5m])) > 0.5"
    )


def test_the_hash_of_alertmanagers_configuration_is_that_of_the_file(alertmanager: Alertmanager, config: Path) -> None:
    assert alertmanager.config_hash() == config_hash_of(ROUTES)
    changed = ROUTES.replace("group_wait: 0s", "group_wait: 1s")
    (config / "alertmanager.yml").write_text(changed)
    assert alertmanager.config_hash() == config_hash_of(ROUTES) != config_hash_of(changed)
    alertmanager.reload()
    assert alertmanager.config_hash() == config_hash_of(changed)
    assert "group_wait: 1s" in alertmanager.status().config
    assert alertmanager.receivers() == ["team"]


def test_a_refused_reload_of_alertmanager_says_why(alertmanager: Alertmanager, config: Path) -> None:
    before = alertmanager.config_hash()
    (config / "alertmanager.yml").write_text(ROUTES.replace("receiver: team", "receiver: nobody"))
    with pytest.raises(Refused, match='undefined receiver "nobody"'):
        alertmanager.reload()
    assert alertmanager.config_hash() == before
    (config / "alertmanager.yml").write_text(ROUTES)
    alertmanager.reload()


def test_a_silence_suppresses_what_it_names_and_can_be_ended(alertmanager: Alertmanager) -> None:
    labels = {"alertname": "Sample", "model_name": "a-b"}
    assert alertmanager.request("POST", "/api/v2/alerts", json=[{"labels": labels}]).ok
    now = datetime.now(UTC)
    silence = alertmanager.create_silence(
        labels, starts_at=now, ends_at=now + timedelta(hours=1), author="ana", comment="known"
    )

    def state() -> tuple[str, tuple[str, ...]]:
        [alert] = alertmanager.alerts()
        return alert.state, alert.silenced_by

    wait_until(lambda: state() == ("suppressed", (silence,)))
    alertmanager.expire_silence(silence)
    wait_until(lambda: state() == ("active", ()))


def test_a_silence_without_matchers_is_refused(alertmanager: Alertmanager) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ValueError, match="silence everything"):
        alertmanager.create_silence({}, starts_at=now, ends_at=now, author="ana", comment="")


def test_a_server_that_is_not_there_is_unreachable_and_its_password_is_not_told() -> None:
    address = free_address()
    client = Prometheus(address.replace("://", "://user:secret@"), timeout=1)
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        client.rules()
    assert caught.value.url == address
    assert "secret" not in str(caught.value)
    assert not client.ready()


def test_a_server_that_never_answers_costs_no_more_than_its_time_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Alertmanager(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        started = time.monotonic()
        with pytest.raises(Unreachable, match="no answer in time"):
            client.status()
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("ask", [lambda url: Prometheus(url).rules(), lambda url: Alertmanager(url).alerts()])
def test_another_server_at_the_address_is_not_believed(stranger: str, ask: Callable[[str], object]) -> None:
    with pytest.raises(Unreachable, match="right address"):
        ask(stranger)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
