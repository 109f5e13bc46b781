"""Moves of traffic, as pure values: whatever is done, there is one live version and the shares add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry import split
from models_registry.split import Split, TrafficError

VERSIONS = ("v1", "v2", "v3", "v4")
version = st.sampled_from(VERSIONS)
percent = st.integers(0, 100)

MOVES = st.one_of(
    st.builds(lambda v, p: lambda s: split.deploy(s, v, p), version, percent),
    st.builds(lambda p: lambda s: split.shift(s, p), percent),
    st.builds(lambda v: lambda s: split.promote(s, v), st.none() | version),
    st.builds(lambda v: lambda s: split.roll_back(s, v), st.none() | version),
    st.builds(lambda v: lambda s: split.shadow(s, v), st.frozensets(version)),
    st.just(split.withdraw),
    st.builds(
        lambda live, canary, p, shadows: lambda s: split.settle(s, Split(live, canary, p, shadows)),
        st.none() | version,
        st.none() | version,
        percent,
        st.frozensets(version),
    ),
)


def after(moves) -> list[Split]:
    """Every split on the way; a move that isn't allowed changes nothing."""
    states = [Split()]
    for move in moves:
        try:
            states.append(move(states[-1]))
        except TrafficError:
            states.append(states[-1])
    return states


states = st.lists(MOVES, max_size=12).map(lambda moves: after(moves)[-1])


@given(st.lists(MOVES, max_size=20))
def test_whatever_is_done_one_version_is_live_and_the_shares_add_up(moves):
    for state in after(moves):
        roles = [state.role(v) for v in VERSIONS]
        assert roles.count("live") == (state.live is not None)
        assert roles.count("canary") == (state.canary is not None)
        assert 0 <= state.canary_percent <= 100
        assert state.canary is None or (state.live is not None and state.canary != state.live)
        assert state.canary is not None or state.canary_percent == 0
        assert not state.shadows & {state.live, state.canary}
        # Rolling back must lead somewhere else.
        assert state.previous_live is None or state.previous_live != state.live


@given(states, version, st.integers(0, 99))
def test_rolling_a_new_canary_back_restores_who_answers(state: Split, new: str, share: int):
    if state.live in (None, new):
        return
    back = split.roll_back(split.deploy(state, new, share))
    assert (back.live, back.canary, back.canary_percent) == (state.live, None, 0)


@given(states, version)
def test_rolling_a_new_live_version_back_restores_the_one_before(state: Split, new: str):
    if state.live in (None, new):
        return
    back = split.roll_back(split.deploy(state, new, 100))
    assert (back.live, back.canary) == (state.live, None)


@given(states, MOVES)
def test_a_move_that_names_its_end_can_be_repeated(state: Split, move):
    """The second time nothing changes, or it is refused; only a roll-back without a name goes on."""
    try:
        once = move(state)
        twice = move(once)
    except TrafficError:
        return
    if once != twice:
        assert split.roll_back(once) == twice


@given(states, version)
def test_rolling_back_by_name_is_safe_to_repeat(state: Split, name: str):
    try:
        once = split.roll_back(state, name)
    except TrafficError:
        return
    assert once.role(name) in (None, "shadow")
    assert split.roll_back(once, name) == once


@given(states)
def test_a_withdrawn_model_comes_back_with_the_version_that_was_live(state: Split):
    gone = split.withdraw(state)
    assert (gone.live, gone.canary) == (None, None)
    if state.live is not None:
        assert split.roll_back(gone).live == state.live


def test_the_first_version_goes_live_whatever_its_share():
    assert split.deploy(Split(), "v1", 10) == Split(live="v1")


def test_deploying_what_is_live_ends_a_canary():
    assert split.deploy(Split("v1", "v2", 10), "v1", 100) == Split("v1")


def test_a_canary_with_no_traffic_stays_a_canary():
    assert split.shift(Split("v1", "v2", 10), 0) == Split("v1", "v2", 0)


@pytest.mark.parametrize("share", [-1, 101, 10.5, "10", True, None])
def test_a_share_that_is_no_whole_percent_is_refused(share):
    with pytest.raises(TrafficError, match="whole percent from 0 to 100"):
        split.deploy(Split(live="v1"), "v2", share)


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (lambda: split.deploy(Split("v1"), "v1", 10), "a canary is another version"),
        (lambda: split.shift(Split("v1"), 10), "deploy a version first"),
        (lambda: split.promote(Split("v1")), "deploy a version first"),
        (lambda: split.promote(Split("v1", "v2", 10), "v3"), "v2 is: name that one"),
        (lambda: split.roll_back(Split("v1")), "nothing to roll back to"),
        (lambda: split.shadow(Split("v1", "v2", 10), frozenset({"v2"})), "answers requests already"),
        (lambda: split.settle(Split(), Split(None, "v2", 10)), "No live version"),
        (lambda: split.settle(Split(), Split("v1", "v1", 10)), "live and canary at once"),
        (lambda: split.settle(Split(), Split("v1", None, 10)), "share but no canary"),
    ],
)
def test_a_move_that_cannot_be_names_the_remedy(move, said: str):
    with pytest.raises(TrafficError, match=said):
        move()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Split(), "nobody answers"),
        (Split("v1"), "v1 live 100 %"),
        (Split("v1", "v2", 10, frozenset({"v4", "v3"})), "v1 live 90 %, v2 canary 10 %, shadows v3, v4"),
    ],
)
def test_a_split_is_told_in_words(state: Split, words: str):
    assert split.told(state) == words
