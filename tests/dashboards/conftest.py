"""What the tests of this room share: one Grafana double per module, and changes to deliver."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from pytest_django.fixtures import Settings

from dashboards.grafana import Grafana
from models_registry.models import Change
from tests.doubles.grafana import EDITOR_KEY, GrafanaDouble


@pytest.fixture(scope="module")
def grafana_server() -> Iterator[GrafanaDouble]:
    with GrafanaDouble() as double:
        yield double


@pytest.fixture
def grafana(grafana_server: GrafanaDouble, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> GrafanaDouble:
    """The double, empty, configured as our Grafana; what does not answer is given up after 0.3 seconds."""
    grafana_server.clear()
    settings.GRAFANA_URL, settings.GRAFANA_TOKEN = grafana_server.url, EDITOR_KEY
    monkeypatch.setattr("dashboards.annotations.Grafana", partial(Grafana, timeout=(1.0, 0.3)))
    return grafana_server


@pytest.fixture
def make_change(db: None) -> Callable[..., Change]:
    """A change as the registry writes it, of a model that need not exist any more."""

    def make(summary: str = "claims-risk v2: canary 10%", **fields: object) -> Change:
        defaults = {"kind": "deploy", "model_name": "claims-risk", "version": "v2", "author": "ada"}
        return Change.objects.create(object_type="traffic", object_name="x", summary=summary, **(defaults | fields))

    return make
