"""The registry as a file: all or nothing, repeatable, every problem named with its line."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.models import AlertPolicy
from controlplane.registry_file import apply_files
from controlplane.registry_yaml import read_yaml
from drift.models import DriftCheck
from models_registry import traffic
from models_registry.actor import SYSTEM, Actor
from models_registry.models import Baseline, Change, Feature, Member, MLModel, ModelVersion, Team
from tests.fixtures.registry import (
    make_user,
)

AUTHOR = Actor("file")

FULL = """\
teams:
  - name: search
    time_zone: Europe/Berlin
    hours_start: 9:30
    hours_end: "18:00"
    working_days: [monday, tuesday]
    receivers:
      page: {kind: webhook, address: "http://127.0.0.1:9/page"}
      ticket: {kind: slack, address: "#search", secret_file: /etc/secrets/slack}
    members: {alice: editor}
models:
  - name: ranking
    description: Orders results
    risk: high
    task: binary_classification
    classes: [skipped, clicked]
    on_call_team: search
    applied_ml_team: search
    data_team: search
    features:
      - {name: position, minimum: 0, critical: true}
      - {name: größe/m², kind: categorical, categories: [s, m], default: s, team: search}
    pipeline_releases:
      - {release: features-1, released_at: "2026-01-01T00:00:00Z"}
    baselines:
      - {name: q1, population: all, profile_file: profile.json, frozen: true, max_age_days: 90}
    versions:
      - {version: "1", framework: onnx, artifact: /srv/1.onnx, sha256: SHA, baseline: q1, pipeline_release: features-1}
      - {version: "2", framework: onnx, artifact: /srv/2.onnx, sha256: SHA}
    traffic: {live: "1", canary: "2", canary_percent: 10}
alert_policies:
  - {alert: MLInferenceHighErrorRate, model: ranking, thresholds: {ratio: 0.1}, window: 2m, for: 1m}
  - {alert: MLInferenceHighErrorRate, thresholds: {ratio: 0.05}}
drift_checks:
  - {model: ranking, interval_seconds: 60, window_seconds: 600, feature_psi_thresholds: {position: 0.4}}
""".replace("SHA", "ab" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "profile.json").write_text(json.dumps({"schema": 1, "rows": 500, "features": {}}))
    return tmp_path


def write(folder: Path, text: str, name: str = "registry.yml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def apply(folder: Path, text: str, **options):
    return apply_files([write(folder, text)], actor=AUTHOR, **options)


def problems(folder: Path, text: str) -> list[str]:
    """What apply says, without the file's name."""
    return [str(p).split("registry.yml:")[-1] for p in apply(folder, text).problems]


@pytest.fixture
def alice(db: None):
    return make_user("alice")


# --- What a file does -------------------------------------------------------------------------------------------


def test_a_file_makes_all_that_it_states(folder: Path, alice):
    outcome = apply(folder, FULL)
    assert outcome.problems == ()
    model = MLModel.objects.get(name="ranking")
    assert [f.name for f in model.features.all()] == ["position", "größe/m²"]
    assert traffic.read_split(model.traffic).canary_percent == 10
    assert model.baselines.get().frozen_at is not None
    assert Member.objects.get(user=alice).role == "editor"
    assert str(Team.objects.get().hours_start) == "09:30:00"
    assert AlertPolicy.objects.get(model=model).for_seconds == 60
    assert DriftCheck.objects.get(model=model).feature_psi_thresholds == {"position": 0.4}
    assert list(outcome.changes) == list(Change.objects.order_by("at"))
    assert {c.author for c in outcome.changes} == {"file"}


def test_a_second_time_nothing_changes(folder: Path, alice):
    apply(folder, FULL)
    count = Change.objects.count()
    assert apply(folder, FULL).changes == ()
    assert Change.objects.count() == count


def test_a_dry_run_tells_the_same_and_changes_nothing(folder: Path, alice):
    told = [c.summary for c in apply(folder, FULL, dry_run=True).changes]
    assert not Team.objects.exists()
    assert not Change.objects.exists()
    assert [c.summary for c in apply(folder, FULL).changes] == told


def test_with_one_problem_nothing_is_changed(folder: Path, alice):
    assert problems(folder, FULL.replace('canary: "2"', 'canary: "9"'))
    assert not Team.objects.exists()
    assert not Change.objects.exists()


def test_traffic_that_is_not_stated_stays(folder: Path, alice):
    apply(folder, FULL)
    model = MLModel.objects.get()
    traffic.shift_traffic(model, percent=50, actor=SYSTEM)
    without = "\n".join(line for line in FULL.splitlines() if "traffic:" not in line)
    assert apply(folder, without).changes == ()
    model = MLModel.objects.get()
    assert traffic.read_split(model.traffic).canary_percent == 50


def test_what_a_document_leaves_out_has_its_default_and_lists_left_out_stay(folder: Path, alice):
    apply(folder, FULL)
    text = """\
models:
  - {name: ranking, classes: [skipped, clicked], on_call_team: search, applied_ml_team: search, data_team: search}
"""
    (change,) = apply(folder, text).changes
    model = MLModel.objects.get()
    assert (model.risk, model.description, model.features.count()) == ("standard", "", 2)
    assert change.before["risk"] == "high"


def test_features_that_a_stated_list_leaves_out_are_removed(folder: Path, alice):
    apply(folder, FULL)
    text = FULL.replace("      - {name: position, minimum: 0, critical: true}\n", "").replace(
        ", feature_psi_thresholds: {position: 0.4}", ""
    )
    assert apply(folder, text).problems == ()
    assert [f.name for f in Feature.objects.all()] == ["größe/m²"]


def test_versions_that_a_file_leaves_out_stay(folder: Path, alice):
    apply(folder, FULL)
    text = "\n".join(line for line in FULL.splitlines() if 'version: "2"' not in line)
    apply(folder, text)
    assert ModelVersion.objects.count() == 2


def test_several_files_are_one_whole(folder: Path, alice):
    teams, models = FULL.split("models:\n", 1)
    files = [write(folder, "models:\n" + models, "models.yml"), write(folder, teams, "teams.yml")]
    assert apply_files(files, actor=AUTHOR).problems == ()
    assert MLModel.objects.get().on_call_team.name == "search"


def test_the_same_thing_in_two_files_is_a_problem(folder: Path, alice):
    files = [write(folder, FULL, name) for name in ("a.yml", "b.yml")]
    told = [str(p) for p in apply_files(files, actor=AUTHOR).problems]
    assert any("b.yml:2: teams[search]: This is stated in" in line for line in told)


def test_an_unknown_profile_file_is_named(folder: Path, alice):
    (told,) = problems(folder, FULL.replace("profile.json", "elsewhere.json"))
    assert told.startswith("26: models[ranking].baselines[q1].profile_file: elsewhere.json can't be read")


# --- What is wrong is said, with its line, all at once ----------------------------------------------------------

TEAM = "teams:\n  - name: search\n    always_on_duty: true\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("teams:\n  - name: search\n    nam: x\n", ["3: teams[search].nam: Unknown field; known here: always_on_duty"]),
        ("team: []\n", ["1: team: Unknown field; known here: alert_policies"]),
        ("teams:\n  - description: x\n", ["2: teams[0]: name is missing."]),
        ("teams:\n  - name: 1.5\n", ["2: teams[1.5].name: 1.5 is no text to YAML: put it in quotes."]),
        ("teams: {name: search}\n", ["1: teams: {'name': 'search'} stands where a list is expected"]),
        (f"{TEAM}    hours_start: noon\n", ["4: teams[search].hours_start: 'noon' is no time of day"]),
        (f"{TEAM}    time_zone: Mars\n", ["4: teams[search].time_zone: 'Mars' is no time zone"]),
        (f"{TEAM}    members: {{nobody: editor}}\n", ["4: teams[search].members.nobody: There is no such user"]),
        (
            f"{TEAM}    members: {{alice: boss}}\n",
            ["4: teams[search].members.alice: 'boss' is unknown here: use viewer"],
        ),
        (
            f"{TEAM}    receivers: {{page: {{kind: slack}}}}\n",
            ["receivers.page.address: A Slack", "receivers.page.secret_file"],
        ),
        (f"{TEAM}    name: other\n", ["4: teams.0.name: This is stated twice, first on line 2: leave one out."]),
        (f"{TEAM}  - name: search\n", ["4: teams[search]: This is listed twice, first on line 2: leave one out."]),
        ("teams:\n  - name: Search!\n    hours_start: 18:00\n", ["2: teams[Search!].name", "3"]),
        ("teams: [\n", ["This is not YAML"]),
        ("a: &a [1]\nb: *a\n", ["2: This is not YAML: aliases are not read"]),
        (
            "teams: !!python/object/apply:os.system [ls]\n",
            ["1: teams: The tag tag:yaml.org,2002:python/object/apply:os.system is not read"],
        ),
        ("? [a]\n: 1\n", ["1: A key is a name"]),
        ("teams:\n  - name: search\n    hours_start: 2026-99-99T00:00:00Z\n", ["3: teams.0.hours_start"]),
    ],
)
def test_a_problem_is_told_with_line_path_value_and_remedy(folder: Path, alice, text: str, told: list[str]):
    found = problems(folder, text)
    for part in told:
        assert any(part in line for line in found), found
    assert not Team.objects.exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("risk: high", "risk: huge", "14: models[ranking].risk: 'huge' is unknown here: use standard, high."),
        ("classes: [skipped, clicked]", "classes: [one]", "16: models[ranking].classes: A binary classifier"),
        ("minimum: 0,", "minimum: low,", "21: models[ranking].features[position].minimum: 'low' is no number."),
        ("minimum: 0,", "minimum: 9, maximum: 1,", "21: models[ranking].features[position].maximum: The maximum is"),
        ("on_call_team: search", "on_call_team: nobody", "17: models[ranking].on_call_team: There is no team 'nobody'"),
        ("team: search}", "team: nobody}", "22: models[ranking].features[größe/m²].team: There is no team 'nobody'"),
        ("baseline: q1", "baseline: q9", "28: models[ranking].versions[1].baseline: ranking has no baseline 'q9'"),
        ("/srv/2.onnx", "srv/2.onnx", "29: models[ranking].versions[2].artifact: 'srv/2.onnx' is neither"),
        ('canary: "2"', 'canary: "1"', "30: models[ranking].traffic: 1 can't be live and canary at once"),
        ("canary_percent: 10", "canary_percent: 110", "30: models[ranking].traffic: A share is a whole percent"),
        ("{ratio: 0.1}", "{ration: 0.1}", "32: alert_policies[MLInferenceHighErrorRate].thresholds"),
        ("window: 2m", "window: soon", "32: alert_policies[MLInferenceHighErrorRate].window: 'soon' is not a duration"),
        ("window: 2m", "window: 52w", "32: alert_policies[MLInferenceHighErrorRate].window"),
        ("model: ranking, interval", "model: gone, interval", "35: drift_checks[gone].model: There is no model 'gone'"),
        ("interval_seconds: 60", "interval_seconds: 1", "35: drift_checks[ranking].interval_seconds"),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(folder: Path, alice, old: str, new: str, told: str):
    assert old in FULL
    found = problems(folder, FULL.replace(old, new, 1))
    assert any(line.startswith(told) for line in found), found


def test_all_problems_are_told_at_once(folder: Path, alice):
    misspelt = FULL.replace("risk: high", "risk: huge").replace("minimum: 0", "minimum: low")
    assert [line.split(":")[0] for line in problems(folder, misspelt)] == ["14", "21"]
    refused = FULL.replace("/srv/2.onnx", "srv/2.onnx").replace("max_age_days: 90", "max_age_days: 0")
    assert [line.split(":")[0] for line in problems(folder, refused)] == ["26", "29"]


def lines(folder: Path, *changes: tuple[str, str]) -> list[str]:
    """On which lines something is wrong once each old text of FULL has been replaced by its new one."""
    text = FULL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return [line.split(":")[0] for line in problems(folder, text)]


RISK, ARTIFACT, INTERVAL = (
    ("high", "huge"),
    ("/srv/2.onnx", "srv/2.onnx"),
    ("interval_seconds: 60", "interval_seconds: 1"),
)


def test_mistakes_of_all_kinds_are_told_at_once(folder: Path, alice):
    """A wrong word, a value that the row's rules refuse, one in a later section, and a name that nothing has."""
    policy = ("model: ranking, thresholds", "model: rankings, thresholds")
    assert lines(folder, RISK, ARTIFACT, INTERVAL, policy) == ["14", "29", "32", "35"]
    assert not Change.objects.exists()


def test_of_what_is_refused_itself_the_rest_is_told_without_echoes(folder: Path, alice):
    zone, alert = ("Europe/Berlin", "Mars"), ("ranking, interval", "rank, interval")
    assert lines(folder, zone, RISK, ARTIFACT, ("max_age_days: 90", "max_age_days: 0")) == ["3", "14", "26", "29"]
    # The model lacks a team: its own classes, a feature and a version are looked at all the same.
    teamless = ("    data_team: search\n", "    classes: [one]\n")
    told = problems(folder, FULL.replace("    classes: [skipped, clicked]\n", "").replace(*teamless))
    assert [line.partition(": ")[2] for line in told] == [
        "models[ranking]: data_team is missing.",
        "models[ranking].classes: A binary classifier has exactly two classes, negative first.",
    ]
    # Nothing else is said of a feature or a model whose kind is wrong: what else may stand there hangs on it.
    assert lines(folder, ("kind: categorical", "kind: categories")) == ["22"]
    assert lines(folder, ("task: binary_classification", "task: binary"), alert) == ["15", "35"]


def test_two_unknown_teams_are_both_named(folder: Path, alice):
    assert lines(folder, ("on_call_team: search", "on_call_team: a"), ("data_team: search", "data_team: b")) == [
        "17",
        "19",
    ]


def test_the_text_of_a_runbook_is_looked_at_although_its_names_are_unknown(folder: Path, alice):
    runbook = "runbooks:\n  - {alert: MLNothing, model: gone, owner_team: nobody, body: short}\n"
    told = [line.split(": ")[1] for line in problems(folder, runbook)]
    assert sorted(told) == [f"runbooks[MLNothing].{name}" for name in ("alert", "body", "model", "owner_team")]


def test_a_frozen_baseline_stays_what_it_is(folder: Path, alice):
    apply(folder, FULL)
    (told,) = problems(folder, FULL.replace("population: all", "population: others"))
    assert "models[ranking].baselines[q1].population" in told
    (told,) = problems(folder, FULL.replace("frozen: true", "frozen: false"))
    assert "frozen, for good" in told
    assert Baseline.objects.get().population == "all"


def test_a_huge_or_deep_file_is_refused(tmp_path: Path):
    assert "larger than" in str(read_yaml("a" * (17 * 1024 * 1024), "x").problems[0])
    assert read_yaml("[" * 5000, "x").problems


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_whatever_the_text_reading_it_ends_in_data_or_problems(text: str):
    read = read_yaml(text, "x")
    assert read.problems or read.lines or read.data is None


# --- The commands -----------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_commands_print_what_changes(folder: Path, alice):
    file = str(write(folder, FULL))
    assert "would be made." in run("apply", "--dry-run", file)
    told = run("apply", "--author", "ann", file)
    assert "model ranking registered\n" in told
    assert "    +risk: high\n" in told
    assert Change.objects.first().author == "ann"
    assert run("apply", file) == "No changes.\n"
    write(folder, run("export"))
    assert run("apply", file) == "No changes.\n"
    write(folder, FULL.replace("max_age_days: 90", "max_age_days: 30"))
    assert run("apply", file).splitlines()[0] == "baseline q1 of ranking: max_age_days changed"


def test_the_command_fails_with_the_problems(folder: Path, alice):
    with pytest.raises(CommandError, match=r"registry.yml:14: models\[ranking\].risk(.|\n)*Nothing was changed"):
        run("apply", str(write(folder, FULL.replace("risk: high", "risk: huge"))))
    with pytest.raises(CommandError, match="can't be read"):
        run("apply", str(folder / "gone.yml"))
    with pytest.raises(CommandError, match="no model 'gone'"):
        run("export", "--model", "gone")
