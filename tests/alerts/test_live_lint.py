"""What a running Prometheus is asked about a rule, and what its answers come to, on one whose past is known."""

import time
from collections.abc import Iterator

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.http import Unreachable
from alerts.live_lint import firings
from alerts.live_lint.asking import Asking, Budget, OutOfBudget
from alerts.live_lint.conditions import conditions
from alerts.live_lint.findings import Finding, Origin, Severity
from alerts.live_lint.looking import LiveRule, Looked, look
from alerts.live_lint.questions import at_best, matches, measured, selectors
from alerts.prometheus import Prometheus
from controlplane.stack.prometheus import Prometheus as Server
from telemetry import names
from telemetry.promql import equals, one_of
from tests.alerts.fleets import bundle
from tests.alerts.recorded_day import DAY, HOUR, STEP, fill_store
from tests.alerts.rendered import rules
from tests.controlplane.addresses import free_address

TYPED = Origin(typed=True)
FRAUD = 'model_name=~"fraud"'


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("day")
    fill_store(folder / "data", int(time.time()) // STEP * STEP)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    with Server(folder / "prometheus.yml", folder) as server:
        yield server


@pytest.fixture
def asking(watched: Server) -> Asking:
    return Asking(Prometheus(watched.url))


def looked_at(asking: Asking, expression: str, origin: Origin = Origin(), for_: int = 0) -> Looked:  # noqa: B008
    return look([LiveRule("Some", expression, origin, for_)], asking)[0]


def only(asking: Asking, expression: str, origin: Origin = Origin()) -> Finding:  # noqa: B008
    (found,) = looked_at(asking, expression, origin).findings
    return found


# --- Series -----------------------------------------------------------------------------------------------------


def test_nothing_is_said_of_a_rule_that_finds_what_it_reads(asking: Asking) -> None:
    expression = "there > 1 and on (model_name) other_labels > 1"
    assert looked_at(asking, expression).findings == []


def test_a_metric_that_never_was_is_a_fault_with_what_was_asked(asking: Asking) -> None:
    found = only(asking, f"rate(thare_total{{{FRAUD}}}[5m]) > 1")
    assert found.severity is Severity.FAULT
    assert found.text == "thare_total has never been there, as far as the last day tells."
    assert found.asked == f"thare_total{{{FRAUD}}}" and "spelt" in found.remedy


def test_a_metric_that_is_gone_is_told_from_one_that_never_was(asking: Asking) -> None:
    found = only(asking, "gone > 1")
    assert found.severity is Severity.FAULT and found.text == "gone was there within the last day, and is gone."


def test_a_slip_in_a_typed_value_is_a_fault_and_the_values_that_there_are_are_told(asking: Asking) -> None:
    found = only(asking, 'there{route="predcit"} > 1', TYPED)
    assert found.severity is Severity.FAULT and found.text == "there is there, but not with route='predcit'."
    assert "route has 'batch', 'predict'." in found.remedy
    found = only(asking, 'there{rout="predict"} > 1', TYPED)
    assert "It has no label rout." in found.remedy


def test_a_rendered_value_that_comes_and_goes_is_a_note(asking: Asking) -> None:
    """The registry's words hold no slip: a role that no version has at present is as it may be."""
    found = only(asking, f'there{{{FRAUD},route="none"}} > 1')
    assert found.severity is Severity.NOTE and not found.remedy


def test_models_that_send_nothing_are_named_as_the_reason(asking: Asking) -> None:
    found = only(asking, 'there{model_name=~"churn"} > 1')
    assert found.severity is Severity.NOTICE and found.text == "there is there, but not of this rule's models."


@pytest.mark.parametrize(
    ("expression", "origin"),
    [
        ("there > 1 unless on (model_name) nothing", Origin()),
        ("(nothing or there) > 1", Origin()),
        ("nothing > 1 and on () absent(nothing)", Origin(exists_when={"nothing": "somebody wants it"})),
        ("sum(nothing)", Origin(recording=True, exists_when={"nothing": "somebody wants it"})),
    ],
)
def test_an_absence_that_may_be_is_no_fault(asking: Asking, expression: str, origin: Origin) -> None:
    assert {f.severity for f in looked_at(asking, expression, origin).findings} == {Severity.NOTE}


@pytest.mark.parametrize(
    ("expression", "origin"), [("sum(no)", Origin(recording=True)), ("no > 1", Origin(recorded={"no"}))]
)
def test_what_is_not_recorded_is_worth_a_look(asking: Asking, expression: str, origin: Origin) -> None:
    """While nobody asks a model, nothing is recorded of it."""
    assert only(asking, expression, origin).severity is Severity.NOTICE


def test_an_alternative_is_none_where_it_is_absent_too(asking: Asking) -> None:
    found = looked_at(asking, "(nothing or nowhere) > 1").findings
    assert [f.severity for f in found] == [Severity.FAULT, Severity.FAULT]


def test_a_series_younger_than_the_offset_is_told(asking: Asking) -> None:
    found = only(asking, "late - late offset 6h > 1")
    assert found.severity is Severity.NOTE and found.text.startswith("late was not there yet 6h ago")


# --- Matches ----------------------------------------------------------------------------------------------------


def test_sides_that_lack_each_others_labels_never_meet(asking: Asking) -> None:
    found = only(asking, "there > 5 and on (model_name, model_version) other_labels")
    assert found.severity is Severity.FAULT
    assert "never meet by on (model_name, model_version): the right side has no model_version" in found.text


def test_sides_matched_by_all_labels_are_told_which_ones_they_lack(asking: Asking) -> None:
    found = only(asking, "there / other_labels > 5")
    assert found.severity is Severity.FAULT
    assert "never meet by all labels: the right side has no instance, model_version, route" in found.text


def test_sides_of_other_values_are_worth_a_look_and_where_typed_a_fault(asking: Asking) -> None:
    expression = "there > 5 and on (model_version) other_values"
    assert only(asking, expression).severity is Severity.NOTICE
    found = only(asking, expression, TYPED)
    assert found.severity is Severity.FAULT and "of different values" in found.text


def test_what_unless_leaves_out_may_be_nothing(asking: Asking) -> None:
    assert only(asking, "there > 1 unless on (model_version) other_values").severity is Severity.NOTE


def test_a_limit_that_nothing_passes_does_not_make_a_side_empty(asking: Asking) -> None:
    """An alert that is quiet is no alert that can't fire."""
    assert (
        looked_at(asking, "sum by (model_name) (there > 7) > 7 and on (model_name) (other_labels == 0)").findings == []
    )


# --- Firings ----------------------------------------------------------------------------------------------------


def test_what_a_rule_would_have_done_is_counted_with_its_for(asking: Asking) -> None:
    found = looked_at(asking, "hot > 1", for_=600).firings
    assert found is not None and found.times == 2 and found.still
    assert found.unseen == pytest.approx(0, abs=2 * found.step)
    # Half an hour and twenty minutes, less the wait of ten minutes each, to the step.
    assert found.total == pytest.approx(30 * 60, abs=4 * found.step)
    once = looked_at(asking, "hot > 1", for_=25 * 60).firings
    assert once is not None and once.times == 1 and not once.still


def test_a_past_that_is_short_is_told_and_counts_for_nothing(asking: Asking) -> None:
    found = looked_at(asking, "late > 1").firings
    assert found is not None and found.times == 0
    assert found.unseen == pytest.approx(DAY - 2 * HOUR, abs=3 * found.step)


def test_what_is_made_of_nothing_is_no_proof_that_prometheus_saw_anything(asking: Asking) -> None:
    """Else a Prometheus that was started a minute ago would say that everything was down all day."""
    found = looked_at(asking, "(max(late) or vector(0)) == 0").firings
    assert found is not None and found.times == 0
    assert found.unseen == pytest.approx(DAY - 2 * HOUR, abs=3 * found.step)


def test_an_alert_that_would_never_be_quiet_is_worth_a_look(asking: Asking) -> None:
    found = only(asking, "there > 0")
    assert found.severity is Severity.NOTICE and "would have fired once" in found.text


def test_recording_rules_and_rules_that_read_nothing_have_no_firings(asking: Asking) -> None:
    assert looked_at(asking, "sum(there)", Origin(recording=True)).firings is None
    assert looked_at(asking, "vector(1)") == Looked(LiveRule("Some", "vector(1)", Origin()), reads=False)


# --- Bounds and faults ------------------------------------------------------------------------------------------


def test_what_prometheus_cannot_evaluate_is_not_known_and_the_others_are(asking: Asking) -> None:
    many = LiveRule("Many", "there * on (model_name) there > 1", Origin())
    other = LiveRule("Other", "gone > 1", Origin())
    found, others = look([many, other], asking)
    assert {f.severity for f in found.findings} == {Severity.UNKNOWN} and found.firings is None
    assert "many-to-many" in found.findings[0].text
    assert others.findings[0].severity is Severity.FAULT


def test_questions_are_asked_together_and_only_once(asking: Asking) -> None:
    """Thirty counts in two queries, and the index once; what is well costs nothing more."""
    look([LiveRule(f"R{n}", f"nothing_{n} > 1", Origin(recording=True)) for n in range(30)], asking)
    assert asking.asked == 3
    look([LiveRule(f"S{n}", f"there > {n} and on (model_name) hot", Origin(recording=True)) for n in range(9)], asking)
    assert asking.asked == 4


def test_the_day_is_looked_at_as_often_as_can_be_afforded(asking: Asking) -> None:
    expression = "there > 1"
    steps = []
    for seconds in (0.001, 0.01, 0.02, 0.08):
        steps.append(firings.firings(asking, expression, 0, 0, 30, seconds, time.time()).step)
    assert steps == list(firings.STEPS)
    with pytest.raises(firings.TooLong):
        firings.firings(asking, expression, 0, 0, 30, 1.0, time.time())
    (found,) = look([LiveRule("R", expression, Origin(), seconds=1.0)], asking)
    assert found.firings is None and [f.severity for f in found.findings] == [Severity.UNKNOWN]


def test_a_run_ends_with_its_budget(watched: Server) -> None:
    for budget in (Budget(queries=1), Budget(seconds=0)):
        with pytest.raises(OutOfBudget):
            look([LiveRule("R", "gone > 1", Origin())], Asking(Prometheus(watched.url), budget))


def test_a_prometheus_that_is_down_is_no_answer() -> None:
    with pytest.raises(Unreachable):
        look([LiveRule("R", "there > 1", Origin())], Asking(Prometheus(f"http://{free_address()}")))


# --- Questions --------------------------------------------------------------------------------------------------


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3))
def test_typed_values_keep_their_quotes_in_every_question(value: str, models: list[str]) -> None:
    value, models = value.replace("\r", ""), [m.replace("\r", "") for m in models]
    selector = f"m{{{equals('l', value)},{one_of('model_name', models)}}}"
    try:
        asked = promql_parser.parse(f'label_replace({selector}, "a", "$1", "l", "(.*)") > 1 and on (a) {selector}')
    except ValueError:
        return
    (read,) = selectors(asked.prettify())
    assert read.others == (("l", "=", value),)
    for text in (read.text, read.of_models, matches(asked.prettify())[0].met, at_best(asked.prettify())):
        promql_parser.parse(text)
    assert selectors(read.text)[0].others == read.others


def test_every_rendered_rule_can_be_asked_about() -> None:
    asked = 0
    for rule in rules(bundle()):
        expression = rule.body["expr"]
        for text in [s.text for s in selectors(expression)] + [m.met for m in matches(expression)]:
            promql_parser.parse(text)
            asked += 1
        promql_parser.parse(at_best(expression))
        promql_parser.parse(measured(expression))
    assert asked > 300


def test_a_recorded_series_is_there_when_its_source_is() -> None:
    told = conditions({"job:some": f"sum({names.DRIFT_DETECTED})", "job:all": "sum(up)"})
    assert told["job:some"] == told[names.DRIFT_DETECTED] and "job:all" not in told
