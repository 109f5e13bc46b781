"""Who is told of an alert, by what the registry says now: for the page and the API alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.alert_labels import alert_labels
from alerts.policies import load_policies
from alerts.routing import alertmanager_document
from alerts.who import Answer, who
from controlplane.rendering import render_options
from models_registry.fleet import load_fleet


class NoSuchAlert(ValueError):
    """Nothing of this kind can fire. `field` is alert or model."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Asked:
    """The labels that were asked about, and the answer."""

    labels: Mapping[str, str]
    answer: Answer


def of_labels(labels: Mapping[str, str], at: datetime) -> list[Asked]:
    """Who is told at `at` of an alert with `labels`. A fixed number of queries."""
    return _asked([labels], at)


def of_alert(alert: str, model_name: str, feature: str, at: datetime) -> list[Asked]:
    """The same for an alert of the catalogue or a person's own: an answer for each severity and team that it can have.

    Raises NoSuchAlert where no such alert can fire.
    """
    model = load_fleet().by_name.get(model_name)
    if model_name and model is None:
        raise NoSuchAlert("model", f"No model is called {model_name[:100]!r}.")
    found = alert_labels(alert, model, load_policies(), render_options(), feature)
    if not found:
        about = f" about {model_name}" if model else " without a model"
        raise NoSuchAlert("alert", f"{alert[:100]!r} can't fire{about}: it is unknown, off, or says nothing about it.")
    return _asked(found, at)


def _asked(labels: Sequence[Mapping[str, str]], at: datetime) -> list[Asked]:
    document = alertmanager_document(load_fleet(), render_options(), load_policies())
    return [Asked(each, who(document, each, at)) for each in labels]
