"""The runbooks that Plumbline ships: one for each alert, whole, with queries that can be asked."""

import promql_parser
import pytest

from alerts.catalogue import KINDS
from alerts.kind import AlertKind
from alerts.runbook_page import SHIPPED, Section, sections
from telemetry.names import FEATURE, MODEL, VERSION

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
LABELS = {MODEL: 'a"b', VERSION: "v1", FEATURE: "{{ x }}"}


def shipped(kind: AlertKind) -> list[Section]:
    known = {label: value for label, value in LABELS.items() if label in kind.labels}
    return sections((SHIPPED / f"{kind.name}.md").read_text(encoding="utf-8"), known)


def test_each_alert_has_one_and_no_other_file_lies_there() -> None:
    assert {file.stem for file in SHIPPED.iterdir()} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_it_has_the_four_sections_in_order(kind: AlertKind) -> None:
    found = shipped(kind)
    assert [section.title for section in found] == SECTIONS
    assert all(section.parts for section in found)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_its_queries_need_only_labels_that_the_alert_has_and_parse_whatever_they_hold(kind: AlertKind) -> None:
    queries = [part for section in shipped(kind) for part in section.parts if part.is_query]
    assert queries
    for part in queries:
        assert part.expression, part.query
        promql_parser.parse(part.expression)


def test_the_latency_runbook_begins_with_the_guides_questions() -> None:
    (diagnosis,) = [s for s in shipped(KINDS["MLInferenceHighLatencyP95"]) if s.title == "Diagnosis"]
    text = "".join(part.html for part in diagnosis.parts)
    places = [text.index(words) for words in ("one version only", "lack something", "waits for get slower")]
    assert places == sorted(places)


def test_the_drift_runbook_begins_with_the_guides_questions() -> None:
    (diagnosis,) = [s for s in shipped(KINDS["MLDriftCriticalFeatureDetected"]) if s.title == "Diagnosis"]
    text = "".join(part.html for part in diagnosis.parts)
    places = [text.index(words) for words in ("real production traffic", "Which features", "feature-store release")]
    assert places == sorted(places)
