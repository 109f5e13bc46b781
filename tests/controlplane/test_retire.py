"""A retired model leaves nothing behind that still speaks of it as of one that lives; its past stays readable."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from pytest_django.fixtures import Settings

from alerts.models import CustomAlert, Incident
from alerts.policy_edits import save_custom_alert, set_policy
from alerts.runbook_sections import SECTIONS
from controlplane.bundle import Bundle
from controlplane.control_metrics import ControlPlaneCollector
from controlplane.reconcile import run_once
from controlplane.rendering import render_bundle
from controlplane.stack.redis import Redis
from dashboards.annotations import annotation_of
from dashboards.models import AnnotationDelivery
from drift.models import CheckRun, CheckStatus
from drift.readings import load_readings
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change
from models_registry.removal import delete_model
from tests.controlplane.conftest import Pair, wait_until
from tests.fixtures.registry import make_model

pytestmark = pytest.mark.django_db

MODEL = "soon-retired"


class ControlPlane:
    """What the control plane's /metrics last said, for a real Prometheus to scrape."""

    def __init__(self) -> None:
        plane = self
        self.text = b""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(plane.text)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def speak(self) -> str:
        registry = CollectorRegistry()
        registry.register(ControlPlaneCollector())
        self.text = generate_latest(registry)
        return self.text.decode()


@pytest.fixture
def control_plane(settings: Settings) -> Iterator[ControlPlane]:
    plane = ControlPlane()
    settings.PLUMBLINE_TARGET = f"127.0.0.1:{plane.server.server_port}"
    settings.EVALUATION_INTERVAL_SECONDS = settings.SCRAPE_INTERVAL_SECONDS = 1
    settings.DRIFT_SCRAPE_INTERVAL_SECONDS = 1
    settings.GRAFANA_URL = ""
    yield plane
    plane.server.shutdown()
    plane.server.server_close()


def always_firing(model_name: str) -> str:
    return f'max by (model_name) (plumbline_model_registered{{model_name="{model_name}"}}) == 1'


@pytest.fixture
def two_models(control_plane: ControlPlane) -> None:
    """Both down, as nobody serves them; the one to be retired has an alert of its own, too."""
    model = make_model(MODEL, live="v1", features=("amount",))
    make_model("price", live="v1")
    set_policy("MLServingDown", for_seconds=0, window_seconds=10, actor=SYSTEM)
    runbook = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)
    series = f'plumbline_model_registered{{model_name="{MODEL}"}}'
    alert = CustomAlert(
        model=model, name="StillThere", expression=always_firing(MODEL), description="d", runbook=runbook
    )
    alert.for_seconds = 0
    alert.fires_case = {"series": {series: "1x20"}, "at": "10m"}
    alert.silent_case = {"series": {series: "0x20"}, "at": "10m"}
    save_custom_alert(alert, actor=SYSTEM)


def firing(pair: Pair) -> dict[tuple[str, str], object]:
    alerts = (a for a in pair.prometheus.alerts() if a.state == "firing" and "model_name" in a.labels)
    return {(a.labels["alertname"], a.labels["model_name"]): a.active_at for a in alerts}


def test_a_deleted_model_is_gone_from_what_runs_and_its_incidents_end(
    pair: Pair, base: Bundle, broker: Redis, control_plane: ControlPlane, two_models: None, superuser: User
) -> None:
    control_plane.speak()
    outcome = run_once()
    assert outcome.steps["publish"].ok, str(outcome)
    alive = {("MLServingDown", MODEL), ("MLServingDown", "price"), ("StillThere", MODEL)}
    wait_until(lambda: firing(pair).keys() == alive)
    run_once()
    opened = Incident.objects.filter(ends_at__isnull=True).exclude(model_name="")
    assert {(i.alert, i.model_name) for i in opened} == alive
    since = firing(pair)["MLServingDown", "price"]
    assert CheckStatus.objects.filter(version__model__name=MODEL).exists()

    model = CustomAlert.objects.get().model
    traffic.withdraw(model, actor=SYSTEM)
    control_plane.speak()
    wait_until(lambda: firing(pair).keys() == {("MLServingDown", "price"), ("StillThere", MODEL)})
    delete_model(model, actor=SYSTEM)
    assert MODEL not in control_plane.speak()
    outcome = run_once()
    assert outcome.steps["publish"].message == "published", str(outcome)
    wanted = render_bundle()
    assert pair.runs(wanted)
    assert [path for path, text in wanted.files.items() if MODEL in text] == []
    # The other model's alert, of the same rule, went on through both.
    assert firing(pair) == {("MLServingDown", "price"): since}

    run_once(timezone.now() + timedelta(minutes=3))
    assert {(i.alert, i.model_name) for i in opened.all()} == {("MLServingDown", "price")}
    assert not CheckStatus.objects.exclude(version__model__name="price").exists()
    assert not CheckRun.objects.exclude(version__model__name="price").exists()
    readings = load_readings(timezone.now())
    assert {reading.model for reading in readings.versions} == {"price"}

    # Its past stays, under its name, in the database and in Grafana.
    change = Change.objects.get(summary=f"model {MODEL} deleted")
    assert f"model:{MODEL}" in annotation_of(change).tags
    assert AnnotationDelivery.objects.filter(change=change).exists()
    client = Client()
    client.force_login(superuser)
    incident = Incident.objects.get(alert="StillThere")
    page = client.get(f"/incidents/{incident.pk}/").content.decode()
    assert "(not registered)" in page and f'href="/models/{MODEL}/"' not in page
    served = Incident.objects.get(alert="MLServingDown", model_name=MODEL)
    assert 'href="/runbooks/MLServingDown/"' in client.get(f"/incidents/{served.pk}/").content.decode()
    link = client.get(f"/runbooks/MLServingDown/?model_name={MODEL}")
    assert link.status_code == 404
    assert f"/changes/?model={MODEL}" in link.content.decode()
    assert f"model {MODEL} deleted" in client.get(f"/changes/?model={MODEL}").content.decode()
    assert client.get(f"/changes/{change.pk}/").status_code == 200
    assert client.get(f"/models/{MODEL}/").status_code == 404
