"""`python -m bench.alerting.publishing MODELS TEAMS`: whole publishes on real servers, step by step. JSON."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.alerting.home import set_up
from controlplane.stack.alertmanager import Alertmanager
from controlplane.stack.ports import HOST, free_port
from controlplane.stack.prometheus import Prometheus

STEPS = ("render", "write", "promtool", "tests", "amtool", "queries", "switch", "reload", "verify")
EDITS = ("first", "model", "limit")


def measured(models: int, teams: int) -> dict[str, dict[str, float]]:
    """Edit -> step -> seconds, in a process of its own."""
    command = [sys.executable, "-m", "bench.alerting.publishing", str(models), str(teams)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    result: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def _servers(home: Path) -> Iterator[None]:
    """The two servers, on the release that is current, at the addresses that the settings name."""
    from django.conf import settings  # noqa: PLC0415  set up by then

    current = Path(settings.CURRENT_LINK)
    ports = [int(url.rpartition(":")[2]) for url in (settings.PROMETHEUS_URL, settings.ALERTMANAGER_URL)]
    prometheus = Prometheus(current / "prometheus/prometheus.yml", home / "prometheus", ports[0])
    alertmanager = Alertmanager(current / "alertmanager/alertmanager.yml", home / "alertmanager", ports[1])
    with prometheus, alertmanager:
        yield


def main(models: int, teams: int) -> None:
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name:
        home = Path(name)
        urls = {name: f"http://{HOST}:{free_port()}" for name in ("PROMETHEUS_URL", "ALERTMANAGER_URL")}
        set_up(home, **urls)
        print(json.dumps(_edits(home, models, teams)))


def _edits(home: Path, models: int, teams: int) -> dict[str, dict[str, float]]:
    from django.core.management import call_command  # noqa: PLC0415  Django is set up by now

    from alerts.models import AlertPolicy  # noqa: PLC0415
    from bench.alerting.fleet import in_database  # noqa: PLC0415
    from controlplane.models import Release  # noqa: PLC0415
    from models_registry.models import Feature, MLModel, Team  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    in_database(models, teams)
    call_command("bootstrap", verbosity=0)
    with _servers(home):
        _published()
        first = {entry["step"]: entry["seconds"] for entry in Release.objects.earliest("pk").log}
        team = Team.objects.order_by("name").first()
        new = MLModel.objects.create(
            name="model-new", classes=["no", "yes"], on_call_team=team, applied_ml_team=team, data_team=team
        )
        Feature.objects.create(model=new, name="age", critical=True)
        model = _published()
        policy = AlertPolicy.objects.order_by("pk").first()
        policy.thresholds = {"seconds": 0.123}
        policy.save()
        return {"first": first, "model": model, "limit": _published()}


def _published() -> dict[str, float]:
    """Step -> seconds of one publish, and since its begin: `verified`, the servers are known to run it; `evaluated`."""
    from django.conf import settings  # noqa: PLC0415

    from controlplane.publish import Publisher  # noqa: PLC0415
    from controlplane.publishing.release_files import ReleaseFiles  # noqa: PLC0415
    from controlplane.publishing.servers import Servers  # noqa: PLC0415
    from controlplane.rendering import render_bundle  # noqa: PLC0415

    started, at = time.monotonic(), {}
    publisher = Publisher(
        ReleaseFiles.from_settings(settings),
        Servers.from_settings(settings),
        render_bundle,
        checkpoint=lambda step: at.setdefault(step, time.monotonic() - started),
    )
    published = publisher.publish()
    if published.reason:
        raise RuntimeError(f"{published.outcome}: {published.reason}")
    steps = {entry["step"]: entry["seconds"] for entry in published.release.log} if published.release else {}
    return steps | {"verified": at.get("verify", 0.0), "evaluated": time.monotonic() - started}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
