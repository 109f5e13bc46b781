"""What rules cost Prometheus: checking, loading again, evaluating, with a quiet fleet's series in its store."""

import re
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from controlplane.stack import binaries
from controlplane.stack.prometheus import Prometheus

WARM_UP_SECONDS = 75  # two evaluations, the first of which is dearer
TIMEOUT = 120


@dataclass(frozen=True)
class Cost:
    """Seconds, but for `rules`. CPU is what the whole server used in a minute; `groups` what its rule groups took."""

    rules: int
    promtool: float
    reload: float
    cpu_a_minute: float
    groups_a_minute: float


def cost(files: Mapping[str, str], target: str, interval: int, minutes: float) -> Cost:
    """Of the rule files in `files`, beside a scrape of `target`, both every `interval` seconds."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as name:
        folder = Path(name)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        config = folder / "prometheus/prometheus.yml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(_config(target, interval))
        checked = _promtool(folder)
        server = Prometheus(config, folder / "server")
        server.ready_timeout = TIMEOUT
        with server:
            time.sleep(WARM_UP_SECONDS)
            cpu, started = _cpu(server.url), time.monotonic()
            time.sleep(60 * minutes)
            used = (_cpu(server.url) - cpu) / (time.monotonic() - started) * 60
            reloaded = statistics.median(_reload(server.url, folder, minutes) for minutes in (7, 8, 9))
            groups = sum(_values(server.url, "prometheus_rule_group_last_duration_seconds")) * 60 / interval
    count = sum(text.count("\n  - alert: ") + text.count("\n  - record: ") for text in files.values())
    return Cost(count, checked, reloaded, used, groups)


def _config(target: str, interval: int) -> str:
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "15s", "evaluation_interval": f"{interval}s"},
            "rule_files": [f"rules/{folder}*.yml" for folder in ("", "health/", "quality/", "models/")],
            "scrape_configs": [{"job_name": "fleet", "static_configs": [{"targets": [target]}]}],
        }
    )


def _promtool(folder: Path) -> float:
    """CPU seconds of `promtool check rules` on all files."""
    rules = sorted(str(file) for file in (folder / "prometheus/rules").rglob("*.yml"))
    if not rules:
        return 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    promtool = binaries.find("prometheus", "promtool")
    subprocess.run([promtool, "check", "rules", *rules], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _reload(url: str, folder: Path, for_minutes: int) -> float:
    """Seconds. One rule changes, as in an edit: all files are read again, and the others' state is kept."""
    _change_one(folder, for_minutes)
    started = time.monotonic()
    requests.post(f"{url}/-/reload", timeout=TIMEOUT).raise_for_status()
    return time.monotonic() - started


def _change_one(folder: Path, for_minutes: int) -> None:
    """Another `for` in the first rule that has one."""
    for file in sorted((folder / "prometheus/rules").rglob("*.yml")):
        text = file.read_text(encoding="utf-8")
        changed = re.sub(r"\n    for: \S+", f"\n    for: {for_minutes}m", text, count=1)
        if changed != text:
            file.write_text(changed, encoding="utf-8")
            return


def _cpu(url: str) -> float:
    return sum(_values(url, "process_cpu_seconds_total"))


def _values(url: str, metric: str) -> list[float]:
    """The samples of `metric` that the server tells of itself."""
    answer = requests.get(f"{url}/metrics", timeout=TIMEOUT)
    return [float(found) for found in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", answer.text, re.MULTILINE)]
