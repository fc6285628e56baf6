"""The threshold of a search."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.coarse_to_fine import fit_threshold
from helpers.errors import InputError


def test_it_lies_between_the_two_groups():
    assert fit_threshold([0.1, 0.2, 0.8, 0.9], [False, False, True, True]) == 0.5
    # High scores of healthy cases, as a search over many parts gives them: 0.5 would call all of them ill.
    assert fit_threshold([0.7, 0.8, 0.96, 1.0], [False, False, True, True]) == pytest.approx(0.88)


def test_both_kinds_weigh_alike():
    scores, truths = [0.1, 0.2, 0.3, 0.4, 0.6, 0.5], [False] * 5 + [True]
    assert fit_threshold(scores, truths) == 0.45, "four of five and one of one are right"


def test_neighbouring_scores_are_told_apart():
    for low in np.random.default_rng(0).random(200).tolist():
        high = float(np.nextafter(low, 1))
        assert low < fit_threshold([low, high], [False, True]) <= high


def test_scores_that_say_nothing_or_the_opposite_give_a_threshold_that_says_no_always():
    assert fit_threshold([0.9, 0.1], [False, True]) > 0.9


@pytest.mark.parametrize(
    ("scores", "truths"),
    [([0.1], [True, False]), ([float("nan"), 1], [True, False]), ([0.1, 0.2], [True, True]), ([], [])],
)
def test_what_cannot_be_fitted_is_refused(scores, truths):
    with pytest.raises(InputError):
        fit_threshold(scores, truths)
