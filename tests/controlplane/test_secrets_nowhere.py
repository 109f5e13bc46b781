"""Invariant 9: with a registry and settings full of secrets, none of them is in anything that leaves the process.

Searched: the bundle, the export, every address that answers GET, Release rows and Changes, and the log of the loop and
of publishing, at its most talkative.
"""

import logging
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import serializers
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django.fixtures import Settings

from alerts.models import AlertPolicy, CustomAlert, Incident
from alerts.runbook_editing import save_runbook
from alerts.runbook_sections import SECTIONS
from controlplane import registry_file, tokens
from controlplane.bundle import Bundle
from controlplane.models import Peer, Release
from controlplane.publish import Publisher
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.servers import Servers
from controlplane.reconcile import run_once
from controlplane.rendering import render_bundle
from drift.models import BusinessProxy, DriftCheck
from models_registry.actor import SYSTEM
from models_registry.edits import save_team
from models_registry.models import Change, Receiver, Replica
from tests.controlplane.addresses import free_address
from tests.controlplane.bundles import OTHER, alert, rule_group
from tests.controlplane.conftest import Pair
from tests.fixtures.registry import PASSWORD, Registry, make_baseline, make_pipeline, make_user

pytestmark = pytest.mark.django_db

# Recognisable, and unlike anything else that is rendered.
SECRETS = {
    "SECRET_KEY": "S3CR3T-key-of-django-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "SERVING_TOKEN": "S3CR3T-serving-token",
    "WEBHOOK_TOKEN": "S3CR3T-webhook-token",
    "BUNDLE_TOKEN": "S3CR3T-bundle-token",
    "GRAFANA_TOKEN": "S3CR3T-grafana-token",
    "database": "S3CR3T-database-password",
    "redis": "S3CR3T-redis-password",
    "prometheus": "S3CR3T-prometheus-password",
    "alertmanager": "S3CR3T-alertmanager-password",
    "pager": "S3CR3T-pagerduty-key",
}
SAY_WHO_IS_AWAY = ["/api/silences/", "/api/silences/<str:identity>/"]
RUNBOOK = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)


def leaks(text: str, more: tuple[str, ...] = ()) -> list[str]:
    """The secrets that stand in `text`, in the clear or in Base64."""
    wanted = (*SECRETS.values(), *more, PASSWORD)
    forms = {secret: (secret, quote(secret), b64encode(secret.encode()).decode()) for secret in wanted}
    return [secret for secret, shapes in forms.items() if any(shape in text for shape in shapes)]


@pytest.fixture
def secretive(plumbline_home: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings in which everything that can be secret is."""
    for name in ("SECRET_KEY", "SERVING_TOKEN", "WEBHOOK_TOKEN", "BUNDLE_TOKEN", "GRAFANA_TOKEN"):
        setattr(settings, name, SECRETS[name])
        monkeypatch.setenv(name, SECRETS[name])
        file = getattr(settings, f"{name}_FILE", None)
        if file is not None:
            Path(file).write_text(SECRETS[name])
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", SECRETS["database"])
    monkeypatch.setenv("DATABASE_URL", f"postgres://plumbline:{SECRETS['database']}@db/plumbline")
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://:{SECRETS['redis']}@{free_address()}/0"
    settings.GRAFANA_URL = f"http://{free_address()}"
    settings.PROMETHEUS_URL = f"http://plumbline:{SECRETS['prometheus']}@{free_address()}"
    settings.ALERTMANAGER_URL = f"http://plumbline:{SECRETS['alertmanager']}@{free_address()}"
    (tmp_path / "pager").write_text(SECRETS["pager"])


@pytest.fixture
def full(registry: Registry, superuser: User, tmp_path: Path) -> tuple[str, ...]:
    """A registry with a row of every kind; the secrets that only now came to be."""
    model, team = registry.model, registry.team
    pager = Receiver(team=team, severity="page", kind="pagerduty", secret_file=str(tmp_path / "pager"))
    save_team(team, receivers=[pager, *team.receivers.exclude(severity="page")], actor=SYSTEM)
    _, token = tokens.issue(superuser, "ci")
    user = make_user("carol", team)
    make_baseline(model)
    make_pipeline(model)
    AlertPolicy.objects.create(alert="MLServingDown", model=model, for_seconds=30)
    CustomAlert.objects.create(
        model=model,
        name="BadTooMany",
        expression="up == 0",
        description="Bad.",
        runbook=RUNBOOK,
        fires_case={"series": {"up": "0x20"}, "at": "15m"},
        silent_case={"series": {}, "at": "15m"},
    )
    save_runbook("MLServingDown", model, body=RUNBOOK, owner_team=team, review_by=None, actor=SYSTEM)
    DriftCheck.objects.create(model=model)
    BusinessProxy.objects.create(model=model, name="approval_rate", lower=0.6)
    now = timezone.now()
    Replica.objects.create(name="r1", address="127.0.0.1:9", started_at=now, last_seen_at=now)
    Release.objects.create(hash="0" * 64, author="ana", outcome=Release.Outcome.REFUSED, reason="no")
    times = dict.fromkeys(("starts_at", "first_seen_at", "last_seen_at"), now)
    Incident.objects.create(fingerprint="f", alert="MLServingDown", model_name="fraud", source="webhook", **times)
    return token, user.password, superuser.password


# --- What is written --------------------------------------------------------------------------------------------


def test_no_file_of_the_bundle_holds_a_secret(secretive: None, full: tuple[str, ...]) -> None:
    files = render_bundle().files
    assert {path: found for path, text in files.items() if (found := leaks(text, full))} == {}
    # They are named, so the renderers had the occasion.
    text = files["alertmanager/alertmanager.yml"]
    assert str(django_settings.WEBHOOK_TOKEN_FILE) in text and "/pager" in text


def test_the_export_and_the_changes_hold_no_secret(secretive: None, full: tuple[str, ...]) -> None:
    assert leaks(registry_file.export(), full) == []
    assert "/pager" in registry_file.export()
    changes, releases = (serializers.serialize("json", kind.objects.all()) for kind in (Change, Release))
    assert leaks(changes + releases, full) == []
    assert "/pager" in changes


# --- What is answered -------------------------------------------------------------------------------------------


def routes() -> Iterator[str]:
    """Every address, as the pattern that it is written as."""

    def walk(resolver: URLResolver, prefix: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                yield route
            else:
                yield from walk(pattern, route)

    # The admin's last one matches whatever is left.
    return (route for route in walk(get_resolver(), "/") if not route.endswith(".*)$"))


def filled(route: str) -> str:
    """`route` with the names and ids of what `full` made; 1 where nothing is known of a name."""
    route = re.sub(r"\^?\(\?P<app_label>([a-z_]+)[^)]*\)", r"\1", route).rstrip("$")
    parts = route.strip("/").split("/")
    names: dict[str, Any] = {
        "model_name": "fraud",
        "name": "fraud",
        "version": "v1",
        "baseline": "2026-q1",
        "release": "features-1",
        "feature": "amount",
        "proxy": "approval_rate",
        "alert": "MLServingDown",
        "policy": "model:fraud",
        "scope": "model:fraud",
        "uuid": first(Change),
    }
    if parts[0] == "admin" and len(parts) > 2:
        kinds = {kind._meta.model_name: kind for kind in admin.site._registry}
        names["object_id"] = names["id"] = first(kinds[parts[2]]) if parts[2] in kinds else 1
    numbered = {"changes": Change, "releases": Release, "incidents": Incident}
    names["pk"] = first(numbered.get(parts[-2:][0], Change))
    listed = {"teams": "payments", "replicas": "r1", "custom-alerts": "BadTooMany", "alert-catalogue": "MLServingDown"}
    names["name"] = listed.get(parts[-2:][0], "fraud")
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: quote(str(names.get(match[1], 1))), route)


def first(kind: type[Any]) -> Any:
    """The id of some row."""
    return kind._default_manager.values_list("pk", flat=True).first()


def test_no_address_answers_with_a_secret(secretive: None, full: tuple[str, ...], superuser: User) -> None:
    run_once()  # so that everybody who can't be reached is on the pages, with the reason
    client = Client(raise_request_exception=False)
    client.force_login(superuser)
    answered, found = {}, {}
    for route in routes():
        address = filled(route) + ("" if route.startswith("/admin/") else "?model_name=fraud&model_version=v1")
        answer = client.get(address)
        content = b"".join(answer) if answer.streaming else answer.content
        answered[route] = answer.status_code
        if leaked := leaks(content.decode() + repr(dict(answer.headers)), full):
            found[address] = leaked
    assert found == {}
    # 503 is the word of those who ask an Alertmanager or a Prometheus that is not there.
    assert {route: status for route, status in answered.items() if status >= 500 and status != 503} == {}
    assert [route for route, status in answered.items() if status == 503] == SAY_WHO_IS_AWAY
    # Most of what has a name answered with its row, and not with its absence.
    shown = [route for route, status in answered.items() if status == 200]
    for route in ("/", "/models/<str:name>/", "/releases/<int:pk>/", "/incidents/<int:pk>/", "/changes/<uuid:uuid>/"):
        assert route in shown
    for kind in ("team", "mlmodel", "modelversion", "baseline", "customalert", "driftcheck", "businessproxy"):
        assert any(f"/{kind}/<path:object_id>/change/" in route for route in shown), kind
    for part in ("teams/<str:name>", "versions/<str:version>", "baselines/<str:baseline>", "replicas/<str:name>"):
        assert any(route.endswith(f"{part}/") for route in shown), part
    assert Peer.objects.filter(reachable=False).count() == 4


# --- What is logged ---------------------------------------------------------------------------------------------


def test_the_loop_logs_no_secret_while_nobody_can_be_reached(
    secretive: None, full: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        outcome = run_once()
    assert not outcome.ok
    assert leaks(caplog.text + str(outcome), full) == []
    assert "can't be reached" in caplog.text + str(outcome)


def test_publishing_logs_no_secret_whether_it_succeeds_or_not(
    secretive: None,
    full: tuple[str, ...],
    pair: Pair,
    base: Bundle,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # `base` lets the settings lead to real servers; beside them stands one that is away, and is named.
    away = free_address()
    settings.FURTHER_PROMETHEUS_URLS = [f"http://plumbline:{SECRETS['prometheus']}@{away}"]
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for expression in ("vector(1)", "up >"):
            wanted = pair.bundle({OTHER: rule_group("Other", alert("Other", expression))})
            files, servers = ReleaseFiles.from_settings(django_settings), Servers.from_settings(django_settings)
            Publisher(files, servers, lambda wanted=wanted: wanted, say=said.append).publish()
    outcomes = set(Release.objects.values_list("outcome", flat=True))
    assert {Release.Outcome.PUBLISHED, Release.Outcome.REFUSED} <= outcomes
    assert leaks(caplog.text + "\n".join(said), full) == []
    releases = serializers.serialize("json", Release.objects.all())
    assert leaks(releases, full) == [] and away in releases


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgre://plumbline:S3CR3T@db/plumbline"),
        ("DATABASE_URL", "postgres://plumbline:S3CR3T@db:port/plumbline"),
        ("REDIS_URL", "http://:S3CR3T@redis:6379/0"),
        ("PROMETHEUS_URL", "ftp://plumbline:S3CR3T@prometheus:9090"),
        ("PLUMBLINE_URL", "https://plumbline:S3CR3T@plumbline.example.com"),
        ("GRAFANA_URL", "https://plumbline:S3CR3T@grafana.example.com"),
    ],
)
def test_a_setting_that_is_refused_is_named_without_its_secret(
    plumbline_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    ended = subprocess.run(
        [sys.executable, "-c", "import controlplane.settings"], capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert name in ended.stderr.splitlines()[-1]
    assert "S3CR3T" not in ended.stderr
