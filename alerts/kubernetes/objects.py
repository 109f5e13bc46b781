"""The bundle's rules, scrape jobs and routes as objects of the Prometheus operator. Pure.

One object a file under kubernetes/. Whoever applies them (kubectl, Argo CD, Flux) is no part of Plumbline. Secrets are
referred to by name and key, never rendered. docs/kubernetes.md says what the operator can't express.
"""

import re
from collections.abc import Mapping
from typing import Any

from alerts.kubernetes.names import PREFIX, TOKENS, object_name, secret_key
from alerts.kubernetes.routing import alertmanager_spec
from alerts.options import RenderOptions
from alerts.policies import Policies
from alerts.routing import alertmanager_document
from alerts.scraping import fixed_targets, target_groups
from alerts.yaml_text import HEADER, dump, load
from models_registry.fleet import Fleet
from telemetry import names
from telemetry.promql import duration

FOLDER = "kubernetes/"
_RULES = "prometheus/rules/"
# Bytes of a rule file. Over 512 KiB the operator, which writes it anew, takes no rule at all; half of that is safe.
LARGEST = 256 * 1024
_GROUP = re.compile("^(?=- )", re.MULTILINE)
# What YAML takes for the end of a line; every line after one is indented, even inside a text.
_NEXT_LINE = re.compile("([\n\x85\u2028\u2029])(?=[^\n\x85\u2028\u2029])")


def render_kubernetes(
    namespace: str,
    rendered: Mapping[str, str],
    prometheus: str,
    fleet: Fleet,
    options: RenderOptions,
    policies: Policies,
) -> dict[str, str]:
    """Path in the bundle -> text. `rendered` holds the rule files by their paths, `prometheus` is prometheus.yml."""
    files = {
        f"{FOLDER}rules/{name}.yml": _prometheus_rule(namespace, name, groups)
        for path, text in rendered.items()
        if path.startswith(_RULES)
        for name, groups in _parts(path.removeprefix(_RULES).removesuffix(".yml"), text.removeprefix(HEADER))
    }
    for job in load(prometheus)["scrape_configs"]:
        spec = _scrape_spec(job, options)
        text = dump(_object("v1alpha1", "ScrapeConfig", namespace, object_name(job["job_name"])) | {"spec": spec})
        files[f"{FOLDER}scrape/{job['job_name']}.yml"] = text
    routes = _object("v1alpha1", "AlertmanagerConfig", namespace, PREFIX)
    routes["spec"] = alertmanager_spec(alertmanager_document(fleet, options, policies))
    return files | {f"{FOLDER}alertmanager.yml": dump(routes)}


def _object(version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
    """An object of the operator's without its spec. Its labels are what selectors and `--prune` find it by."""
    labels = {"app.kubernetes.io/managed-by": PREFIX, "app.kubernetes.io/part-of": PREFIX}
    return {
        "apiVersion": f"monitoring.coreos.com/{version}",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    }


def _parts(name: str, text: str) -> list[tuple[str, str]]:
    """Name and text of each object that a rule file becomes: one, or one for each group where it is too large.

    Not as many groups as fit: then an edit would move groups from one object to another, and reset their alerts.
    """
    if len(text.encode()) <= LARGEST:
        return [(name, text)]
    head, *groups = _GROUP.split(text)
    return [(f"{name}/{object_name(load(group)[0]['name'])}", head + group) for group in groups]


def _prometheus_rule(namespace: str, name: str, text: str) -> str:
    """Rule groups inside a PrometheusRule, their lines as they are: reading and writing them again costs seconds."""
    head = dump(_object("v1", "PrometheusRule", namespace, object_name(name)))
    return f"{head}spec:\n  " + _NEXT_LINE.sub(r"\1  ", text)


def _scrape_spec(job: Mapping[str, Any], options: RenderOptions) -> dict[str, Any]:
    """A job of prometheus.yml. The intervals are written out, as the operator's own default is another one."""
    name = job["job_name"]
    spec = {
        "jobName": name,
        "scrapeInterval": job.get("scrape_interval", duration(options.scrape_interval)),
        "metricsPath": job["metrics_path"],
        "scheme": job.get("scheme", "http").upper(),
    }
    if name == names.JOB_INFERENCE:
        # Replicas announce themselves to Plumbline, which tells Prometheus; it keeps the last ones while we are down.
        token = {"type": "Bearer", "credentials": secret_key(TOKENS, "bundle")}
        url = f"{options.plumbline_url}/api/targets/{name}"
        return spec | {"httpSDConfigs": [{"url": url, "authorization": token, "refreshInterval": "15s"}]}
    return spec | {"staticConfigs": target_groups(name, fixed_targets(options)[name], options)}
