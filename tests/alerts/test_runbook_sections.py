"""Four sections, for every runbook, whichever way it comes in: without Mitigation there is no way out."""

import pytest
from django.core.exceptions import ValidationError

from alerts.models import Runbook
from alerts.runbook_editing import save_runbook
from alerts.runbook_page import SHIPPED
from alerts.runbook_sections import SECTIONS, sections_error
from models_registry.actor import SYSTEM
from tests.fixtures.registry import Registry

WHOLE = "".join(f"## {section}\n\nWords.\n\n" for section in SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_is_missing_or_empty_is_named(section: str) -> None:
    missing = WHOLE.replace(f"## {section}\n", f"### {section}\n")
    assert sections_error(missing) == f"The section {section} is missing: add a line `## {section}`."
    empty = WHOLE.replace(f"## {section}\n\nWords.\n", f"## {section}\n")
    assert f"The section {section} is empty" in sections_error(empty)


@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        WHOLE.replace("\n", "\r\n"),
        WHOLE.replace("Words.", "```promql\nup\n```"),
        WHOLE.replace("Words.", "- a list"),
        "Before.\n\n" + WHOLE + "## More\n",
        *(file.read_text(encoding="utf-8") for file in sorted(SHIPPED.iterdir())),
    ],
)
def test_what_has_all_four_is_a_runbook(body: str) -> None:
    assert sections_error(body) == ""


def test_a_heading_that_is_only_shown_as_code_is_none() -> None:
    assert "Mitigation is missing" in sections_error(WHOLE.replace("## Mitigation", "```\n## Mitigation\n```"))


@pytest.mark.parametrize("query", ["sum(((", "rate(x{a={{model_name}}[5m])", "up and"])
def test_a_query_that_is_no_promql_is_named_by_its_line(query: str) -> None:
    """It is stored by day and met at night."""
    body = WHOLE.replace("## Diagnosis\n\nWords.", f"## Diagnosis\n\n```promql\n{query}\n```\n\nWords.")
    assert sections_error(body).startswith("The query of line 11 is no PromQL: ")


def test_a_query_may_name_the_alerts_labels() -> None:
    query = 'sum(rate(x{model_name={{model_name}}, feature_name="{{ feature_name }}"}[5m]))'
    assert sections_error(WHOLE.replace("Words.", f"```promql\n{query}\n```")) == ""


@pytest.mark.django_db
def test_no_caller_can_save_a_models_runbook_without_them(registry: Registry) -> None:
    with pytest.raises(ValidationError, match="Mitigation is missing"):
        body = WHOLE.replace("Mitigation", "Goodbye")
        save_runbook("MLServingDown", registry.model, body=body, owner_team=registry.team, review_by=None, actor=SYSTEM)
    assert not Runbook.objects.exists()
