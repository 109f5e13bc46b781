"""What a release must pass before any server sees it. Each check raises CheckRefused with its reason, or returns.

promtool and amtool know the syntax. They let pass what only shows when it runs: two rules with equal labels, and
matches of many with many; the first is found here, the second by asking Prometheus for each new expression.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from alerts.http import Refused, Unreachable, without_password
from alerts.prometheus import Prometheus
from alerts.slim import digest, joined, pattern_faults, slim_proofs
from controlplane.bundle import ALERTMANAGER_CONFIG, PROMETHEUS_CONFIG, RULES_FOLDER, TESTS_FOLDER, Bundle
from controlplane.publishing.patience import NEVER, Deadline
from controlplane.publishing.proven import PROVEN, ProvenFile
from controlplane.publishing.rendered_rules import (
    BadRules,
    Key,
    RenderedGroup,
    RenderedRule,
    duplicates,
    groups_of,
    parse_yaml,
)
from controlplane.stack import binaries

TOOL_SECONDS = 60  # rule tests of a large fleet included
REASON_CHARACTERS = 6000
OVERLOADED = 503  # Prometheus' answer where a query took too long: it says nothing about the rule
PROMTOOL = ("prometheus", "promtool")
AMTOOL = ("prometheus-alertmanager", "amtool")
MOST_NAMED = 5


class CheckRefused(Exception):
    """The release is refused. The message says by whom, and repeats the reason."""


class CheckImpossible(Exception):
    """A check that could not be made, through no fault of the release: worth another try later."""


def check_rules_readable(bundle: Bundle) -> dict[Key, RenderedGroup]:
    """The groups of the bundle, where each rule is one of a kind."""
    try:
        groups = groups_of(bundle)
    except BadRules as error:
        raise CheckRefused(str(error)) from error
    if clashes := duplicates(groups):
        raise CheckRefused("\n".join(clashes[:20]))
    rules = [(group, rule) for group in groups.values() for rule in group.rules]
    if unowned := [f"{rule.name} ({group.name}): {f}" for group, rule in rules for f in pattern_faults(rule.expr)]:
        raise CheckRefused("\n".join(unowned[:20]))
    return groups


def check_with_promtool(folder: Path, bundle: Bundle, deadline: Deadline = NEVER) -> None:
    """`promtool check config` and `check rules` on the release in `folder`."""
    _run(PROMTOOL, ["check", "config", PROMETHEUS_CONFIG], folder, deadline)
    if rules := list(bundle.folder(RULES_FOLDER)):
        _run(PROMTOOL, ["check", "rules", *rules], folder, deadline)


def check_rule_tests(folder: Path, bundle: Bundle, base: Bundle | None, deadline: Deadline = NEVER) -> int:
    """`promtool test rules`, in one call, on every test that neither `base` nor an earlier release has passed alike.

    How many ran. They run on slim copies of the rules (alerts.slim), so that a model more, which is in each default
    rule's pattern, proves nothing anew; what passed is noted beside `folder`.
    """
    try:
        tests = [path for path in bundle.folder(TESTS_FOLDER) if base is None or _differs(path, bundle, base)]
        proofs = slim_proofs(bundle.files, tests)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise CheckRefused(f"The rule tests can't be read: {type(error).__name__}: {error}") from error
    proven = ProvenFile(folder.parent / PROVEN)
    known = proven.read()
    digests = {test: digest(proof) for test, proof in proofs.items()}
    new = {test: proof for test, proof in proofs.items() if digests[test] not in known}
    if new:
        run_proofs(new, deadline)
        proven.add([digests[test] for test in new])
    return len(new)


def run_proofs(proofs: Mapping[str, Mapping[str, str]], deadline: Deadline = NEVER) -> None:
    """`promtool test rules` on `proofs`: each test's path, and its files by path."""
    with tempfile.TemporaryDirectory(prefix="plumbline-proofs-") as name:
        scratch = Path(name)
        arguments = []
        for number, (test, files) in enumerate(proofs.items()):
            # Each in a place of its own: two tests keep different parts of one rule file.
            for path, text in files.items():
                file = scratch / str(number) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            arguments.append(f"{number}/{test}")
        _run(PROMTOOL, ["test", "rules", *arguments], scratch, deadline)


def check_with_amtool(folder: Path, deadline: Deadline = NEVER) -> None:
    """`amtool check-config` on the release in `folder`."""
    _run(AMTOOL, ["check-config", ALERTMANAGER_CONFIG], folder, deadline)


def check_expressions(
    prometheus: Prometheus, rules: list[tuple[RenderedGroup, RenderedRule]], deadline: Deadline = NEVER
) -> None:
    """Prometheus answers each expression without an error on the data it has; Unreachable where it does not answer.

    CheckImpossible where it is too slow to answer them all: it has to evaluate them all in every interval, too.
    """
    for number, (group, rule) in enumerate(rules):
        if deadline.passed:
            raise CheckImpossible(_not_asked([left.name for _, left in rules[number:]], len(rules), prometheus))
        try:
            prometheus.query(rule.expr)
        except Refused as error:
            if error.status == OVERLOADED:
                raise Unreachable(prometheus.url, f"it did not answer {rule.name}: {error.message}") from error
            raise CheckRefused(
                f"Prometheus can't evaluate {rule.name} (group {group.name} of {group.path}): {error.message}\n"
                f"The expression is: {rule.expr}"
            ) from error


def _differs(test: str, bundle: Bundle, base: Bundle) -> bool:
    """Whether a test, or a rule file that it reads, is not the same in `base`."""
    if bundle.text(test) != base.text(test):
        return True
    content = parse_yaml(bundle.text(test))
    files = content.get("rule_files", []) if isinstance(content, Mapping) else []
    paths = [joined(test, file) for file in files]
    return any(bundle.text(path) != base.text(path) for path in paths)


def _not_asked(left: list[str], of: int, prometheus: Prometheus) -> str:
    names = list(dict.fromkeys(left))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return (
        f"{len(left)} of {of} new expressions were not checked in time: {without_password(prometheus.url)} is too slow"
        f" over the others. Not asked for: {', '.join(names[:MOST_NAMED])}{more}. It would have to evaluate all of them"
        " in each interval: give it rest or CPU."
    )


def _run(tool: tuple[str, str], arguments: list[str], folder: Path, deadline: Deadline) -> None:
    package, name = tool
    try:
        binary = binaries.find(package, name)
    except binaries.MissingBinaryError as error:
        raise CheckImpossible(str(error)) from error
    what, seconds = f"{name} {' '.join(arguments[:2])}", min(TOOL_SECONDS, deadline.left)
    try:
        done = subprocess.run(
            [binary, *arguments], cwd=folder, capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise CheckImpossible(f"{what} was not done within {seconds:.3g} s.") from error
    if done.returncode:
        said = "\n".join(line for line in (done.stdout + done.stderr).splitlines() if _tells(line))
        raise CheckRefused(f"{what} refuses it:\n{said[-REASON_CHARACTERS:] or f'exit code {done.returncode}'}")


def _tells(line: str) -> bool:
    """Whether a line of a tool's output says something about what is wrong."""
    text = line.strip()
    noise = text.startswith(("SUCCESS", "Checking", "Unit Testing", "WARNING")) and "FAILED:" not in text
    return text not in ("", "FAILED:") and not noise
