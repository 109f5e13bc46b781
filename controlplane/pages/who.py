"""Who gets paged? Choose an alert of a model, or write labels down, and a time: each receiver, and why."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from alerts.catalogue import KINDS
from alerts.models import CustomAlert
from alerts.routing import PLUMBLINE
from alerts.views.frame import page
from alerts.who_words import nobody, pace, silenced_by, why
from controlplane.who_is_told import Asked, NoSuchAlert, of_alert, of_labels
from models_registry.models import MLModel, Receiver
from telemetry.names import MODEL

ALERT = "alertname"
MOST_LABELS = 64


class WhoForm(forms.Form):
    """Either an alert, perhaps of a model, or labels."""

    model = forms.ChoiceField(required=False, label="Model")
    alert = forms.ChoiceField(required=False, label="Alert")
    feature = forms.CharField(required=False, max_length=128, label="Feature", widget=forms.TextInput)
    at = forms.DateTimeField(
        required=False,
        label="At (UTC)",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )
    labels = forms.CharField(
        required=False,
        max_length=10_000,
        label="Or labels, one a line",
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "team=flights\nseverity=ticket", "spellcheck": "false"}),
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="who-%s")
        models = MLModel.objects.order_by("name").values_list("name", flat=True)
        custom = CustomAlert.objects.filter(enabled=True).order_by("name").values_list("name", flat=True)
        self.fields["model"].choices = [("", "none"), *((name, name) for name in models)]  # type: ignore[attr-defined]
        self.fields["alert"].choices = [("", "choose"), *((name, name) for name in [*KINDS, *custom])]  # type: ignore[attr-defined]

    def clean_labels(self) -> dict[str, str]:
        """The lines as labels."""
        found = {}
        for line in self.cleaned_data["labels"].splitlines():
            name, separator, value = line.partition("=")
            if line.strip() and not (separator and name.strip()):
                raise forms.ValidationError(f"{line.strip()[:100]!r} is no label: write name=value.")
            if line.strip():
                found[name.strip()] = value.strip().strip('"')
        if len(found) > MOST_LABELS:
            raise forms.ValidationError(f"At most {MOST_LABELS} labels.")
        return found

    def clean_at(self) -> datetime | None:
        """What is typed is UTC, as the label says."""
        typed: datetime | None = self.cleaned_data["at"]
        return typed.replace(tzinfo=UTC) if typed else None

    def clean(self) -> dict[str, Any]:
        """One of the two ways to ask."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("labels") and cleaned.get("alert"):
            self.add_error("labels", "Choose an alert, or write labels: not both.")
        return cleaned


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """One receiver, for the page."""

    name: str
    about: str
    level: str
    state: str
    begins: datetime | None
    why: str
    pace: str


@dataclass(frozen=True, slots=True)
class Card:
    """One answer, for the page."""

    labels: list[tuple[str, str]]
    rows: list[ReceiverRow]
    nobody: bool
    silenced_by: list[str]


@login_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The form, and below it the answer to what the address asks."""
    form = WhoForm(request.GET or None)
    at = timezone.now()
    cards: list[Card] = []
    if form.is_valid():
        at = form.cleaned_data["at"] or at
        try:
            kinds = _receiver_kinds()
            cards = [_card(each, kinds) for each in _ask(form.cleaned_data, at)]
        except NoSuchAlert as error:
            form.add_error(error.field, str(error))
    return page(request, "plumbline/who.html", {"form": form, "cards": cards, "at": at}, title="Who gets paged?")


def _ask(typed: dict[str, Any], at: datetime) -> list[Asked]:
    if typed["alert"]:
        about = typed["model"] if typed["alert"] not in KINDS or KINDS[typed["alert"]].on_models else ""
        return of_alert(typed["alert"], about, typed["feature"], at)
    if typed["labels"]:
        return of_labels(({MODEL: typed["model"]} if typed["model"] else {}) | typed["labels"], at)
    return []


def _receiver_kinds() -> dict[str, str]:
    """Each receiver's kind and address by its name in the routes. A secret stays in its file."""
    return {
        f"{row.team.name}/{row.severity}": " ".join(filter(None, (row.get_kind_display(), row.address)))
        for row in Receiver.objects.select_related("team")
    }


def _card(asked: Asked, kinds: dict[str, str]) -> Card:
    rows = [
        ReceiverRow(
            name=told.receiver,
            about="keeps incidents" if told.receiver == PLUMBLINE else kinds.get(told.receiver, ""),
            level="good" if told.now else "notice",
            state="told" if told.now else f"waits: outside {told.muted_by}",
            begins=told.from_,
            why=why(told),
            pace=pace(told),
        )
        for told in asked.answer.told
    ]
    silences = [silenced_by(each) for each in asked.answer.inhibitions]
    return Card(list(asked.labels.items()), rows, nobody(asked.answer), silences)
