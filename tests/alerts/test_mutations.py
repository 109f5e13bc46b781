"""Each small mistake in a rendered alert fails its generated proof, or stands below with the reason why it can't."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from alerts.catalogue import KINDS
from alerts.policies import Policies
from alerts.slim import slim_proofs
from tests.alerts.fleets import SMALL, bundle
from tests.alerts.mutations import Verdict, judged

FLAG = "the series is 0 or 1"
WHOLE = "what is counted is a whole number"
DAYS = "a proof that shows it would have to run for days"
# The ratios and percentiles beside it are recorded, so that they can be given; this is read from counters.
RECKONED = "rate() and increase() reckon beyond the samples, each Prometheus in its way: no number is met exactly"
# Alert -> (mistake, why nothing can notice it).
EQUAL = {
    "MLCanaryWorse": [(r"operator: >= -> > \(#5\)", RECKONED)],
    "MLDriftCheckStale": [
        (r"threshold: 0 -> (1|\(-1\)) ", "no check succeeded in the first second of 1970, or before"),
        (r"operator: > -> (>=|<) \(#3\)", "where the interval is not known, only the labels of this side count"),
        (r"operator: == -> >= ", FLAG),
    ],
    "MLDriftCheckFailing": [(r"operator: == -> >= ", FLAG)],
    "MLDriftCriticalFeatureDetected": [(r"operator: == -> >= ", FLAG)],
    "MLDriftManyFeatures": [
        (r"threshold: (3 -> 2.25|2 -> 1.5) ", WHOLE),
        (r"threshold: 0.001 -> ", "it takes away what floating-point adds, whatever it rounds to"),
        (r"operator: == -> >= ", FLAG),
    ],
    "MLInferenceHighErrorRate": [(r"operator: >= -> > \(#1\)", RECKONED)],
    "MLPredictionDistributionShift": [
        (r"operator: >= -> > \(#1\)", RECKONED),
        (r"window: \[30m\] -> \[7m30s\]", "steady traffic has the same rate over any window that it fills"),
    ],
    "MLReplicaRestarting": [(r"threshold: 3 -> 3.75 ", WHOLE)],
    "MLServingDown": [(r"window: \[1d\] -> ", DAYS)],
    "MLTrafficShareMismatch": [(r"operator: >= -> > \(#1\)", RECKONED)],
    "MLVersionMismatch": [(r"threshold: 0 -> \(-1\) ", "what none has loaded is fewer than all replicas either way")],
    "PlumblineDown": [
        (r'matcher: {job="plumbline" -> { \(#2\)', "where no target of the job is up, the first condition holds"),
        (r"operator: == -> >= ", FLAG),
    ],
    "PlumblineReconcileStuck": [(r"operator: == -> >= ", FLAG)],
    "PlumblineReleaseFailing": [(r"operator: == -> >= ", FLAG)],
    "Watchdog": [(r"threshold: 1 -> ", "it fires whatever the number")],
}
# Their expressions come with objectives; tests.alerts.test_burn_rate holds their proofs to the same.
OTHERS = {"MLErrorBudgetBurn"}
# Of an alert's proofs: the usual one, exactly at its limits, how it ends, and what looks far back.
SORTS = ("", "-limit", "-held", "-long")
PROVEN = sorted(set(KINDS) - OTHERS)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Alert -> what its proof says to each mistake. promtool runs on two cores, once for each alert."""
    files = bundle(SMALL, Policies())

    def judge(alert: str) -> Verdict:
        tests = [test for sort in SORTS if (test := f"prometheus/tests/{alert}{sort}.yml") in files]
        return judged(slim_proofs(files, tests), KINDS[alert].file, tmp_path_factory.mktemp(alert))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PROVEN, pool.map(judge, PROVEN), strict=True))


@pytest.mark.parametrize("alert", PROVEN)
def test_a_proof_passes_its_rule_and_fails_each_mistake_in_it(alert: str, verdicts: dict[str, Verdict]) -> None:
    found = verdicts[alert]
    assert found.unchanged_passes, "else nothing is shown by what fails"
    excused = [re.compile(pattern) for pattern, _ in EQUAL.get(alert, ())]
    missed = [mistake for mistake in found.survivors if not any(pattern.match(mistake) for pattern in excused)]
    assert not missed, f"{len(missed)} of {found.made} mistakes pass"
    assert found.made - len(found.survivors) > 0 or alert == "Watchdog"


@pytest.mark.parametrize("alert", sorted(EQUAL))
def test_nothing_is_excused_that_the_proof_notices(alert: str, verdicts: dict[str, Verdict]) -> None:
    for pattern, why in EQUAL[alert]:
        assert any(re.match(pattern, mistake) for mistake in verdicts[alert].survivors), (pattern, why)


def test_all_sorts_of_mistakes_are_made(verdicts: dict[str, Verdict]) -> None:
    sorts = {mistake.partition(":")[0] for verdict in verdicts.values() for mistake in verdict.mistakes}
    assert sorts == {"operator", "threshold", "window", "matcher", "for", "keep", "label"}
