"""What is rendered for the Prometheus operator: valid against its schemas, the same rules, no secret's value."""

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from cloudcoil.models.prometheus_operator import v1, v1alpha1
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.kubernetes.names import object_name, receiver_key
from alerts.kubernetes.objects import LARGEST, render_kubernetes
from alerts.policies import Policies
from alerts.receivers.slices import CONFIGURATIONS
from alerts.routing import alertmanager_document
from alerts.scraping import render_prometheus
from alerts.yaml_text import dump
from models_registry.fleet import Fleet, FleetReceiver, FleetTeam
from telemetry import names
from tests.alerts.fleets import NASTY, OPTIONS, POLICIES, RICH, bundle
from tests.alerts.rendered import RULES

MODELS = {"PrometheusRule": v1.PrometheusRule, "ScrapeConfig": v1alpha1.ScrapeConfig}
MODELS["AlertmanagerConfig"] = v1alpha1.AlertmanagerConfig
MAIL = replace(
    OPTIONS,
    smtp_smarthost="mail.example.com:587",
    smtp_from="plumbline@example.com",
    smtp_username="plumbline",
    smtp_password_file="/run/secrets/smtp",
    node_exporter_targets=("node.example.com:9100",),
    prometheus_url="https://prometheus.example.com/prom",
    further_prometheus_urls=("https://second.example.com/prom",),
)
# A receiver of every kind, with and without a secret where both are possible.
EVERY_KIND = tuple(
    FleetTeam(f"team-{kind}-{len(secret)}", receivers=(FleetReceiver("ticket", kind, "https://a.example/{{x", secret),))
    for kind in CONFIGURATIONS
    for secret in (["", "/run/secrets/hook"] if kind == "webhook" else ["/run/secrets/key"])
)
FLEET = replace(RICH, teams=(*RICH.teams, *EVERY_KIND))
NOBODY = Fleet(teams=(), models=())
FILES = bundle(FLEET, POLICIES, MAIL)


def rendered(fleet: Fleet = FLEET, namespace: str = "ml-monitoring") -> dict[str, Any]:
    """Path -> object."""
    texts = render_kubernetes(namespace, FILES, FILES["prometheus/prometheus.yml"], fleet, MAIL, Policies())
    return {path: yaml.safe_load(text) for path, text in texts.items()}


OBJECTS = rendered()
ROUTES = OBJECTS["kubernetes/alertmanager.yml"]["spec"]


def as_the_schema_reads_it(model: Any, document: Any) -> Any:
    """`document` after the schema's model has read it: what the schema doesn't know is gone."""
    return model.model_validate(document).model_dump(by_alias=True, exclude_unset=True, mode="json")


def all_routes(route: dict[str, Any]) -> list[dict[str, Any]]:
    return [route, *(each for below in route.get("routes", ()) for each in all_routes(below))]


@pytest.mark.parametrize("path", OBJECTS)
def test_every_object_is_valid_and_has_no_field_that_the_operator_would_drop(path: str) -> None:
    document = OBJECTS[path]
    assert as_the_schema_reads_it(MODELS[document["kind"]], document) == document
    assert document["metadata"]["namespace"] == "ml-monitoring"


def test_the_routes_below_the_root_are_valid_too_though_the_schema_leaves_them_open() -> None:
    routes = all_routes(ROUTES["route"])
    assert len(routes) > 20
    for route in routes:
        assert as_the_schema_reads_it(v1alpha1.Route, route) == route


def test_a_wrong_field_and_a_wrong_value_would_be_found() -> None:
    document = OBJECTS["kubernetes/scrape/model-inference.yml"]
    unknown = {**document, "spec": {**document["spec"], "scrape_interval": "15s"}}
    assert as_the_schema_reads_it(v1alpha1.ScrapeConfig, unknown) != unknown
    with pytest.raises(ValueError, match="scheme"):
        as_the_schema_reads_it(v1alpha1.ScrapeConfig, {"spec": {"scheme": "http"}})


def test_each_rule_file_is_one_object_with_the_same_groups_in_the_same_order() -> None:
    rules = {path.removeprefix(RULES): yaml.safe_load(text) for path, text in FILES.items() if path.startswith(RULES)}
    told = {
        path.removeprefix("kubernetes/rules/"): document["spec"]
        for path, document in OBJECTS.items()
        if document["kind"] == "PrometheusRule"
    }
    assert told == rules and len(rules) > 10


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text() | st.sampled_from(NASTY) | st.from_regex(r"[ \n\t\x85\u2028a:|-]+"), min_size=1))
def test_any_text_in_a_rule_file_arrives_unchanged(texts: list[str]) -> None:
    groups = [
        {"name": text, "rules": [{"alert": "A", "expr": text, "annotations": {"summary": text}}]} for text in texts
    ]
    assert rules_objects({"groups": groups}) == {"kubernetes/rules/x.yml": {"groups": groups}}


def test_a_file_too_large_for_the_operator_becomes_an_object_for_each_group_and_each_stays_when_others_change() -> None:
    groups = [{"name": f"A:{name}", "rules": [{"alert": "A", "expr": "1 # " + "x" * 9000}]} for name in range(60)]
    every = rules_objects({"groups": groups})
    assert [g for spec in every.values() for g in spec["groups"]] == groups and len(every) == len(groups)
    assert all(len(dump(spec)) < LARGEST for spec in every.values())
    fewer = rules_objects({"groups": groups[3:]})
    assert fewer.items() <= every.items() and len(fewer) == len(groups) - 3
    assert list(rules_objects({"groups": groups[:3]})) == ["kubernetes/rules/x.yml"]


def rules_objects(document: dict[str, Any]) -> dict[str, Any]:
    """Path -> spec, of the objects that a rule file with `document` becomes."""
    texts = render_kubernetes(
        "a", {f"{RULES}x.yml": dump(document)}, dump({"scrape_configs": []}), NOBODY, OPTIONS, Policies()
    )
    return {path: yaml.safe_load(text)["spec"] for path, text in texts.items() if path.startswith("kubernetes/rules/")}


def test_no_two_objects_of_a_kind_share_a_name() -> None:
    named = [(document["kind"], document["metadata"]["name"]) for document in OBJECTS.values()]
    assert len(set(named)) == len(named)


@settings(deadline=None)
@given(st.lists(st.text() | st.sampled_from(NASTY), unique=True, min_size=2))
def test_any_name_becomes_one_that_kubernetes_takes_and_no_two_become_the_same(texts: list[str]) -> None:
    named = [object_name(text) for text in texts]
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in named)
    assert len(set(named)) == len(named)
    keys = [receiver_key(f"{text}/page") for text in texts]
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) for key in keys) and len(set(keys)) == len(keys)


def test_names_that_differ_in_case_alone_stay_two() -> None:
    assert object_name("custom/LateFlights") != object_name("custom/lateFlights")
    assert object_name("model-inference") == "plumbline-model-inference"


def test_each_job_keeps_its_label_its_interval_and_its_targets() -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(render_prometheus(MAIL))["scrape_configs"]}
    specs = {d["spec"]["jobName"]: d["spec"] for d in OBJECTS.values() if d["kind"] == "ScrapeConfig"}
    assert specs.keys() == jobs.keys()
    assert specs[names.JOB_DRIFT]["scrapeInterval"] == "1m"
    assert specs["model-inference"] == {
        "jobName": "model-inference",
        "scrapeInterval": "15s",
        "metricsPath": "/metrics",
        "scheme": "HTTP",
        "httpSDConfigs": [
            {
                "url": "https://plumbline.example.com/api/targets/model-inference",
                "authorization": {"type": "Bearer", "credentials": {"name": "plumbline-tokens", "key": "bundle"}},
                "refreshInterval": "15s",
            }
        ],
    }
    assert specs["prometheus"]["scheme"] == "HTTPS" and specs["prometheus"]["metricsPath"] == "/prom/metrics"
    assert specs["prometheus"]["staticConfigs"] == [
        {
            "targets": ["prometheus.example.com", "second.example.com"],
            "labels": {"service": "prometheus", "environment": "production"},
        }
    ]


def test_the_tree_has_the_routes_receivers_and_inhibitions_of_alertmanager_yml() -> None:
    document = alertmanager_document(FLEET, MAIL, Policies())
    assert [r["name"] for r in ROUTES["receivers"]] == [r["name"] for r in document["receivers"]]
    told, meant = all_routes(ROUTES["route"]), all_routes(document["route"])
    assert [r["receiver"] for r in told] == [r["receiver"] for r in meant]
    assert [r.get("continue") for r in told] == [r.get("continue") for r in meant]
    assert {r["groupWait"] for r in told if "groupWait" in r} == {r["group_wait"] for r in meant if "group_wait" in r}
    assert [len(r.get("matchers", ())) for r in told] == [len(r.get("matchers", ())) for r in meant]
    assert {"name": "team", "matchType": "=", "value": "geo"} in [m for r in told for m in r.get("matchers", ())]
    assert [rule["equal"] for rule in ROUTES["inhibitRules"]] == [rule["equal"] for rule in document["inhibit_rules"]]
    assert {"name": "model_name", "matchType": "!=", "value": ""} in ROUTES["inhibitRules"][0]["sourceMatch"]


def test_hours_on_utc_are_kept_and_those_of_another_clock_are_left_out_with_their_mention() -> None:
    berlin = FleetTeam("berlin", time_zone="Europe/Berlin", receivers=RICH.teams[0].receivers)
    fleet = replace(RICH, teams=(*RICH.teams, berlin))
    spec = rendered(fleet)["kubernetes/alertmanager.yml"]["spec"]
    named = {each["name"]: each for each in spec["muteTimeIntervals"]}
    assert "berlin/hours" not in named and "applied-ml/hours" in named
    assert named["geo/hours"]["timeIntervals"] == [
        {"times": [{"startTime": "09:00", "endTime": "17:00"}], "weekdays": ["monday"]}
    ]
    referred = {name for route in all_routes(spec["route"]) for name in route.get("activeTimeIntervals", ())}
    assert referred and referred <= named.keys()


def test_secrets_are_references_and_no_file_of_one_is_named() -> None:
    text = dump(ROUTES)
    assert "/run/secrets" not in text and "_file" not in text
    by_name = {receiver["name"]: receiver for receiver in ROUTES["receivers"]}
    pager = by_name["ml-platform/page"]["pagerdutyConfigs"][0]
    assert pager["routingKey"] == {"name": "plumbline-receivers", "key": "ml-platform.page"}
    [mail] = by_name["team-email-16/ticket"]["emailConfigs"]
    assert mail["authPassword"] == {"name": "plumbline-tokens", "key": "smtp-password"}
    assert (mail["smarthost"], mail["from"]) == ("mail.example.com:587", "plumbline@example.com")
    [webhook] = by_name["plumbline"]["webhookConfigs"]
    token = {"type": "Bearer", "credentials": {"name": "plumbline-tokens", "key": "webhook"}}
    assert webhook["httpConfig"] == {"authorization": token}
