"""Reading a runbook page's address: nothing in it is trusted, names count only when they are registered."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest

from alerts.subject import concerns_models
from models_registry.fleet import FleetModel, load_model
from telemetry.names import FEATURE, MODEL, VERSION


@dataclass(frozen=True)
class Address:
    """What the page's address names. `model` is None where none is named, or the alert is about none."""

    alert: str
    model: FleetModel | None
    unknown_model: str = ""
    version: str = ""
    feature: str = ""

    @property
    def query(self) -> str:
        """The address' query, from what was understood of it."""
        named = {MODEL: self.model.name if self.model else "", VERSION: self.version, FEATURE: self.feature}
        return urlencode({name: value for name, value in named.items() if value})


def read(request: HttpRequest, alert: str) -> Address:
    """The address as far as it can be understood. A version or feature that isn't registered is left out."""
    name = request.GET.get(MODEL, "")
    if not concerns_models(alert) or not name:
        return Address(alert, None)
    model = load_model(name)
    if model is None:
        return Address(alert, None, unknown_model=name[:100])
    version, feature = request.GET.get(VERSION, ""), request.GET.get(FEATURE, "")
    return Address(
        alert,
        model,
        version=version if model.version(version) else "",
        feature=feature if any(f.name == feature for f in model.features) else "",
    )
