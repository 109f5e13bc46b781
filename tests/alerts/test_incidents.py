"""Incidents: kept once however often, late or out of order they are told, and closed when nobody tells."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from alerts.fingerprint import fingerprint
from alerts.incidents import GRACE, record_prometheus_alerts, record_webhook
from alerts.models import Incident
from alerts.webhook_payload import MAX_ALERTS, BadPayload, parse_body

pytestmark = pytest.mark.database

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LABELS = {
    "alertname": "MLInferenceHighErrorRate",
    "model_name": "flights",
    "model_version": "v2",
    "severity": "page",
    "team": "on-call",
    "plane": "health",
    "policy": "default",
}


def told(
    status: str = "firing", start: datetime = START, end: datetime | None = None, labels: dict[str, str] = LABELS
) -> dict[str, Any]:
    """A webhook payload with one alert, as Alertmanager 0.25 sends it."""
    end_text = end.isoformat() if end else "0001-01-01T00:00:00Z"
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "status": status,
        "receiver": "plumbline",
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": {"summary": "Errors above 3 %"},
                "startsAt": start.isoformat(),
                "endsAt": end_text,
                "generatorURL": "http://127.0.0.1:9090/graph",
                "fingerprint": fingerprint(labels),
            }
        ],
    }


@dataclass
class Active:
    """An alert as Prometheus lists it."""

    active_at: datetime = START
    state: str = "firing"
    labels: dict[str, str] = field(default_factory=lambda: dict(LABELS))
    annotations: dict[str, str] = field(default_factory=dict)


@pytest.mark.django_db
class TestWebhook:
    def test_a_firing_alert_opens_an_incident_with_its_labels(self) -> None:
        assert record_webhook(told()) == 1
        incident = Incident.objects.get()
        assert incident.is_open
        assert (incident.alert, incident.model_name, incident.model_version) == (
            "MLInferenceHighErrorRate",
            "flights",
            "v2",
        )
        assert (incident.severity, incident.team, incident.plane) == ("page", "on-call", "health")
        assert incident.starts_at == START

    def test_a_second_delivery_changes_nothing(self) -> None:
        record_webhook(told())
        assert record_webhook(told()) == 0
        assert Incident.objects.count() == 1

    def test_resolved_closes_it(self) -> None:
        record_webhook(told())
        assert record_webhook(told("resolved", end=START + timedelta(minutes=5))) == 1
        assert Incident.objects.get().ends_at == START + timedelta(minutes=5)

    def test_firing_that_arrives_after_resolved_does_not_reopen(self) -> None:
        record_webhook(told("resolved", end=START + timedelta(minutes=5)))
        assert record_webhook(told()) == 0
        assert Incident.objects.get().ends_at == START + timedelta(minutes=5)

    def test_the_same_alert_firing_anew_is_a_new_incident_and_ends_the_one_before(self) -> None:
        record_webhook(told())
        again = START + timedelta(hours=1)
        record_webhook(told(start=again))
        assert list(Incident.objects.order_by("starts_at").values_list("starts_at", "ends_at")) == [
            (START, again),
            (again, None),
        ]

    def test_an_earlier_firing_that_arrives_late_is_kept_closed(self) -> None:
        again = START + timedelta(hours=1)
        record_webhook(told(start=again))
        record_webhook(told())
        assert Incident.objects.get(starts_at=START).ends_at == again
        assert Incident.objects.get(starts_at=again).is_open

    def test_two_versions_of_a_model_are_two_incidents(self) -> None:
        record_webhook(told())
        record_webhook(told(labels=LABELS | {"model_version": "v1"}))
        assert Incident.objects.count() == 2

    def test_the_watchdog_is_no_incident(self) -> None:
        assert record_webhook(told(labels={"alertname": "Watchdog", "plane": "meta"})) == 0
        assert not Incident.objects.exists()

    def test_text_that_a_database_refuses_is_cleaned_and_long_text_is_cut(self) -> None:
        labels = LABELS | {"odd": "a\x00b\ud800" + "x" * 10_000, "model_name": "n" * 500}
        payload = told()
        payload["alerts"][0]["labels"] = labels
        record_webhook(payload)
        incident = Incident.objects.get()
        assert incident.labels["odd"].startswith("a\N{REPLACEMENT CHARACTER}b?x")
        assert len(incident.labels["odd"]) == 2000
        assert incident.model_name == "n" * 63


@pytest.mark.django_db
class TestWhatIsNotUnderstood:
    @pytest.mark.parametrize(
        ("field", "value", "named"),
        [
            ("status", "odd", "alerts[0].status"),
            ("labels", {"severity": "page"}, "alerts[0].labels.alertname"),
            ("labels", {"alertname": 3}, "alerts[0].labels.alertname"),
            ("labels", {f"l{i}": "" for i in range(100)}, "alerts[0].labels"),
            ("annotations", [1], "alerts[0].annotations"),
            ("startsAt", "yesterday", "alerts[0].startsAt"),
            ("startsAt", "2026-03-01T12:00:00", "alerts[0].startsAt"),
            ("startsAt", None, "alerts[0].startsAt"),
            ("fingerprint", "xyz", "alerts[0].fingerprint"),
        ],
    )
    def test_is_refused_naming_the_field_and_nothing_is_kept(self, field: str, value: Any, named: str) -> None:
        payload = told()
        payload["alerts"][0][field] = value
        payload["alerts"].insert(0, told(labels=LABELS | {"model_version": "v9"})["alerts"][0])
        with pytest.raises(BadPayload, match=named.replace("[0]", r"\[1\]").replace(".", r"\.")):
            record_webhook(payload)
        assert not Incident.objects.exists()

    def test_another_version_is_refused(self) -> None:
        with pytest.raises(BadPayload, match="version is '5'"):
            record_webhook(told() | {"version": "5"})

    def test_more_alerts_than_are_read_at_once_are_refused(self) -> None:
        payload = told()
        payload["alerts"] *= MAX_ALERTS + 1
        with pytest.raises(BadPayload, match="max_alerts"):
            record_webhook(payload)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
    def test_a_body_that_is_no_json_object_is_refused(self, body: bytes) -> None:
        with pytest.raises(BadPayload, match="body"):
            parse_body(body)


@pytest.mark.django_db
class TestPrometheus:
    def test_what_the_webhook_missed_is_opened(self) -> None:
        assert record_prometheus_alerts([Active()]) == 1
        incident = Incident.objects.get()
        assert incident.source == Incident.Source.PROMETHEUS
        assert record_prometheus_alerts([Active()]) == 0

    def test_an_alert_with_too_many_labels_does_not_hide_the_others(self) -> None:
        many = LABELS | {f"label_{i:03}": "x" for i in range(200)}
        assert record_prometheus_alerts([Active(labels=many), Active()]) == 2
        assert {len(incident.labels) for incident in Incident.objects.all()} == {64, len(LABELS)}

    def test_pending_alerts_and_the_watchdog_are_no_incidents(self) -> None:
        active = [Active(state="pending"), Active(labels={"alertname": "Watchdog", "plane": "meta"})]
        assert record_prometheus_alerts(active) == 0

    def test_the_webhook_that_comes_after_tells_of_the_same_incident(self) -> None:
        # Prometheus lists since when the condition held; Alertmanager tells since when the alert fired.
        record_prometheus_alerts([Active(active_at=START - timedelta(minutes=10))])
        assert record_webhook(told()) == 0
        incident = Incident.objects.get()
        assert (incident.starts_at, incident.source) == (START, Incident.Source.WEBHOOK)

    def test_the_webhook_that_came_before_tells_of_the_same_incident(self) -> None:
        record_webhook(told())
        assert record_prometheus_alerts([Active(active_at=START - timedelta(minutes=10))]) == 0
        assert Incident.objects.count() == 1

    def test_an_end_that_nobody_told_is_seen_after_the_grace(self) -> None:
        record_webhook(told())
        now = Incident.objects.get().last_seen_at
        assert record_prometheus_alerts([], now + GRACE / 2) == 0
        assert record_prometheus_alerts([], now + GRACE * 2) == 1
        assert Incident.objects.get().ends_at == now + GRACE * 2

    def test_a_list_read_while_the_end_was_told_does_not_reopen(self) -> None:
        record_webhook(told())
        end = START + timedelta(hours=1)
        record_webhook(told("resolved", end=end))
        assert record_prometheus_alerts([Active()], end + GRACE / 2) == 0
        assert not Incident.objects.get().is_open

    def test_an_incident_closed_in_error_is_opened_again(self) -> None:
        record_webhook(told())
        now = Incident.objects.get().last_seen_at
        record_prometheus_alerts([], now + GRACE * 2)
        assert record_prometheus_alerts([Active()], now + GRACE * 4) == 1
        assert Incident.objects.get().is_open

    def test_another_prometheus_alerts_are_not_closed_on_ours_word(self) -> None:
        record_webhook(told(labels={"alertname": "DiskFull", "severity": "page"}))
        now = Incident.objects.get().last_seen_at
        assert record_prometheus_alerts([], now + GRACE * 2) == 0
        assert Incident.objects.get().is_open

    def test_the_number_of_queries_does_not_grow_with_what_goes_on_firing(self, django_assert_num_queries: Any) -> None:
        active = [Active(labels=LABELS | {"model_version": f"v{i}"}) for i in range(30)]
        record_prometheus_alerts(active)
        with django_assert_num_queries(2):
            record_prometheus_alerts(active)


STARTS = [START + timedelta(minutes=m) for m in (0, 30, 60)]


class TestAnyOrder(TestCase):
    """Three firings of one alert; each message may come any number of times, in any order."""

    @given(
        st.permutations(
            [(status, start) for status in ("firing", "resolved") for start in STARTS[:2]] + [("firing", STARTS[2])]
        ),
        st.lists(st.sampled_from(range(5)), max_size=6),
    )
    @settings(max_examples=40, deadline=None)
    def test_ends_in_the_same_incidents(self, messages: list[tuple[str, datetime]], repeats: list[int]) -> None:
        for status, start in messages + [messages[i] for i in repeats]:
            record_webhook(told(status, start, start + timedelta(minutes=10) if status == "resolved" else None))
        assert list(Incident.objects.order_by("starts_at").values_list("starts_at", "ends_at")) == [
            (STARTS[0], STARTS[0] + timedelta(minutes=10)),
            (STARTS[1], STARTS[1] + timedelta(minutes=10)),
            (STARTS[2], None),
        ]
