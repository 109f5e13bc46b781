"""`python -m bench.alerting`: a thousand models, ours beside the naive rendering. See README.md."""

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.alerting import publishing, rendering
from bench.alerting.home import set_up

PARTS = ("render", "publish", "evaluate")
RENDERINGS = ("recorded series alone", "naive", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--teams", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=2, help="of watching each Prometheus")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this (may be repeated)")
    asked = parser.parse_args()
    parts = asked.part or PARTS
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load}\n")
    sizes = sorted({100, asked.models, 5000})
    if "render" in parts:
        _render(asked.teams, sizes)
    if "publish" in parts:
        _publish(asked.teams, sizes)
    if "evaluate" in parts:
        _evaluate(asked.teams, sizes, asked.models, asked.minutes)


def _render(teams: int, sizes: list[int]) -> None:
    print("| models | render, s | CPU, s | queries | peak memory, MB | bundle, KB |\n|---|---|---|---|---|---|")
    for models in sizes:
        r = rendering.measured(models, teams)
        print(
            f"| {models} | {r['seconds']:.2f} | {r['cpu_seconds']:.2f} | {r['queries']} | {r['megabytes']:.0f} |"
            f" {r['bundle_kilobytes']:.0f} |"
        )
    print()


def _publish(teams: int, sizes: list[int]) -> None:
    for models in sizes:
        found = publishing.measured(models, teams)
        steps = [step for step in publishing.STEPS if any(step in held for held in found.values())]
        print(f"| publish of {models} models, s | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
        for step in [*steps, "verified", "evaluated"]:
            told = " | ".join(f"{held[step]:.2f}" if step in held else "" for held in found.values())
            print(f"| {step} | {told} |")
        print(flush=True)


def _evaluate(teams: int, sizes: list[int], models: int, minutes: float) -> None:
    """Beside the naive rendering for `models`, and ours alone for the other sizes."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as home:
        set_up(Path(home))
        from django.core.management import call_command  # noqa: PLC0415  Django is set up by now

        call_command("migrate", verbosity=0)
        print(
            "| models | store | rules | how many | promtool, CPU s | reload, s | CPU s a minute | groups, s a minute |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for size in sizes:
            _watched(size, teams, ("ours",) if size != models else RENDERINGS, minutes)


def _watched(models: int, teams: int, renderings: Sequence[str], minutes: float) -> None:
    from alerts.rules import render_rules  # noqa: PLC0415  Django is set up by now
    from bench.alerting import exposition, fleet, naive  # noqa: PLC0415
    from bench.alerting.evaluating import cost  # noqa: PLC0415
    from controlplane.rendering import render_options  # noqa: PLC0415

    held, policies = fleet.in_memory(models, teams)
    options = render_options()
    ours = {p: text for p, text in render_rules(held, policies, options).items() if "/rules/" in p}
    recording = {p: text for p, text in ours.items() if p.endswith("recording.yml")}
    theirs = recording | naive.naive_rules(held, policies, options)
    files = {"recorded series alone": recording, "naive": theirs, "ours": ours}
    for store, text in (("quiet fleet", exposition.text(models)), ("empty", "")):
        with exposition.served(text) as target:
            for name in renderings:
                c = asdict(cost(files[name], target, options.evaluation_interval, minutes))
                told = " | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in c.values())
                print(f"| {models} | {store} | {name} | {told} |", flush=True)


if __name__ == "__main__":
    main()
