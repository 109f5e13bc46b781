"""A variable that is wrong stops the process with its name, its value and the remedy; several are told at once."""

import os
import re
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from controlplane import environment_values as values
from controlplane.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
MANUAL = ROOT / "docs/configuration.md"
# Any text will do for them.
FREE = {"GRAFANA_TOKEN", "SMTP_USERNAME"}
HOUR = "3600"
NOBODY = 65534


def documented() -> set[str]:
    """The variables in the first column of the manual's table."""
    rows = [line.split("|")[1] for line in MANUAL.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """None of the documented variables is set but a home of one's own."""
    for name in documented():
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """The settings that a process would get that starts with `variables`."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "controlplane/settings.py"))


WRONG = [
    ("PLUMBLINE_HOME", "", "is no folder"),
    ("PLUMBLINE_HOME", "/dev/null", "is no folder"),
    ("PLUMBLINE_HOME", "/dev/null/var", "let /dev/null be a folder that this user may write to"),
    ("PLUMBLINE_URL", "", "is not a URL"),
    ("PLUMBLINE_URL", "plumbline.example.com", "is not a URL"),
    ("PLUMBLINE_URL", "https://", "is not a URL"),
    ("PLUMBLINE_URL", "https:///fleet", "is not a URL"),
    ("PLUMBLINE_URL", "https://plumbline example.com", "is not a URL"),
    ("PLUMBLINE_URL", "https://plumbline.example.com/?x=1", r"holds a \?"),
    ("PLUMBLINE_URL", "https://example.com/plumbline", "has a path"),
    ("PLUMBLINE_URL", "http://plumbline:80000", "from 1 to 65535"),
    ("PROMETHEUS_URL", "", "is not a URL"),
    ("PROMETHEUS_URL", "http://prometheus:http", "from 1 to 65535"),
    ("PROMETHEUS_URL", "http://prometheus:0", "from 1 to 65535"),
    ("PROMETHEUS_URL", "http://[::1:9090", "from 1 to 65535"),
    ("ALERTMANAGER_URL", "http://a:9093,http://b:99999", "from 1 to 65535"),
    ("ALERTMANAGER_URL", "http://a:9093,http://a:9093/", "twice"),
    ("GRAFANA_URL", "grafana:3000", "is not a URL"),
    ("GRAFANA_URL", "http://grafana:port", "from 1 to 65535"),
    ("REDIS_URL", "", "is not a URL"),
    ("REDIS_URL", "redis://", "is not a URL"),
    ("REDIS_URL", "redis://redis:6379/first", "names no database of Redis"),
    ("REDIS_URL", "redis://redis:637900", "from 1 to 65535"),
    ("DATABASE_URL", "", "is no database's address"),
    ("DATABASE_URL", "mysql://plumbline@db/plumbline", "is no database's address"),
    ("DATABASE_URL", "postgres://plumbline@db", "is no database's address"),
    ("DATABASE_URL", "postgres://plumbline@db:five/plumbline", "is no database's address"),
    ("SECRET_KEY", "", "has 0 characters"),
    ("SECRET_KEY", "short", "has 5 characters: use 50 or more"),
    ("SERVING_TOKEN_FILE", "/nowhere/serving_token", "is no file: make it"),
    ("BUNDLE_TOKEN_FILE", "/dev/null/bundle_token", "is no file: make it"),
    ("WEBHOOK_TOKEN_FILE", "/dev/null", "is empty: write a random token into it"),
    ("WEBHOOK_TOKEN_FILE", "/usr", "is no file: make it"),
    ("PREDICTIONS_DIR", "/dev/null", "is no folder"),
    ("ALLOWED_HOSTS", " , ", "names nobody"),
    ("ALLOWED_HOSTS", "plumbline.example.com,https://other.example.com", "is no host"),
    ("ALLOWED_HOSTS", "plumbline.example.com:8000", "is no host"),
    ("ENVIRONMENT_LABEL", "", "is no label"),
    ("ENVIRONMENT_LABEL", "a\nb", "is no label"),
    ("SCRAPE_INTERVAL_SECONDS", "15s", "is not a whole number"),
    ("SCRAPE_INTERVAL_SECONDS", "0", "at least 1"),
    ("SCRAPE_INTERVAL_SECONDS", "300", "at most 120"),
    ("DRIFT_SCRAPE_INTERVAL_SECONDS", "121", "at most 120, since Prometheus looks back five minutes"),
    ("EVALUATION_INTERVAL_SECONDS", "", "is not a whole number"),
    ("EVALUATION_INTERVAL_SECONDS", HOUR, "at most 120"),
    ("RECONCILE_INTERVAL_SECONDS", "0.5", "is not a whole number"),
    ("ROUTE_GROUP_WAIT_SECONDS", "-1", "at least 0"),
    ("ROUTE_GROUP_INTERVAL_SECONDS", "0", "at least 1"),
    ("ROUTE_REPEAT_INTERVAL_SECONDS", "4h", "is not a whole number"),
    ("PLUMBLINE_TARGET", "", "is no host:port"),
    ("PLUMBLINE_TARGET", "web", "is no host:port"),
    ("PLUMBLINE_TARGET", "http://web:8000", "is no host:port"),
    ("PLUMBLINE_TARGET", "web:8000/metrics", "is no host:port"),
    ("DRIFT_EXPORTER_TARGET", "exporter:", "is no host:port"),
    ("DRIFT_EXPORTER_TARGET", "exporter:70000", "from 1 to 65535"),
    ("NODE_EXPORTER_TARGETS", "one:9100,two", "is no host:port"),
    ("PLATFORM_TEAM", "", "can't name a team"),
    ("PLATFORM_TEAM", "Platform Team", "can't name a team: use 1 to 63 lower-case letters"),
    ("ALERTMANAGER_VERSION", "new", "is no version: write it like 0.27"),
    ("SMTP_SMARTHOST", "mail.example.com", "is no host:port"),
    ("SMTP_FROM", "plumbline", "is no e-mail address"),
    ("SMTP_PASSWORD_FILE", "secrets/smtp", "is no absolute path"),
    ("KUBERNETES_NAMESPACE", "ML_Platform", "is no name in Kubernetes"),
    ("DEBUG", "maybe", "is neither true nor false: use 1 or 0"),
    ("LOG_LEVEL", "LOUD", "is no level: use DEBUG, INFO"),
    ("LOG_LEVEL", "", "is no level"),
]


@pytest.mark.parametrize(("name", "value", "says"), WRONG)
def test_a_wrong_value_is_named_with_the_remedy_before_anything_is_written(
    clean: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=says) as refused:
        settings(monkeypatch, **{name: value})
    secret = name in ("DATABASE_URL", "SECRET_KEY")
    assert str(refused.value).startswith(f"{name} " if secret else f"{name}={value!r} ")
    assert not clean.exists()


def test_every_documented_variable_was_tried() -> None:
    assert {name for name, _, _ in WRONG} | FREE == documented()


def test_all_that_is_wrong_is_told_at_once(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        settings(
            monkeypatch,
            PLUMBLINE_HOME="/dev/null/x",
            PROMETHEUS_URL="http://plumbline:S3CR3T@prometheus:port",
            DEBUG="maybe",
            SECRET_KEY="S3CR3T",
        )
    first, *rest = str(refused.value).splitlines()
    assert first == "4 environment variables are wrong:"
    named = ["PLUMBLINE_HOME='/dev/null/x'", "PROMETHEUS_URL='http://prometheus:port'", "DEBUG='maybe'", "SECRET_KEY"]
    assert [line.split()[0] for line in rest] == named
    assert "S3CR3T" not in str(refused.value)


RIGHT = [
    ("PLUMBLINE_URL", "https://plumbline.example.com/", "PLUMBLINE_URL", "https://plumbline.example.com"),
    ("PLUMBLINE_URL", "http://[::1]:8000", "PLUMBLINE_TARGET", "[::1]:8000"),
    ("REDIS_URL", "redis+socket:///run/redis.sock", "REDIS_URL", "redis+socket:///run/redis.sock"),
    ("REDIS_URL", "redis://:pass@redis:6379/1", "REDIS_URL", "redis://:pass@redis:6379/1"),
    ("GRAFANA_URL", "", "GRAFANA_URL", ""),
    ("GRAFANA_URL", "https://example.com/grafana", "GRAFANA_URL", "https://example.com/grafana"),
    (
        "ALLOWED_HOSTS",
        "a.example.com, .example.org,*,[::1]",
        "ALLOWED_HOSTS",
        ["a.example.com", ".example.org", "*", "[::1]"],
    ),
    ("NODE_EXPORTER_TARGETS", "one:9100, [::1]:9100", "NODE_EXPORTER_TARGETS", ["one:9100", "[::1]:9100"]),
    ("DRIFT_SCRAPE_INTERVAL_SECONDS", "120", "DRIFT_SCRAPE_INTERVAL_SECONDS", 120),
    ("LOG_LEVEL", "warning", "LOG_LEVEL", "WARNING"),
    ("SMTP_FROM", "Plumbline <plumbline@example.com>", "SMTP_FROM", "Plumbline <plumbline@example.com>"),
    ("DEBUG", "yes", "DEBUG", True),
]


@pytest.mark.parametrize(("name", "value", "setting", "found"), RIGHT)
def test_a_right_value_is_taken(
    clean: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, setting: str, found: object
) -> None:
    assert settings(monkeypatch, **{name: value})[setting] == found


def test_without_variables_the_defaults_hold_and_secrets_are_made(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)
    assert (found["PLUMBLINE_TARGET"], found["PLATFORM_TEAM"]) == ("127.0.0.1:8000", "platform")
    assert found["SECRET_KEY"] == (clean / "secrets/secret_key").read_text()


# --- Files ------------------------------------------------------------------------------------------------------


def test_a_secret_can_come_from_a_file(clean: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 50 + "\n")
    assert settings(monkeypatch, SECRET_KEY_FILE=str(tmp_path / "key"))["SECRET_KEY"] == "k" * 50


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"SECRET_KEY": "k" * 50, "SECRET_KEY_FILE": "/dev/null"}, "both set: leave one out"),
        ({"SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE='/nowhere' can't be read: No such file"),
        ({"DATABASE_URL_FILE": "/dev/null"}, "DATABASE_URL is no database's address"),
    ],
)
def test_a_file_that_holds_no_secret_is_named(
    clean: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        settings(monkeypatch, **variables)


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may write next to nothing; whoever runs the tests without being root is one already."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_home_that_this_user_can_not_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    environment = Environment({"PLUMBLINE_HOME": str(tmp_path / "closed/var")})
    with nobody():
        environment.read("PLUMBLINE_HOME", values.home, "/tmp")  # noqa: S108 - the default is not what is tried
    with pytest.raises(ImproperlyConfigured, match=r"PLUMBLINE_HOME=.*/closed/var' can't be written to"):
        environment.check()


def test_a_version_compares_as_versions_do() -> None:
    assert values.version("0.9") < (0, 27) <= values.version("0.27.1")
