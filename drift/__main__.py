"""`python -m drift`: baseline profiles and comparisons from Parquet files, without Django and without a database."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from drift.engine.baseline import BaselineFacts, Expected, baseline_problem
from drift.engine.build import DEFAULT_BINS, DEFAULT_CATEGORIES, Recipe, choose_features, profile_of
from drift.engine.compare import compare
from drift.engine.duck import Limits, open_table
from drift.engine.errors import ScanError
from drift.engine.policy import Policy
from drift.engine.profile import Profile, ProfileError, from_text
from drift.engine.report import table
from drift.engine.scan import Columns, Question, Window, count
from drift.engine.verdict import DRIFTED, OK, Verdict
from telemetry import predictions

EXIT_CODES = {OK: 0, DRIFTED: 1}
PROBLEM = 2
PREDICTION_LOG = Columns(
    feature_prefix=predictions.FEATURE_PREFIX,
    timestamp=predictions.TIMESTAMP,
    score=predictions.SCORE,
    predicted_class=predictions.PREDICTED_CLASS,
    defaulted=predictions.DEFAULTED,
)
DESCRIPTION = """\
Make a baseline profile from Parquet, and compare later rows with it.

  python -m drift profile --data training.parquet --out baseline.json --exclude id
  python -m drift compare --baseline baseline.json --data last_week.parquet
"""
DATA_HELP = "a Parquet file, or a folder with Parquet files at any depth (such as one version's prediction log)"
COLUMN_HELP = "Columns named feature:<name> are taken as a prediction log with its own columns; else name them here."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 nothing drifted (or the profile is written), 1 drifted, 2 no verdict, with the reason."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ScanError, ProfileError, OSError, ValueError) as error:
        print(f"drift: {error}", file=sys.stderr)
        return PROBLEM


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m drift", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(required=True, metavar="profile|compare")
    profile = commands.add_parser("profile", help="make a baseline profile", epilog=COLUMN_HELP)
    profile.add_argument("--out", required=True, type=Path, metavar="B.json", help="where the profile is written")
    names = "names, separated by commas; quote one that holds a comma"
    profile.add_argument("--columns", type=_names, default=[], metavar="A,B", help=f"only these features: {names}")
    profile.add_argument("--exclude", type=_names, default=[], metavar="A,B", help="all features but these")
    profile.add_argument("--categorical", type=_names, default=[], metavar="A,B", help="numbers that are categories")
    profile.add_argument(
        "--bins", type=_at_least(2), default=DEFAULT_BINS, help="quantile bins per number (%(default)s)"
    )
    profile.add_argument(
        "--max-categories",
        type=_at_least(1),
        default=DEFAULT_CATEGORIES,
        help="the rest is counted as other (%(default)s)",
    )
    _add_source(profile)
    profile.set_defaults(run=_profile)
    comparison = commands.add_parser(
        "compare",
        help="compare rows with a baseline profile",
        epilog=f"{COLUMN_HELP} Exit codes: 0 nothing drifted, 1 drifted, 2 no verdict.",
    )
    comparison.add_argument("--baseline", required=True, type=Path, metavar="B.json", help="what profile wrote")
    comparison.add_argument("--json", action="store_true", help="the whole verdict as JSON instead of a table")
    defaults = Policy()
    comparison.add_argument("--psi", type=_positive, default=defaults.psi, help="threshold of PSI (%(default)s)")
    comparison.add_argument(
        "--min-rows", type=_at_least(1), default=defaults.min_rows, help="rows it takes (%(default)s)"
    )
    _add_source(comparison)
    comparison.set_defaults(run=_compare)
    return top


def _add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", required=True, type=Path, metavar="P", help=DATA_HELP)
    command.add_argument("--timestamp", metavar="COLUMN", help="the column that holds the time")
    command.add_argument("--score", metavar="COLUMN", help="the column that holds the model's score")
    command.add_argument("--predicted-class", metavar="COLUMN", help="the column that holds the predicted class")
    command.add_argument("--from", dest="start", type=_instant, metavar="TIME", help="rows from then on (ISO 8601)")
    command.add_argument("--to", dest="end", type=_instant, metavar="TIME", help="rows before then (ISO 8601)")
    limits = Limits()
    command.add_argument("--threads", type=int, default=limits.threads, help="(%(default)s)")
    command.add_argument("--memory", type=int, default=limits.memory_megabytes, metavar="MB", help="(%(default)s)")
    command.add_argument("--timeout", type=float, default=limits.timeout_seconds, metavar="S", help="(%(default)g)")


def _profile(options: argparse.Namespace) -> int:
    with open_table(parquet_files(options.data), _limits(options)) as data:
        columns = _columns(options, data.types)
        choice = choose_features(data.types, columns, options.columns, options.exclude, options.categorical)
        recipe = Recipe(
            choice.kinds, columns, window=_window(options), bins=options.bins, max_categories=options.max_categories
        )
        profile = profile_of(data, recipe)
    options.out.write_text(profile.text() + "\n", encoding="utf-8")
    for name, reason in choice.skipped.items():
        print(f"left out {name}: {reason}")
    print(f"{profile.rows} rows, {len(profile.features)} features, SHA-256 {profile.content_hash()}")
    return EXIT_CODES[OK]


def _compare(options: argparse.Namespace) -> int:
    baseline = from_text(options.baseline.read_bytes())
    policy = Policy(psi=options.psi, min_rows=options.min_rows)
    verdict = _unusable(baseline, policy)
    if verdict is None:
        with open_table(parquet_files(options.data), _limits(options)) as data:
            current = count(data, Question(baseline, _columns(options, data.types), window=_window(options)))
        verdict = compare(baseline, current, policy)
    print(json.dumps(verdict.document(), indent=2, ensure_ascii=False) if options.json else table(verdict))
    return EXIT_CODES.get(verdict.state, PROBLEM)


def _unusable(baseline: Profile, policy: Policy) -> Verdict | None:
    """A profile in a file is frozen by being one, and its population is what the caller says by comparing."""
    facts = BaselineFacts(baseline.document(), baseline.content_hash(), frozen=True, population="", age_seconds=0)
    problem = baseline_problem(facts, Expected("", baseline.kinds()), policy)
    return Verdict(problem.state, problem.reason) if problem else None


def parquet_files(path: Path) -> list[Path]:
    """`path`, or the Parquet files below it; ValueError where there is none. Files being written start with a dot."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.parquet") if not file.name.startswith("."))
        if not files:
            raise ValueError(f"There is no Parquet file in {path}.")
        return files
    if not path.exists():
        raise ValueError(f"There is no file or folder {path}.")
    return [path]


def _columns(options: argparse.Namespace, types: dict[str, str]) -> Columns:
    if any(name.startswith(predictions.FEATURE_PREFIX) for name in types):
        return PREDICTION_LOG
    return Columns(timestamp=options.timestamp, score=options.score, predicted_class=options.predicted_class)


def _window(options: argparse.Namespace) -> Window | None:
    if options.start is None and options.end is None:
        return None
    return Window(options.start or datetime.min.replace(tzinfo=UTC), options.end or datetime.max.replace(tzinfo=UTC))


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(options.threads, options.memory, options.timeout)


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.lstrip("+-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return int(text)

    return number


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _names(text: str) -> list[str]:
    return next(csv.reader([text]), [])


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: write it like 2015-07-01T00:00:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
