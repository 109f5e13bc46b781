"""The double answers every recorded request as the real Grafana did."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.doubles.grafana import EDITOR_KEY, VIEWER_KEY, GrafanaDouble

RECORDED = json.loads((Path(__file__).parents[1] / "data/grafana/recorded-exchanges.json").read_text())
# Differ from one run to the next.
VOLATILE = {"created", "updated", "key"}


@pytest.fixture(scope="module")
def grafana() -> Iterator[GrafanaDouble]:
    """As the recorded one was before its first request: with one annotation made by the admin."""
    with GrafanaDouble() as double:
        double.store.add({"time": 1790000000000, "tags": ["deploy", "model:x"], "text": "t"}, login="admin")
        yield double


def settled(body: Any) -> Any:
    """`body` without what differs from run to run, its types kept."""
    if isinstance(body, list):
        return [settled(item) for item in body]
    if isinstance(body, dict):
        return {key: type(value) if key in VOLATILE else settled(value) for key, value in body.items()}
    return body


def headers(request: dict[str, Any], status: int) -> dict[str, str]:
    if request["auth"] == "bearer key":
        # The recording calls the viewer's key "key" as well.
        denied = status == 403 and request["path"] == "/api/annotations"
        return {"Authorization": f"Bearer {VIEWER_KEY if denied else EDITOR_KEY}"}
    known = {"bearer wrong": "Bearer wrong", "basic admin": "Basic YWRtaW46YWRtaW4="}
    return {"Authorization": known[request["auth"]]} if request["auth"] in known else {}


@pytest.mark.parametrize("exchange", RECORDED, ids=lambda e: f"{e['request']['method']} {e['request']['path'][:40]}")
def test_answers_as_recorded(grafana: GrafanaDouble, exchange: dict[str, Any]) -> None:
    request, expected = exchange["request"], exchange["response"]
    body = request["body"]
    answer = requests.request(
        request["method"],
        grafana.url + request["path"],
        data=None if body is None else body if isinstance(body, str) else json.dumps(body),
        headers=headers(request, expected["status"]),
        timeout=5,
    )
    assert answer.status_code == expected["status"]
    assert answer.headers["Content-Type"] == expected["content_type"]
    assert settled(answer.json()) == settled(expected["body"])
