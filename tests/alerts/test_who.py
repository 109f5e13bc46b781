"""Who gets paged: the same answer as Alertmanager's own code gives, for trees that no person would write."""

import string
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.matchers import parse
from alerts.policies import Policies
from alerts.routing import alertmanager_document
from alerts.who import Answer, who
from models_registry.fleet import Fleet, FleetTeam
from telemetry.promql import equals, one_of, quote
from tests.alerts import tools
from tests.alerts.fleets import OPTIONS, RICH, feature, model, receivers

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)  # a Wednesday
NIGHT = datetime(2026, 7, 1, 23, tzinfo=UTC)
NAMES = ("alertname", "team", "severity", "model_name")
# Values that end a string or a pattern, and plain ones, so that most matchers match something.
VALUES = ("a", "b", "ab", "", 'q"u', "back\\slash", "x|y", "a.b", "new\nline", " spaced ", "naïve")

Labels = dict[str, str]


def told(answer: Answer) -> list[str]:
    return [each.receiver for each in answer.told]


labels = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES[:5] + VALUES[6:]).filter(bool), max_size=4)
matchers = st.one_of(
    st.builds(equals, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.builds(lambda name, value: f"{name}!={quote(value)}", st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.builds(one_of, st.sampled_from(NAMES), st.lists(st.sampled_from(VALUES), min_size=1, max_size=3)),
    st.builds(
        lambda name, sign, pattern: f"{name}{sign}{quote(pattern)}",
        st.sampled_from(NAMES),
        st.sampled_from(("=~", "!~")),
        st.sampled_from(("a.*", "page-.+", ".+", "a|b", "[ab]+", "", "(a|b)b?")),
    ),
)


def routes(children: st.SearchStrategy[list[dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"matchers": st.lists(matchers, max_size=2)},
        optional={
            "receiver": st.sampled_from(string.ascii_lowercase[:6]),
            "continue": st.booleans(),
            "routes": children,
        },
    )


trees = st.builds(
    lambda children: {"receiver": "root", "routes": children},
    st.lists(routes(st.lists(routes(st.lists(routes(st.just([])), max_size=2)), max_size=3)), max_size=4),
)


def asked_of_amtool(folder: Path, document: Mapping[str, Any], batch: Iterable[Labels]) -> list[list[str]]:
    path = folder / "alertmanager/alertmanager.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document), allow_unicode=True), encoding="utf-8")
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda each: tools.receivers_of(folder, **each), batch))


@settings(max_examples=30, deadline=None)
@given(tree=trees, batch=st.lists(labels, min_size=4, max_size=4))
def test_any_tree_is_walked_as_amtool_walks_it(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any], batch: list[Labels]
) -> None:
    names = ["root", *string.ascii_lowercase[:6]]
    document = {"route": tree, "receivers": [{"name": name} for name in names]}
    expected = asked_of_amtool(tmp_path_factory.mktemp("tree"), document, batch)
    assert [told(who(document, each, NOON)) for each in batch] == expected


TEAMS = ("applied-ml", "data", "on-call", "platform")
teams = st.lists(
    st.builds(
        lambda name, duty, page, ticket: FleetTeam(
            name, always_on_duty=duty, receivers=receivers(page, ticket, team=name)
        ),
        st.sampled_from(TEAMS),
        st.booleans(),
        st.sampled_from(("", "webhook", "pagerduty")),
        st.sampled_from(("", "webhook", "slack")),
    ),
    unique_by=lambda team: team.name,
)
models = st.lists(
    st.builds(
        lambda name, risk, owners: model(
            name, risk=risk, on_call_team=owners[0], applied_ml_team=owners[1], features=(feature("f", owners[2]),)
        ),
        st.sampled_from(("churn", "fraud", "price")),
        st.sampled_from(("standard", "high")),
        st.tuples(*[st.sampled_from(TEAMS)] * 3),
    ),
    unique_by=lambda each: each.name,
)
alerts = st.fixed_dictionaries(
    {"alertname": st.sampled_from(("MLServingDown", "Watchdog", "PlumblineDown"))},
    optional={
        "team": st.sampled_from((*TEAMS, "gone")),
        "severity": st.sampled_from(("page", "ticket", "other")),
        "plane": st.sampled_from(("health", "quality", "meta")),
        "model_name": st.sampled_from(("churn", "fraud", "price", "gone")),
    },
)


@settings(max_examples=25, deadline=None)
@given(team_list=teams, model_list=models, batch=st.lists(alerts, min_size=4, max_size=4))
def test_any_fleets_tree_is_walked_as_amtool_walks_it(
    tmp_path_factory: pytest.TempPathFactory, team_list: list[Any], model_list: list[Any], batch: list[Labels]
) -> None:
    document = alertmanager_document(Fleet(tuple(team_list), tuple(model_list)), OPTIONS, Policies())
    expected = asked_of_amtool(tmp_path_factory.mktemp("fleet"), document, batch)
    assert [told(who(document, each, NOON)) for each in batch] == expected


class TestTheWay:
    TICKET = {"alertname": "MLDriftCriticalFeatureDetected", "severity": "ticket", "team": "applied-ml"}

    def asked(self, at: datetime, **labels: str) -> Answer:
        return who(alertmanager_document(RICH, OPTIONS, Policies()), {**self.TICKET, **labels}, at)

    def test_is_told_in_words(self) -> None:
        plumbline, team = self.asked(NOON, model_name="claims-risk").told
        assert (plumbline.receiver, plumbline.path) == ("plumbline", ())
        assert [[str(matcher) for matcher in route] for route in team.path] == [
            ["team is applied-ml"],
            ["severity is ticket"],
        ]
        assert team.settings["group_by"] == ["alertname", "team", "model_name"]

    def test_a_ticket_at_night_waits_for_the_morning(self) -> None:
        _, team = self.asked(NIGHT, model_name="claims-risk").told
        assert not team.now
        assert (team.muted_by, team.from_) == ("applied-ml/hours", datetime(2026, 7, 2, 9, tzinfo=UTC))

    def test_of_a_model_of_high_risk_it_does_not(self) -> None:
        _, team = self.asked(NIGHT, model_name="fraud").told
        assert team.now
        assert [str(matcher) for matcher in team.path[-1]] == [
            "severity is ticket",
            "model_name is one of churn, fraud",
        ]

    def test_names_what_could_silence_it(self) -> None:
        inhibitions = self.asked(NOON, model_name="claims-risk").inhibitions
        assert str(inhibitions[0].sources[0]) == "alertname is MLServingDown"
        assert inhibitions[0].equal["model_name"] == "claims-risk"
        assert self.asked(NOON).inhibitions == ()  # about no model: nothing silences it


class TestMuting:
    """As Alertmanager's documentation has it: from the start on, up to and without the end, on the interval's clock."""

    def heard(self, at: datetime, key: str = "active_time_intervals", **interval: Any) -> bool:
        document = {
            "route": {"receiver": "root", "routes": [{"receiver": "a", key: ["hours"]}]},
            "time_intervals": [{"name": "hours", "time_intervals": [{"weekdays": ["wednesday"], **interval}]}],
        }
        (only,) = who(document, {}, at).told
        return only.now

    NINE_TO_FIVE = {"times": [{"start_time": "09:00", "end_time": "17:00"}]}

    @pytest.mark.parametrize(
        ("clock", "heard"), [((8, 59, 59), False), ((9, 0), True), ((16, 59, 59), True), ((17, 0), False)]
    )
    def test_at_the_edges(self, clock: tuple[int, ...], heard: bool) -> None:
        at = datetime.combine(NOON.date(), time(*clock), UTC)
        assert self.heard(at, **self.NINE_TO_FIVE) is heard
        assert self.heard(at, "mute_time_intervals", **self.NINE_TO_FIVE) is not heard

    def test_days_are_those_of_the_intervals_clock(self) -> None:
        late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # a Tuesday; in Berlin it is Wednesday already
        assert self.heard(late, location="Europe/Berlin")
        assert not self.heard(late)

    def test_what_is_never_rendered_is_refused_rather_than_guessed(self) -> None:
        with pytest.raises(ValueError, match="months"):
            self.heard(NOON, months=["may"])

    def test_intervals_are_not_inherited(self) -> None:
        document = {
            "route": {
                "receiver": "root",
                "routes": [{"receiver": "a", "active_time_intervals": ["never"], "routes": [{"receiver": "b"}]}],
            },
            "time_intervals": [{"name": "never", "time_intervals": [{"weekdays": []}]}],
        }
        (only,) = who(document, {}, NOON).told
        assert (only.receiver, only.now) == ("b", True)


@pytest.mark.parametrize("text", ["", "team", "team~a", '="a"', "1a=b"])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no matcher"):
        parse(text)


def test_a_team_without_receivers_leads_to_the_platform_team_with_its_hours() -> None:
    daytime = replace(RICH.team_by_name["platform"], always_on_duty=False)
    fleet = Fleet((daytime, FleetTeam("b")), (model("m"),))
    labels = {"alertname": "X", "team": "b", "severity": "ticket", "model_name": "m", "plane": "quality"}
    answer = who(alertmanager_document(fleet, OPTIONS, Policies()), labels, NIGHT)
    assert [(each.receiver, each.muted_by) for each in answer.told] == [
        ("plumbline", ""),
        ("platform/ticket", "platform/hours"),
    ]
