"""The rendered dashboards: four rows in order, panels that explain themselves, expressions that parse."""

import json
import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import promql_parser
import pytest
import yaml

from dashboards.options import DashboardOptions
from dashboards.rendering import refresh_of, render_dashboards
from tests.dashboards.rendered import (
    FLEET,
    MODEL,
    OPTIONS,
    THRESHOLDS,
    WITH_GRAFANA,
    dashboards,
    expressions,
    fleet_of,
    panels,
    rendered,
)

ALL = [
    pytest.param(dashboard, id=f"{title}-{'grafana' if options.grafana_api else 'prometheus'}")
    for options in (OPTIONS, WITH_GRAFANA)
    for title, dashboard in dashboards(options).items()
]
BUNDLED = [case for case in ALL if "starter" not in str(case.id)]
FOUR_QUESTIONS = [
    "Is the service healthy?",
    "Which model or version is responsible?",
    "Is the input data changing?",
    "What changed recently?",
]
# Grafana's own ids of units.
UNITS = {"reqps", "s", "percentunit", "short", "bytes"}


def model_dashboard(options: DashboardOptions = OPTIONS) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(rendered(options)[MODEL])
    return parsed


def panel(dashboard: dict[str, Any], title: str) -> dict[str, Any]:
    (found,) = [panel for panel in panels(dashboard) if panel["title"] == title]
    return found


def test_the_bundle_gets_two_dashboards_and_their_provisioning() -> None:
    assert sorted(rendered()) == [
        "grafana/dashboards/ml-fleet.json",
        "grafana/dashboards/ml-model.json",
        "grafana/provisioning/dashboards/ml-monitoring.yml",
        "grafana/provisioning/datasources/alertmanager.yml",
        "grafana/provisioning/datasources/prometheus.yml",
    ]
    titles = {json.loads(rendered()[path])["title"]: json.loads(rendered()[path])["uid"] for path in (FLEET, MODEL)}
    assert titles == {"ML fleet": "ml-fleet", "ML model": "ml-model"}


def test_equal_input_gives_equal_text_whatever_the_order_of_limits() -> None:
    backwards = dict(reversed(THRESHOLDS.items()))
    assert render_dashboards(fleet_of("churn", "fraud"), OPTIONS, backwards) == rendered()


def test_more_models_make_the_dashboards_no_longer() -> None:
    many = render_dashboards(fleet_of("churn", *(f"model-{n:03}" for n in range(300))), OPTIONS, THRESHOLDS)
    assert many == render_dashboards(fleet_of("churn"), OPTIONS, THRESHOLDS)


def test_an_empty_registry_renders_too() -> None:
    assert json.loads(render_dashboards(fleet_of(), OPTIONS, {})[MODEL])["title"] == "ML model"


@pytest.mark.parametrize("dashboard", BUNDLED)
def test_the_four_questions_stand_in_the_guides_order(dashboard: dict[str, Any]) -> None:
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == FOUR_QUESTIONS
    assert dashboard["panels"][0]["type"] == "row"


@pytest.mark.parametrize("dashboard", ALL)
def test_every_panel_explains_itself(dashboard: dict[str, Any]) -> None:
    for each in panels(dashboard):
        assert each["title"]
        assert len(each["description"]) > 20, each["title"]
        assert each["fieldConfig"]["defaults"]["unit"] in UNITS, each["title"]
        for target in each.get("targets", ()):
            assert target["legendFormat" if target.get("format") != "table" else "refId"], each["title"]


@pytest.mark.parametrize("dashboard", ALL)
def test_every_panel_reads_the_datasource_that_the_viewer_chose(dashboard: dict[str, Any]) -> None:
    chosen = "${DS_PROMETHEUS}" if "__inputs" in dashboard else "${datasource}"
    for each in panels(dashboard):
        if each["type"] == "annolist":  # lists Grafana's own annotations
            assert each["datasource"]["uid"] == "-- Grafana --"
            continue
        assert each["datasource"] == {"type": "prometheus", "uid": chosen}
        assert all(target["datasource"] == each["datasource"] for target in each["targets"])


@pytest.mark.parametrize("dashboard", ALL)
def test_panels_neither_overlap_nor_leave_the_grid(dashboard: dict[str, Any]) -> None:
    boxes = [(panel["title"], panel["gridPos"]) for panel in dashboard["panels"]]
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 and box["h"] > 0 for _, box in boxes)
    for (one, a), (other, b) in combinations(boxes, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"], f"{one} overlaps {other}"


@pytest.mark.parametrize("dashboard", ALL)
def test_ids_and_titles_are_unique(dashboard: dict[str, Any]) -> None:
    for key in ("id", "title"):
        values = [panel[key] for panel in dashboard["panels"]]
        assert len(values) == len(set(values))


def test_a_panel_keeps_its_id_on_every_dashboard_and_beside_new_neighbours() -> None:
    fleet = {panel["title"]: panel["id"] for panel in json.loads(rendered()[FLEET])["panels"]}
    model = {panel["title"]: panel["id"] for panel in model_dashboard()["panels"]}
    shared = fleet.keys() & model.keys()
    assert len(shared) > 10
    assert all(fleet[title] == model[title] for title in shared)


@pytest.mark.parametrize("dashboard", ALL)
def test_every_expression_parses(dashboard: dict[str, Any]) -> None:
    found = list(expressions(dashboard))
    assert found
    for title, expr in found:
        assert "$" not in expr, f"{title} uses a variable that the tests do not know: {expr}"
        promql_parser.parse(expr)


def test_every_expression_of_the_model_dashboard_is_narrowed_to_the_chosen_model() -> None:
    dashboard = model_dashboard()
    for each in panels(dashboard):
        for target in each["targets"]:
            assert 'model_name="$model"' in target["expr"], each["title"]


def test_the_model_dashboard_has_the_variables_datasource_model_version_and_route() -> None:
    variables = {v["name"]: v for v in model_dashboard()["templating"]["list"]}
    assert list(variables) == ["datasource", "model", "version", "route"]
    assert variables["datasource"]["query"] == "prometheus"
    assert not variables["model"].get("multi"), "a marker's tag can't hold several models"
    for name in ("version", "route"):
        assert (variables[name]["multi"], variables[name]["includeAll"], variables[name]["allValue"]) == (
            True,
            True,
            ".+",
        )


@pytest.mark.parametrize("path", [FLEET, MODEL])
def test_markers_are_grafanas_annotations_where_changes_arrive_there(path: str) -> None:
    markers = json.loads(rendered(WITH_GRAFANA)[path])["annotations"]["list"]
    kinds = ["deploy", "rollback", "traffic", "baseline", "pipeline", "threshold"]
    model = ["model:$model"] if path == MODEL else []
    assert [marker["target"]["tags"] for marker in markers] == [[kind, *model] for kind in kinds]
    assert all(marker["datasource"]["uid"] == "-- Grafana --" for marker in markers)
    assert all(marker["enable"] and not marker["target"]["matchAny"] for marker in markers)
    # No filter: they are drawn on every panel.
    assert not any("filter" in marker for marker in markers)


@pytest.mark.parametrize("path", [FLEET, MODEL])
def test_markers_are_changes_of_weight_where_no_grafana_is_configured(path: str) -> None:
    (marker,) = json.loads(rendered(OPTIONS)[path])["annotations"]["list"]
    assert "ml_model_traffic_weight" in marker["expr"]
    assert marker["datasource"]["uid"] == "${datasource}"
    assert marker["step"] == "60s"


def test_the_chosen_models_own_limit_is_drawn() -> None:
    targets = panel(model_dashboard(), "Latency")["targets"]
    (limit,) = [target for target in targets if target["legendFormat"] == "limit"]
    registered = 'max by (model_name) (plumbline_model_registered{model_name="$model"'
    assert limit["expr"] == (
        f'{registered},model_name=~"delay"}}) * 0.2'
        f' or {registered},model_name=~"churn|fraud"}}) * 0.5'
        f" or {registered}}}) * 0.35"
    )


def test_a_dashboard_of_all_models_draws_the_default_limit_across_the_panel() -> None:
    latency = panel(json.loads(rendered()[FLEET]), "Latency p95")
    steps = latency["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 0.35]
    assert latency["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "dashed"}


def test_a_limit_that_nobody_handed_in_is_not_drawn() -> None:
    bare = render_dashboards(fleet_of("fraud"), OPTIONS, {})
    # The percentiles, and the objectives' limits, which are series of their own.
    assert len(panel(json.loads(bare[MODEL]), "Latency")["targets"]) == 4
    assert "thresholds" not in panel(json.loads(bare[FLEET]), "Latency p95")["fieldConfig"]["defaults"]


def test_intervals_follow_the_scrape() -> None:
    slow = replace(OPTIONS, scrape_interval=60, evaluation_interval=60, drift_scrape_interval=120)
    dashboard = model_dashboard(slow)
    assert dashboard["refresh"] == "1m"
    assert panel(dashboard, "Request rate")["interval"] == "60s"
    assert panel(dashboard, "Drift score by feature")["interval"] == "120s"
    assert model_dashboard()["refresh"] == "30s"


@pytest.mark.parametrize(("seconds", "refresh"), [(1, "5s"), (5, "5s"), (15, "30s"), (61, "5m"), (9999, "15m")])
def test_refresh_is_one_that_grafana_offers(seconds: int, refresh: str) -> None:
    assert refresh_of(seconds) == refresh


def test_grafana_finds_the_dashboards_and_the_servers() -> None:
    files = {path: yaml.safe_load(text) for path, text in rendered().items() if path.endswith(".yml")}
    (provider,) = files["grafana/provisioning/dashboards/ml-monitoring.yml"]["providers"]
    assert (provider["name"], provider["folder"], provider["type"]) == ("ml-monitoring", "ML Monitoring", "file")
    assert provider["options"]["path"] == OPTIONS.dashboards_path
    sources = [
        source
        for kind in ("prometheus", "alertmanager")
        for source in files[f"grafana/provisioning/datasources/{kind}.yml"]["datasources"]
    ]
    assert [(source["type"], source["url"]) for source in sources] == [
        ("prometheus", "http://prometheus:9090"),
        ("alertmanager", "http://alertmanager:9093"),
    ]
    assert [source.get("isDefault", False) for source in sources] == [True, False]


def test_the_starter_is_importable_by_itself() -> None:
    starter = dashboards(OPTIONS)["ML starter"]
    (asked,) = starter["__inputs"]
    assert (asked["name"], asked["type"], asked["pluginId"]) == ("DS_PROMETHEUS", "datasource", "prometheus")
    assert [panel["title"] for panel in starter["panels"]] == [
        "Request rate",
        "Latency p95",
        "Error ratio",
        "Traffic by version",
        "Drift score by feature",
        "Missing-feature ratio",
    ]
    # It needs no rules of ours.
    assert not [expr for _, expr in expressions(starter) if re.search(r"\bjob:", expr)]
