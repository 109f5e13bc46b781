"""KUBERNETES_NAMESPACE turns the operator's objects on; the replicas come from GET /api/targets/<job>."""

import json
from pathlib import Path

import pytest
import yaml
from django.test import Client
from pytest_django.fixtures import Settings

from controlplane.environment_values import dns_label
from controlplane.rendering import render_bundle
from controlplane.target_files import write_targets
from tests.fixtures.registry import make_model

GROUPS = [{"targets": ["10.0.0.1:8000"], "labels": {"service": "model-api", "environment": "production"}}]


@pytest.mark.django_db
def test_objects_are_rendered_for_the_namespace_and_only_where_there_is_one(settings: Settings) -> None:
    make_model("fraud", live="v1", features=("amount",))
    without = render_bundle()
    assert not without.folder("kubernetes/")

    settings.KUBERNETES_NAMESPACE = "ml"
    bundle = render_bundle()
    objects = bundle.folder("kubernetes/")
    assert {path: text for path, text in bundle.files.items() if path not in objects} == without.files
    assert {yaml.safe_load(text)["metadata"]["namespace"] for text in objects.values()} == {"ml"}
    assert len(bundle.folder("kubernetes/rules/")) == len(bundle.folder("prometheus/rules/"))
    assert settings.WEBHOOK_TOKEN not in str(objects) and str(settings.WEBHOOK_TOKEN_FILE) not in str(objects)


@pytest.mark.django_db
def test_the_loops_targets_are_given_as_discovery_reads_them(
    plumbline_home: Path, client: Client, settings: Settings
) -> None:
    token = {"Authorization": f"Bearer {settings.BUNDLE_TOKEN}"}
    address = "/api/targets/model-inference"
    assert client.get(address, headers=token).status_code == 404, "Prometheus then keeps what it knew"
    write_targets(settings.TARGETS_DIR, {"model-inference.json": json.dumps(GROUPS)})
    answer = client.get(address, headers=token)
    assert answer.json() == GROUPS and answer["Content-Type"] == "application/json"
    assert client.get(address).status_code == 401
    for other in ("nothing", "..%2Fsecrets", "model-inference.json"):
        assert client.get(f"/api/targets/{other}", headers=token).status_code == 404


@pytest.mark.parametrize("value", ["ML", "a_b", "-a", "a-", "a" * 64, "a.b", "a b"])
def test_a_namespace_that_kubernetes_would_refuse_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValueError, match="a-z, 0-9 and hyphens"):
        dns_label(value)
