"""`business_proxies`: numbers that the business watches of a model, and the bands that they should stay in."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from controlplane import registry_shape as shape
from controlplane.registry_sections.section import Applying, Exported, Section, Stored, fill, model_named
from drift.models import BusinessProxy
from drift.proxy_edits import delete_proxy, proxy_document, save_proxy

BUSINESS_PROXY = shape.Document(
    {
        "model": shape.TEXT,
        "name": shape.TEXT,
        "predicted_class": shape.TEXT,
        "lower": shape.NUMBER,
        "upper": shape.NUMBER,
        "max_age_seconds": shape.WHOLE,
    },
    frozenset({"model", "name"}),
)


def _apply(document: dict[str, Any], applying: Applying) -> None:
    with applying.at():
        model = model_named(document["model"])
        found = BusinessProxy.objects.filter(model=model, name=document["name"]).first()
        proxy = found or BusinessProxy(model=model)
        fill(proxy, document, BUSINESS_PROXY.fields.keys() - {"model"})
        applying.wrote(save_proxy(proxy, actor=applying.actor))


def _export(model: str | None) -> Exported:
    rows = BusinessProxy.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    ordered = sorted(rows, key=lambda row: (row.model.name, row.name))
    return [{"model": row.model.name, **proxy_document(row)} for row in ordered]


def _stored() -> Iterator[Stored]:
    for row in BusinessProxy.objects.select_related("model"):
        model = row.model.name
        yield Stored((model, row.name), partial(delete_proxy, row), model)


BUSINESS_PROXIES = Section(
    "business_proxies", shape.Documents(BUSINESS_PROXY, ("model", "name")), _apply, _export, _stored
)
