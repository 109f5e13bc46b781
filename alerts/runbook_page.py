"""A runbook as a page shows it: which text holds, its sections as safe HTML, its live queries filled in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.db.models import Q
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from alerts.catalogue import KINDS
from alerts.kind import Plane
from alerts.models import CustomAlert, Runbook
from alerts.policies import widening
from alerts.runbook_sections import PLACEHOLDER, PROMQL
from models_registry.fleet import FleetModel
from telemetry.names import FEATURE, MODEL, VERSION
from telemetry.promql import quote

SHIPPED = Path(__file__).parent / "runbooks"
SHIPPED_TEXT = "the shipped text"
# HTML in the text is shown, not obeyed; pictures from elsewhere would be blocked anyway.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@dataclass(frozen=True, slots=True)
class Text:
    """The text that holds for an alert, and where it comes from: shipped, custom, or the row of a team or model."""

    body: str
    origin: str
    row: Runbook | None = None

    @property
    def review_overdue(self) -> bool:
        return self.row is not None and self.row.review_by is not None and self.row.review_by < date.today()  # noqa: DTZ011


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a section: HTML, or a live query (`expression`; empty where a label that it needs isn't known)."""

    html: str = ""
    query: str = ""
    expression: str = ""

    @property
    def is_query(self) -> bool:
        return bool(self.query)


@dataclass(frozen=True, slots=True)
class Section:
    """A section by its heading; the text before the first one has an empty title."""

    title: str
    parts: tuple[Part, ...]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def find_text(alert: str, model_name: str = "") -> Text | None:
    """The model's own text, else its team's, else the one that a custom alert brings, else the shipped one.

    None where there is none. The team is the one whose policies hold: see alerts.policies.
    """
    rows = Runbook.objects.filter(_about(alert, model_name), alert=alert).select_related("owner_team", "model", "team")
    row = min(rows, key=lambda r: r.model is None, default=None)
    if row is not None:
        return Text(row.body, "model" if row.model is not None else "team", row)
    if alert not in KINDS:
        body = CustomAlert.objects.filter(name=alert).values_list("runbook", flat=True).first()
        return None if body is None else Text(body, "custom")
    file = SHIPPED / f"{alert}.md"
    return Text(file.read_text(encoding="utf-8"), "shipped") if file.is_file() else None


def _about(alert: str, model_name: str) -> Q:
    about = Q(model__name=model_name)
    if alert not in KINDS:
        return about
    health = KINDS[alert].plane is Plane.HEALTH
    return about | (Q(team__on_call_models__name=model_name) if health else Q(team__applied_ml_models__name=model_name))


def origins_of(model: FleetModel) -> dict[str, str]:
    """Alert -> whose text holds for the model, as a policy's id; what has only the shipped text is not there."""
    teams = {model.on_call_team, model.applied_ml_team}
    rows = Runbook.objects.filter(Q(model__name=model.name) | Q(team__name__in=teams)).select_related("model", "team")
    written = {(row.alert, row.scope) for row in rows.defer("body")}
    found = {}
    for alert in {alert for alert, _ in written}:
        ids = widening(KINDS[alert], model) if alert in KINDS else [f"model:{model.name}"]
        found[alert] = next((scope for scope in ids if (alert, scope) in written), "")
    # A team's may be about alerts of the plane in which the team has no say of this model.
    return {alert: scope for alert, scope in found.items() if scope}


def sections(body: str, labels: Mapping[str, str]) -> list[Section]:
    """`body` by its second-level headings, its PromQL blocks filled with the alert's `labels`."""
    tokens = _MARKDOWN.parse(body)
    found: list[tuple[str, list[Token]]] = [("", [])]
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "heading_open" and token.tag in ("h1", "h2"):
            if token.tag == "h2":
                found.append((tokens[index + 1].content, []))
            index += 3  # the heading itself is the section's title; a first-level one is the page's
            continue
        found[-1][1].append(token)
        index += 1
    return [Section(title, _parts(content, labels)) for title, content in found if content]


def _parts(tokens: Sequence[Token], labels: Mapping[str, str]) -> tuple[Part, ...]:
    parts: list[Part] = []
    run: list[Token] = []
    for token in tokens:
        # Only a block of its own stands apart; inside a list item it stays part of the item.
        if token.type == "fence" and token.info.strip() == PROMQL and token.level == 0:
            parts += [Part(html=_html(run))] if run else []
            run = []
            parts.append(Part(query=token.content.strip(), expression=fill(token.content.strip(), labels)))
        else:
            run.append(token)
    parts += [Part(html=_html(run))] if run else []
    return tuple(parts)


def _html(tokens: Sequence[Token]) -> SafeString:
    # Escaped by the renderer itself, which was told to let no HTML through.
    return mark_safe(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S308


def fill(query: str, labels: Mapping[str, str]) -> str:
    """`query` with {{label}} as quoted PromQL strings; empty where a label that it names isn't known."""
    if any(not labels.get(match[1]) for match in PLACEHOLDER.finditer(query)):
        return ""
    return PLACEHOLDER.sub(lambda match: quote(labels[match[1]]), query)


def labels_of(model: str, version: str, feature: str) -> dict[str, str]:
    """What live queries are filled with."""
    return {MODEL: model, VERSION: version, FEATURE: feature}
