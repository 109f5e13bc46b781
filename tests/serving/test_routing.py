"""Shares of traffic."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.routing import Split, points


@given(percent=st.integers(0, 100), start=st.floats(0, 1, exclude_max=True))
def test_the_canary_gets_its_percent_within_a_point_of_two_thousand_requests(percent: int, start: float) -> None:
    split = Split([("live", 1 - percent / 100), ("canary", percent / 100)])
    point = points(start)
    counted = Counter(split.at(point()) for _ in range(2000))
    assert abs(counted["canary"] / 2000 - percent / 100) < 0.01


@given(
    weights=st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(lambda w: sum(w) > 0.01),
    start=st.floats(0, 1, exclude_max=True),
)
def test_any_weights_are_kept_and_a_weight_of_nothing_gets_nothing(weights: list[float], start: float) -> None:
    split = Split(list(enumerate(weights)))
    point = points(start)
    counted = Counter(split.at(point()) for _ in range(2000))
    for index, weight in enumerate(weights):
        assert abs(counted[index] / 2000 - weight / sum(weights)) < 0.015
        if weight == 0:
            assert counted[index] == 0


@pytest.mark.parametrize("every", [2, 3, 5, 10])
def test_clients_that_take_turns_each_get_the_same_share(every: int) -> None:
    split = Split([("live", 0.8), ("canary", 0.2)])
    point = points(0.3)
    answers = [split.at(point()) for _ in range(4000)]
    for turn in range(every):
        mine = answers[turn::every]
        assert abs(mine.count("canary") / len(mine) - 0.2) < 0.03


def test_shares_hold_when_many_threads_ask() -> None:
    split = Split([("live", 0.9), ("canary", 0.1)])
    point = points(0.0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: split.at(point()), range(5000)))
    assert abs(answers.count("canary") / 5000 - 0.1) < 0.01


def test_two_replicas_do_not_start_in_step() -> None:
    assert points()() != points()()


def test_a_split_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weight above 0"):
        Split([("live", 0.0)])
