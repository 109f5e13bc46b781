"""Whether the servers run a bundle, by what their own APIs say: compared by meaning, since they rewrite what they load.

Tried on Prometheus 2.42 and 2.53: the rules API gives expressions in Prometheus' own spelling, durations in seconds,
files as the configuration names them; /api/v1/status/config gives the configuration with defaults filled in, durations
respelt (60s is 1m), paths joined to the folder of the file, false and empty values left out, secrets blotted out.
Alertmanager (0.25 and 0.28) shows a rewritten text as well, but its metric alertmanager_config_hash is made of the
bytes of the file.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import promql_parser

from alerts.alertmanager import Alertmanager, config_hash_of
from alerts.prometheus import LoadedRule, Prometheus, RuleGroup
from controlplane.bundle import ALERTMANAGER_CONFIG, PROMETHEUS_CONFIG, Bundle
from controlplane.publishing.rendered_rules import Key, RenderedGroup, RenderedRule, groups_of, parse_yaml, path_of
from telemetry import promql

HIDDEN = "<secret>"
# What a server leaves out when it shows its configuration.
NOTHING: tuple[Any, ...] = ("", "false", "0", "0s", None, [], {})


def prometheus_differences(prometheus: Prometheus, bundle: Bundle) -> list[str]:
    """What Prometheus runs otherwise than `bundle` says."""
    loaded = {(path_of(group.file), group.name): group for group in prometheus.rules()}
    wanted = groups_of(bundle)
    found = [f"Prometheus has not loaded group {name} of {path}" for path, name in sorted(wanted.keys() - loaded)]
    found += [f"Prometheus still has group {name} of {path}" for path, name in sorted(loaded.keys() - wanted)]
    for key in sorted(wanted.keys() & loaded):
        found += _group_differences(key, wanted[key], loaded[key], prometheus.format_query)
    shown = parse_yaml(prometheus.config_text())
    return found + [
        f"Prometheus runs another configuration: {where}"
        for where in config_differences(parse_yaml(bundle.text(PROMETHEUS_CONFIG)), shown)
    ]


def alertmanager_differences(alertmanager: Alertmanager, bundle: Bundle) -> list[str]:
    """What Alertmanager runs otherwise than `bundle` says."""
    if alertmanager.config_hash() == config_hash_of(bundle.text(ALERTMANAGER_CONFIG)):
        return []
    return ["Alertmanager runs another configuration"]


def config_differences(wanted: Any, shown: Any, where: str = "") -> list[str]:
    """The places where `shown`, a server's rewritten configuration, is not what `wanted` asks for."""
    if wanted in NOTHING and shown in NOTHING:
        return []
    if isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        return [d for key, value in wanted.items() for d in config_differences(value, shown.get(key), f"{where}.{key}")]
    if isinstance(wanted, list) and isinstance(shown, list) and len(wanted) == len(shown):
        pairs = enumerate(zip(wanted, shown, strict=True))
        return [d for i, (one, other) in pairs for d in config_differences(one, other, f"{where}[{i}]")]
    if isinstance(wanted, str) and isinstance(shown, str) and _same_text(wanted, shown):
        return []
    return [f"{where.lstrip('.') or 'all of it'}: {_short(shown)} instead of {_short(wanted)}"]


@lru_cache(maxsize=20_000)
def canonical(expr: str) -> str:
    """`expr` in one spelling of all those that mean the same; itself where the parser does not know it."""
    try:
        return str(promql_parser.parse(expr))
    except ValueError:
        return expr


def _group_differences(key: Key, wanted: RenderedGroup, loaded: RuleGroup, spelling: Callable[[str], str]) -> list[str]:
    path, name = key
    where = f"group {name} of {path}"
    if [r.name for r in wanted.rules] != [r.name for r in loaded.rules]:
        return [f"Prometheus runs other rules in {where}"]
    found = [
        f"Prometheus runs another {one.name} in {where}"
        for one, other in zip(wanted.rules, loaded.rules, strict=True)
        if not _same_rule(one, other, spelling)
    ]
    if wanted.interval_seconds != loaded.interval_seconds:
        found.append(f"Prometheus evaluates {where} every {loaded.interval_seconds:g} s")
    return found


def _same_rule(wanted: RenderedRule, loaded: LoadedRule, spelling: Callable[[str], str]) -> bool:
    same = (wanted.kind, wanted.labels, wanted.annotations, wanted.for_seconds, wanted.keep_firing_seconds) == (
        loaded.kind,
        loaded.labels,
        loaded.annotations,
        loaded.for_seconds,
        loaded.keep_firing_seconds,
    )
    # The parser is quick; where it sees a difference, Prometheus itself decides.
    return same and (
        canonical(wanted.expr) == canonical(loaded.query) or spelling(wanted.expr) == spelling(loaded.query)
    )


def _same_text(wanted: str, shown: str) -> bool:
    if wanted == shown or shown == HIDDEN or shown.endswith("/" + wanted):
        return True
    try:
        return promql.seconds(wanted) == promql.seconds(shown)
    except ValueError:
        return False


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
