"""Advantages: against values by hand, and the laws that they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from helpers.errors import InputError
from helpers.rewards import SOFTENING, group_advantages

GROUPS = arrays(float, st.tuples(st.integers(1, 4), st.integers(2, 8)), elements=st.floats(0, 1, width=16))


def test_one_right_of_four():
    # mean 1/4, squares 9/16 + 3/16, over three: a deviation of 1/2
    found = group_advantages([[1, 0, 0, 0]])
    assert found == pytest.approx(np.array([[0.75, -0.25, -0.25, -0.25]]) / (0.5 + SOFTENING))


@settings(deadline=None)
@given(GROUPS, st.randoms(use_true_random=False))
def test_a_group_sums_to_nothing_and_its_order_plays_no_part(rewards, random):
    found = group_advantages(rewards)
    assert found.sum(axis=1) == pytest.approx(0, abs=1e-6)
    order = random.sample(range(rewards.shape[1]), rewards.shape[1])
    assert group_advantages(rewards[:, order]) == pytest.approx(found[:, order], abs=1e-6)


@settings(deadline=None)
@given(GROUPS)
def test_a_better_reply_never_has_less_and_a_group_of_equals_has_nothing(rewards):
    for values, found in zip(rewards, group_advantages(rewards), strict=True):
        assert (np.diff(found[np.argsort(values, kind="stable")]) >= 0).all()
        if np.ptp(values) == 0:
            assert found == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("wrong", [[], [1, 0], [[1]], [[0.5, np.nan]], [[np.inf, 0]], [[[0, 1]]]])
def test_what_is_no_groups_is_refused(wrong):
    with pytest.raises(InputError, match="not groups"):
        group_advantages(wrong)
