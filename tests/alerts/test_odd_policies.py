"""Whatever limits, window and `for` a policy is allowed, its rules can be rendered and their proofs pass.

A policy whose proof fails is refused at publishing, and one that can't be rendered would stop all publishing.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from alerts.burn_proofs import over_time, step_of
from alerts.burn_rate import BAD_ANSWERS
from alerts.catalogue import KINDS
from alerts.guards import REQUESTS_PER_MINUTE
from alerts.kind import AlertKind, Parameter, Scope
from alerts.kinds.error_budget_burn import NAME as BURN
from alerts.objectives import PERIOD_DAYS, TARGET, ObjectiveRow
from alerts.policies import Policies, PolicyRow
from alerts.policy_fields import SMALLEST_LIMIT, WINDOW, check_policy
from alerts.rules import render_rules
from alerts.slim import slim_proofs
from tests.alerts import tools
from tests.alerts.fleets import OPTIONS, SMALL, feature, model, written

_DAY = 86400
# Each of them once failed its proof, took promtool minutes, or could not be rendered.
ODD = [
    PolicyRow("MLInferenceSaturated", thresholds={"in_flight": 0.12345678901234, "requests_per_minute": 1e6}, for_=30),
    PolicyRow("MLCanaryWorse", thresholds={"latency_factor": math.nextafter(1, 2)}),
    PolicyRow("MLCanaryWorse", thresholds={"error_factor": 7, "error_margin": 0.9, "requests": 1}),
    PolicyRow("MLReplicaRestarting", thresholds={"starts": 0.9999999999999}),
    PolicyRow("MLReplicaRestarting", thresholds={"starts": 1000}, window=97, for_=3600),
    PolicyRow("MLReplicaRestarting", thresholds={"starts": 0.2}, window=_DAY, for_=600),
    PolicyRow("MLDriftManyFeatures", thresholds={"features": 2.1, "fewest": 100, "share": 0.3}),
    PolicyRow("MLFeatureMissingRatioHigh", thresholds={"ratio": SMALLEST_LIMIT}),
    PolicyRow("MLPredictionDistributionShift", thresholds={"shift": 0.001, "requests_per_minute": 1e6}, for_=30),
    PolicyRow("MLInvalidInputHigh", thresholds={"ratio": 0.0001, "requests_per_minute": 1e6}, window=2 * 3600, for_=1),
    PolicyRow("MLInferenceHighErrorRate", thresholds={"errors": 1e6}, window=_DAY),
    PolicyRow("MLInferenceSaturated", window=60, for_=_DAY),
    PolicyRow("MLServingDown", window=3600, for_=_DAY),
    PolicyRow("PlumblineDown", thresholds={"stopped": 7 * _DAY}),
]


def limits(parameter: Parameter) -> st.SearchStrategy[float]:
    """Of the numbers that are accepted, rather the odd ones."""
    lowest = parameter.minimum or SMALLEST_LIMIT
    highest = parameter.maximum if parameter.maximum is not None else 1e6
    bounds = [parameter.minimum, lowest, math.nextafter(highest, 0), highest]
    return st.sampled_from([*bounds, parameter.default]) | st.floats(lowest, highest)


@st.composite
def policies(draw: st.DrawFn, kind: AlertKind, times: bool = True) -> PolicyRow:
    """A policy for everybody. `times`: with a window and a `for` of its own, too."""
    thresholds = {p.name: draw(limits(p)) for p in kind.parameters}
    window = draw(st.none() | st.integers(60, WINDOW[1])) if times and kind.window else None
    waits = draw(st.none() | st.integers(0, kind.longest_for)) if times and kind.variants is None else None
    return PolicyRow(kind.name, thresholds=thresholds, window=window, for_=waits)


def rendered(rows: list[PolicyRow]) -> dict[str, str]:
    """The rules of a model for each of the policies, and of Plumbline itself."""
    for row in rows:
        checked = {"thresholds": row.thresholds, "window_seconds": row.window, "for_seconds": row.for_}
        assert not check_policy(row.alert, scoped=False, **checked), row
    of_models = [row for row in rows if KINDS[row.alert].on_models]
    models = tuple(
        model(f"m{n:03}", features=(feature("age", critical=True), feature("income"))) for n in range(len(of_models))
    )
    own = [replace(row, model=m.name) for m, row in zip(models, of_models, strict=True)]
    meta = [row for row in rows if row not in of_models]
    objectives = tuple(ObjectiveRow(m.name, "o", "availability", "predict", target=0.999) for m in models)
    held = Policies(tuple(own + meta), objectives=objectives if any(row.alert == BURN for row in rows) else ())
    return render_rules(replace(SMALL, models=models), held, OPTIONS)


def proven(files: dict[str, str], alerts: set[str], folder: Path) -> tools.Outcome:
    """All of the alerts' proofs, run as publishing runs them: in one call, on what each reads of the rules."""
    tests = [p for p in files if p.startswith("prometheus/tests/") and Path(p).stem.partition("-")[0] in alerts]
    for number, proof in enumerate(slim_proofs(files, tests).values()):
        written(proof, folder / str(number))
    return tools.run(tools.PROMTOOL, "test", "rules", *sorted(folder.glob("*/prometheus/tests/*.yml")), folder=folder)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(*(policies(kind) for kind in KINDS.values())))
def test_every_policy_that_is_accepted_can_be_rendered(rows: tuple[PolicyRow, ...]) -> None:
    files = rendered(list(rows))
    assert {row.alert for row in rows} <= {Path(p).stem.partition("-")[0] for p in files if "/tests/" in p}


def test_odd_policies_pass_their_proofs(tmp_path: Path) -> None:
    outcome = proven(rendered(ODD), {row.alert for row in ODD}, tmp_path)
    assert outcome.accepted, outcome.text


def several(kind: AlertKind) -> st.SearchStrategy[list[PolicyRow]]:
    """Policies of one alert: promtool takes little longer for four than for one."""
    count = 4 if kind.on_models else 1
    return st.lists(policies(kind, times=False), min_size=count, max_size=count)


WITH_LIMITS = [kind for kind in KINDS.values() if kind.parameters and kind.name != BURN]


# Not made smaller: promtool tells all that fails at once.
@settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(rows=st.sampled_from(WITH_LIMITS).flatmap(several))
def test_any_limits_that_are_accepted_pass_their_proofs(
    tmp_path_factory: pytest.TempPathFactory, rows: list[PolicyRow]
) -> None:
    outcome = proven(rendered(rows), {rows[0].alert}, tmp_path_factory.mktemp("odd"))
    assert outcome.accepted, outcome.text


def as_promtool_reads(values: str) -> Iterator[float]:
    """Of parts like `2+0.5x10`: the first sample, and each next one by adding to it."""
    for part in values.split():
        first, _, rest = part.partition("+")
        grown, _, times = rest.partition("x")
        sample = float(first)
        yield sample
        for _ in range(int(times or 0)):
            sample += float(grown)
            yield sample


@settings(max_examples=40, deadline=None)
@given(st.floats(*TARGET), st.integers(*PERIOD_DAYS), limits(BAD_ANSWERS), limits(REQUESTS_PER_MINUTE))
@example(0.99999, 30, 0, 100)
def test_no_counter_in_a_history_of_burning_ever_falls(target: float, days: int, bad: float, requests: float) -> None:
    """Prometheus takes the least fall for a restart, and counts all of it once more."""
    objective = ObjectiveRow("claims-risk", "o", "availability", "predict", target, days)
    scope = Scope(SMALL.models, {"bad_answers": bad, "requests_per_minute": requests}, 0, 0, OPTIONS)
    (situation,) = over_time(objective, scope, step_of(days, OPTIONS))
    for values in situation.series.values():
        assert all(before <= after for before, after in pairwise(as_promtool_reads(values)))
