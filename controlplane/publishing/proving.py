"""All proofs of a bundle, whatever has passed before: on demand, by an operator or on a release's page."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from alerts.slim import joined, slim_proofs
from controlplane.bundle import TESTS_FOLDER, Bundle
from controlplane.publishing.checks import CheckImpossible, CheckRefused, run_proofs
from controlplane.publishing.rendered_rules import parse_yaml

# In one call of promtool, which has its own limit of seconds.
AT_ONCE = 20

Proofs = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Proven:
    """How it ended. `passed` is None where the proofs could not be run; `reason` says why they failed, or were not."""

    passed: bool | None
    files: int
    seconds: float
    reason: str = ""

    def __str__(self) -> str:
        how = {True: "passed", False: "failed", None: "could not be run"}[self.passed]
        return f"{self.files} proof files {how} in {self.seconds:.1f} s"


def prove(bundle: Bundle, *, whole_rules: bool = False, say: Callable[[str], None] = lambda _: None) -> Proven:
    """Run all of them: on copies of the rules cut down to what each can see, or on the `whole_rules`."""
    started = time.monotonic()

    def ended(passed: bool | None, reason: str = "") -> Proven:
        return Proven(passed, len(tests), time.monotonic() - started, reason)

    tests = list(bundle.folder(TESTS_FOLDER))
    try:
        proofs = _whole(bundle, tests) if whole_rules else slim_proofs(bundle.files, tests)
        for number in range(0, len(tests), AT_ONCE):
            some = tests[number : number + AT_ONCE]
            run_proofs({test: proofs[test] for test in some})
            say(f"{number + len(some)} of {len(tests)} proof files passed")
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        return ended(False, f"The proofs can't be read: {type(error).__name__}: {error}")
    except CheckRefused as error:
        return ended(False, str(error))
    except CheckImpossible as error:
        return ended(None, str(error))
    return ended(True)


def _whole(bundle: Bundle, tests: list[str]) -> Proofs:
    """Each test with the rule files that it names, as they stand."""
    return {
        test: {test: bundle.text(test)}
        | {
            path: bundle.files[path]
            for file in (parse_yaml(bundle.text(test)) or {}).get("rule_files") or []
            for path in [joined(test, file)]
            if path in bundle.files
        }
        for test in tests
    }
