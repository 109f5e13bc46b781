"""Each small mistake in a rendered alert fails its generated proof, or stands below with the reason why it can't."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from alerts.catalogue import KINDS
from alerts.policies import Policies
from alerts.slim import slim_proofs
from tests.alerts.fleets import SMALL, bundle
from tests.alerts.mutations import Verdict, judged

# Of every alert: a limit that is met exactly. Ratios, rates and percentiles of a proof come out of divisions.
BOUNDARY = re.compile(r"operator: (> -> >=|>= -> >) ")
FLAG = "the series is 0 or 1"
WHOLE = "what is counted is a whole number"
DAYS = "a proof that shows it would have to run for days"
# Alert -> (mistake, why nothing can notice it).
EQUAL = {
    "MLCanaryWorse": [
        (r"threshold: 0 -> \(-1\)", "a version whose canary weight is 0 is left out of the recorded series as well"),
    ],
    "MLDriftCheckStale": [
        (r"threshold: 0 -> (1|\(-1\)) ", "no check succeeded in the first second of 1970, or before"),
        (r"operator: > -> < \(#3\)", "where the interval is not known, only the labels of this side count"),
        (r"operator: == -> >= ", FLAG),
    ],
    "MLDriftCheckFailing": [(r"operator: == -> >= ", FLAG)],
    "MLDriftCriticalFeatureDetected": [(r"operator: == -> >= ", FLAG)],
    "MLDriftManyFeatures": [(r"threshold: (3 -> 2.25|2 -> 1.5) ", WHOLE), (r"operator: == -> >= ", FLAG)],
    "MLPredictionDistributionShift": [
        (r"window: offset 1d -> offset 2d", "the proof that looks back a day is apart: see test_promtool.py"),
        (r"threshold: 0 -> \(-1\)", "a live version has a weight; a version of none is silent by the last condition"),
        (r"window: \[30m\] -> \[7m30s\]", "steady traffic has the same rate over any window that it fills"),
    ],
    "MLReplicaRestarting": [(r"threshold: 3 -> 3.75 ", WHOLE)],
    "MLServingDown": [(r"window: \[1d\] -> ", DAYS)],
    "MLVersionMismatch": [(r"threshold: 0 -> \(-1\) ", "what none has loaded is fewer than all replicas either way")],
    "PlumblineReleaseFailing": [(r"operator: == -> >= ", FLAG)],
    "Watchdog": [(r"threshold: 1 -> ", "it fires whatever the number")],
}
# Their expressions come with objectives; tests.alerts.test_burn_rate holds their proofs to the same.
OTHERS = {"MLErrorBudgetBurn"}
PROVEN = sorted(set(KINDS) - OTHERS)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Alert -> what its proof says to each mistake. promtool runs on two cores, once for each alert."""
    files = bundle(SMALL, Policies())

    def judge(alert: str) -> Verdict:
        test = f"prometheus/tests/{alert}.yml"
        proof = slim_proofs(files, [test])[test]
        return judged(test, proof, KINDS[alert].file, tmp_path_factory.mktemp(alert))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PROVEN, pool.map(judge, PROVEN), strict=True))


@pytest.mark.parametrize("alert", PROVEN)
def test_a_proof_passes_its_rule_and_fails_each_mistake_in_it(alert: str, verdicts: dict[str, Verdict]) -> None:
    found = verdicts[alert]
    assert found.unchanged_passes, "else nothing is shown by what fails"
    excused = [BOUNDARY, *(re.compile(pattern) for pattern, _ in EQUAL.get(alert, ()))]
    missed = [mistake for mistake in found.survivors if not any(pattern.match(mistake) for pattern in excused)]
    assert not missed, f"{len(missed)} of {found.made} mistakes pass"
    assert found.made - len(found.survivors) > 0 or alert == "Watchdog"


@pytest.mark.parametrize("alert", sorted(EQUAL))
def test_nothing_is_excused_that_the_proof_notices(alert: str, verdicts: dict[str, Verdict]) -> None:
    for pattern, why in EQUAL[alert]:
        assert any(re.match(pattern, mistake) for mistake in verdicts[alert].survivors), (pattern, why)


def test_silence_at_the_very_limit_is_proven_where_a_number_can_meet_it(verdicts: dict[str, Verdict]) -> None:
    survivors = verdicts["MLFeatureMissingRatioHigh"].survivors
    assert survivors == [], "its ratio is a series, and one of its cases is at the limit"


def test_all_sorts_of_mistakes_are_made(verdicts: dict[str, Verdict]) -> None:
    sorts = {mistake.partition(":")[0] for verdict in verdicts.values() for mistake in verdict.mistakes}
    assert sorts == {"operator", "threshold", "window", "matcher", "for", "label"}
