"""Bundles made by hand: as small as servers accept, so that a test shows just what it changes."""

from controlplane.bundle import Bundle

STEADY = "prometheus/rules/health/Steady.yml"
OTHER = "prometheus/rules/health/Other.yml"
# Two series of one name on each side: many match many.
TWO = '(label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))'
MANY_TO_MANY = f"{TWO} * on () {TWO}"


def rule_group(name: str, *rules: str) -> str:
    """A rule file with one group; each rule is the inside of a YAML flow mapping."""
    return f"groups:\n- name: {name}\n  rules:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)


def alert(name: str, expr: str, policy: str = "default", extra: str = "") -> str:
    """An alert rule for `rule_group`."""
    return f"alert: {name}, expr: '{expr}', labels: {{policy: '{policy}', severity: page}}{extra}"


def bundle(alertmanager: str, /, files: dict[str, str] | None = None, *, group_wait: str = "1s") -> Bundle:
    """One alert that always fires, and a route to nowhere; `files` are added, or replace."""
    return Bundle(
        {
            "prometheus/prometheus.yml": (
                "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
                f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n"
                "rule_files: [rules/*.yml, rules/health/*.yml]\n"
                "scrape_configs:\n"
                "- {job_name: model-inference, file_sd_configs: [{files: ['targets/*.json'], refresh_interval: 60s}]}\n"
            ),
            "alertmanager/alertmanager.yml": (
                f"route: {{receiver: nobody, group_wait: {group_wait}}}\nreceivers: [{{name: nobody}}]\n"
            ),
            STEADY: rule_group("Steady:default", alert("Steady", "vector(1)")),
            **(files or {}),
        }
    )


def rule_test(alert_name: str, rule_file: str, *, fires: bool) -> str:
    """A promtool test that says whether an alert without input series fires."""
    expected = "[{exp_labels: {policy: default, severity: page}}]" if fires else "[]"
    return (
        f"rule_files: [../{rule_file}]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series: []\n"
        f"  alert_rule_test: [{{eval_time: 5m, alertname: {alert_name}, exp_alerts: {expected}}}]\n"
    )
