"""Each change ends as exactly one annotation in Grafana, however Grafana fails (invariant 4)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from dashboards import annotations
from dashboards.annotations import LONGEST_PAUSE, RECHECK_AFTER, Annotation, Delivered, deliver_pending, pending_count
from dashboards.models import AnnotationDelivery
from models_registry.models import Change
from tests.doubles.grafana import EDITOR_KEY, VIEWER_KEY, Fault, GrafanaDouble

pytestmark = pytest.mark.database

MakeChange = Callable[..., Change]
CHANGE_AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)


def tag(change: Change) -> str:
    return f"change:{change.uuid}"


def later(**passed: float) -> datetime:
    return timezone.now() + timedelta(**passed)


def after_every_pause() -> datetime:
    """A time at which whatever waits is due again."""
    return timezone.now() + max(LONGEST_PAUSE, annotations.LEASE) + timedelta(seconds=1)


def delivery(change: Change) -> AnnotationDelivery:
    return AnnotationDelivery.objects.get(change=change)


def posts(grafana: GrafanaDouble) -> int:
    return sum(method == "POST" for method, _ in grafana.requests)


def test_a_change_is_told_with_its_kind_model_version_time_and_author(
    grafana: GrafanaDouble, make_change: MakeChange
) -> None:
    change = make_change(at=CHANGE_AT)
    assert deliver_pending() == Delivered(sent=1, waiting=0, failed=0)
    (stored,) = grafana.store.annotations
    assert stored["time"] == 1790000000000
    assert stored["tags"] == ["deploy", "model:claims-risk", "version:v2", tag(change)]
    assert stored["text"] == "claims-risk v2: canary 10%<br/>by ada"
    row = delivery(change)
    assert (row.state, row.grafana_id, row.attempts, row.last_error) == ("delivered", stored["id"], 1, "")
    assert row.delivered_at is not None


def test_typed_text_reaches_grafana_as_text_not_as_html(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    make_change("<img src=x onerror=alert(1)> & co", author="<b>ada</b>")
    deliver_pending()
    text = grafana.store.annotations[0]["text"]
    assert text == "&lt;img src=x onerror=alert(1)&gt; &amp; co<br/>by &lt;b&gt;ada&lt;/b&gt;"


@pytest.mark.parametrize("summary", ["", "   "])
def test_a_change_without_a_summary_still_has_a_text(
    grafana: GrafanaDouble, make_change: MakeChange, summary: str
) -> None:
    make_change(summary)
    assert deliver_pending().sent == 1
    assert grafana.store.annotations[0]["text"].startswith("traffic x changed")


def test_a_change_of_no_model_has_no_tag_of_a_model(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    change = make_change(kind="registry", model_name="", version="")
    deliver_pending()
    assert grafana.store.annotations[0]["tags"] == ["registry", tag(change)]


def test_a_delivered_change_is_never_posted_again(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    make_change()
    assert deliver_pending().sent == 1
    assert deliver_pending(now=after_every_pause()).sent == 0
    assert posts(grafana) == 1


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_one_fault_costs_time_never_a_double_or_a_loss(
    grafana: GrafanaDouble, make_change: MakeChange, fault: Fault
) -> None:
    change = make_change()
    grafana.faults.append(fault)
    assert deliver_pending() == Delivered(sent=0, waiting=1, failed=0)
    assert delivery(change).last_error
    assert deliver_pending(now=after_every_pause()) == Delivered(sent=1, waiting=0, failed=0)
    grafana.land_late_requests()
    deliver_pending(now=after_every_pause() + RECHECK_AFTER)
    (stored,) = grafana.tagged(tag(change))
    assert delivery(change).grafana_id == stored["id"]
    assert delivery(change).last_error == ""


@pytest.mark.parametrize(
    "fault", [Fault.ERROR_AFTER_STORING, Fault.SILENCE_AFTER_STORING, Fault.NOT_JSON], ids=lambda fault: fault.name
)
def test_what_was_stored_unheard_is_found_by_its_tag_instead_of_posted_again(
    grafana: GrafanaDouble, make_change: MakeChange, fault: Fault
) -> None:
    make_change()
    grafana.faults.append(fault)
    deliver_pending()
    deliver_pending(now=after_every_pause())
    assert posts(grafana) == 1


def test_an_extra_that_a_late_request_left_is_deleted(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    change = make_change()
    grafana.faults.append(Fault.STORED_LATE)
    deliver_pending()
    second = after_every_pause()
    deliver_pending(now=second)
    grafana.land_late_requests()
    assert len(grafana.tagged(tag(change))) == 2
    deliver_pending(now=second + RECHECK_AFTER)
    assert len(grafana.tagged(tag(change))) == 1
    assert delivery(change).recheck_at is None


def test_what_vanished_before_it_was_looked_at_again_is_delivered_again(
    grafana: GrafanaDouble, make_change: MakeChange
) -> None:
    change = make_change()
    grafana.faults.append(Fault.ERROR_BEFORE_STORING)
    deliver_pending()
    second = after_every_pause()
    deliver_pending(now=second)
    grafana.store.annotations.clear()
    deliver_pending(now=second + RECHECK_AFTER)
    assert deliver_pending(now=second + 2 * RECHECK_AFTER).sent == 1
    assert len(grafana.tagged(tag(change))) == 1


def test_a_slow_grafana_gets_the_rest_with_the_next_pass(
    grafana: GrafanaDouble, make_change: MakeChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        make_change()
    with monkeypatch.context() as patched:
        patched.setattr(annotations, "PATIENCE", -1.0)
        assert deliver_pending() == Delivered(sent=0, waiting=3, failed=0)
    assert deliver_pending().sent == 3


def test_a_grafana_that_is_down_is_named_and_caught_up_with(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    changes = [make_change() for _ in range(3)]
    grafana.stop()
    try:
        assert deliver_pending() == Delivered(sent=0, waiting=3, failed=0)
    finally:
        grafana.start()
    errors = [delivery(change).last_error for change in changes]
    # The first refusal ends the pass: the others would only wait for the same time-out.
    assert sum("can't be reached" in error and grafana.url in error for error in errors) == 1
    assert deliver_pending(now=after_every_pause()) == Delivered(sent=3, waiting=0, failed=0)
    assert [len(grafana.tagged(tag(change))) for change in changes] == [1, 1, 1]


@pytest.mark.parametrize(("token", "status"), [("wrong", "401"), (VIEWER_KEY, "403")])
def test_a_token_that_may_not_write_keeps_changes_waiting_until_it_is_mended(
    grafana: GrafanaDouble, make_change: MakeChange, settings: Settings, token: str, status: str
) -> None:
    change = make_change()
    settings.GRAFANA_TOKEN = token
    assert deliver_pending() == Delivered(sent=0, waiting=1, failed=0)
    assert status in delivery(change).last_error
    assert "GRAFANA_TOKEN" in delivery(change).last_error
    # Haste would not mend it.
    assert delivery(change).next_attempt_at > later(seconds=LONGEST_PAUSE.total_seconds() - 30)
    settings.GRAFANA_TOKEN = EDITOR_KEY
    assert deliver_pending(now=after_every_pause()).sent == 1
    assert len(grafana.tagged(tag(change))) == 1


def test_what_grafana_will_never_take_fails_for_good_and_holds_up_nobody(
    grafana: GrafanaDouble, make_change: MakeChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_change("bad", at=CHANGE_AT), make_change("good")
    honest = annotations.annotation_of

    def annotation_of(change: Change) -> Annotation:
        made = honest(change)
        return Annotation(made.at, made.tags, "") if change.summary == "bad" else made

    monkeypatch.setattr(annotations, "annotation_of", annotation_of)
    assert deliver_pending() == Delivered(sent=1, waiting=0, failed=1)
    assert delivery(bad).state == "failed"
    assert "400" in delivery(bad).last_error
    assert delivery(good).state == "delivered"
    assert deliver_pending(now=after_every_pause()) == Delivered(sent=0, waiting=0, failed=0)


def test_what_fails_each_time_goes_to_the_back_of_the_queue(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    stuck = make_change("stuck", at=CHANGE_AT)
    grafana.faults.append(Fault.ERROR_BEFORE_STORING)
    deliver_pending()
    fresh = make_change("fresh")
    grafana.faults.extend([Fault.ERROR_BEFORE_STORING])
    deliver_pending(now=after_every_pause())
    assert delivery(fresh).attempts == 1, "what never failed is tried first"
    assert delivery(stuck).attempts == 1


def test_pauses_grow_up_to_five_minutes(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    change = make_change()
    grafana.stop()
    pauses = []
    try:
        for _ in range(9):
            deliver_pending(now=later(days=1))
            pauses.append(round((delivery(change).next_attempt_at - timezone.now()).total_seconds()))
    finally:
        grafana.start()
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_without_a_grafana_changes_wait_untried_and_are_sent_once_there_is_one(
    grafana: GrafanaDouble, make_change: MakeChange, settings: Settings
) -> None:
    change = make_change()
    settings.GRAFANA_URL = ""
    for _ in range(3):
        assert deliver_pending() == Delivered(sent=0, waiting=1, failed=0)
    assert (delivery(change).state, delivery(change).attempts) == ("waiting", 0)
    assert pending_count() is None
    settings.GRAFANA_URL = grafana.url
    assert pending_count() == 1
    assert deliver_pending().sent == 1
    assert pending_count() == 0


def test_a_pass_takes_no_more_than_it_was_told(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    for _ in range(5):
        make_change()
    assert deliver_pending(limit=2) == Delivered(sent=2, waiting=3, failed=0)


def test_a_claim_that_another_worker_holds_is_left_alone(grafana: GrafanaDouble, make_change: MakeChange) -> None:
    change = make_change()
    deliver_pending(limit=0)
    mine = delivery(change)
    assert annotations._claim(delivery(change), timezone.now())
    assert not annotations._claim(mine, timezone.now())
    assert deliver_pending().sent == 0
    assert posts(grafana) == 0


def test_an_attempt_that_was_overtaken_does_not_write_its_outcome(
    grafana: GrafanaDouble, make_change: MakeChange
) -> None:
    change = make_change()
    deliver_pending(limit=0)
    slow = delivery(change)
    annotations._claim(slow, timezone.now())
    deliver_pending(now=after_every_pause())
    annotations._record(slow, state="failed", last_error="too late")
    assert (delivery(change).state, delivery(change).last_error) == ("delivered", "")


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.sampled_from([Fault.ERROR_BEFORE_STORING, Fault.ERROR_AFTER_STORING, Fault.NOT_JSON]), max_size=8
    ),
    changes=st.integers(1, 4),
)
def test_any_run_of_faults_ends_with_one_annotation_per_change(
    grafana: GrafanaDouble, make_change: MakeChange, faults: list[Fault], changes: int
) -> None:
    Change.objects.all().delete()
    grafana.clear()
    made: list[UUID] = [make_change().uuid for _ in range(changes)]
    grafana.faults.extend(faults)
    now = timezone.now()
    for _ in range(len(faults) + 3):
        now += LONGEST_PAUSE + annotations.LEASE
        deliver_pending(now=now)
    assert [len(grafana.tagged(f"change:{uuid}")) for uuid in made] == [1] * changes
    assert AnnotationDelivery.objects.exclude(state="delivered").count() == 0
