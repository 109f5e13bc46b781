"""Quoting, as Prometheus itself reads it: promtool's engine answers with exactly the series that were asked for."""

import json
import subprocess
from pathlib import Path

from telemetry.promql import alternatives, equals, one_of, quote, selector

# Each differs from another by what a careless quoting would swallow.
NAMES = (
    "a",
    "ab",
    "a|b",
    "b",
    ".",
    ".*",
    "a.b",
    "axb",
    "a\\b",
    "a\\\\b",
    'a"b',
    "a'b",
    "a`b",
    "a\nb",
    "a\tb",
    "a\x01b",
    "a\x7fb",
    "a b",
    "a-b",
    "[a-c]",
    "(a)",
    "a{2}",
    "aa",
    "^a$",
    "$a",
    "${a}",
    "{{ a }}",
    "\\d",
    "7",
    "\\x41",
    "A",
    "\\Qa\\E",
    "(?i)a",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "e\N{COMBINING ACUTE ACCENT}",
    "\u7279\u5fb4",
    "\N{ROCKET}",
    "\N{NO-BREAK SPACE}",
)


def test_every_name_and_every_set_of_names_selects_itself_and_nothing_else(tmp_path: Path) -> None:
    sets = [{name} for name in NAMES] + [set(NAMES[n::5]) for n in range(5)] + [set(NAMES)]
    asked = [(selector("m", equals("n", name)), {name}) for name in NAMES]
    asked += [(selector("m", one_of("n", names)), names) for names in sets]
    asked += [(f"m{{n!~{quote(alternatives(names))}}}", set(NAMES) - names) for names in sets]
    document = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": selector("m", equals("n", name)), "values": "1"} for name in NAMES],
                "promql_expr_test": [
                    {
                        "expr": expression,
                        "eval_time": "0m",
                        "exp_samples": [{"labels": selector("m", equals("n", n)), "value": 1} for n in sorted(found)],
                    }
                    for expression, found in asked
                ],
            }
        ],
    }
    file = tmp_path / "names.yml"
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    ended = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
