"""Calibration, thresholds and abstaining: against scikit-learn, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import brier_score_loss

from helpers.evaluation import score
from helpers.evaluation.calibration import abstaining, brier, calibration_error, fitted_threshold
from tests.evaluation.made_answers import closed


def made(pairs: Any, group: int = 1) -> list[dict[str, Any]]:
    """Answers of (truth, likelihood of yes), each of which says what is likelier."""
    words = ("no", "yes")
    return [
        closed(k, words[int(truth)], words[int(p >= 0.5)], p_yes=float(p)) | {"group": f"v{k // group}"}
        for k, (truth, p) in enumerate(pairs)
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_brier_score_is_that_of_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    truth, share = zip(*pairs, strict=True)
    wanted = brier_score_loss(truth, share, pos_label=True)
    assert brier(made(pairs), draws=2)["mean"] == pytest.approx(wanted, abs=1e-4)


def test_the_calibration_error_by_hand_with_its_bins() -> None:
    found = calibration_error(made([(1, 0.9), (1, 0.9), (0, 0.9), (0, 0.1), (0, 1.0)]), draws=50)
    assert found["bins"] == [
        {"from": 0.1, "to": 0.2, "n": 1, "said": 0.1, "true": 0.0},
        {"from": 0.9, "to": 1.0, "n": 4, "said": 0.925, "true": 0.5},
    ]
    assert found["mean"] == pytest.approx((0.1 + 4 * 0.425) / 5)
    low, high = found["interval"]
    assert low < found["mean"] < high


def test_a_model_that_means_what_it_says_is_calibrated_and_one_that_is_too_sure_is_not() -> None:
    rng = np.random.default_rng(0)
    share = rng.random(4000)
    truth = rng.random(4000) < share
    assert calibration_error(made(zip(truth, share, strict=True)), draws=20)["mean"] < 0.03
    sharper = np.round(share)
    assert calibration_error(made(zip(truth, sharper, strict=True)), draws=20)["mean"] == pytest.approx(
        0.25, abs=0.02
    )


def test_a_threshold_is_shown_on_groups_that_it_was_not_fitted_on() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.random(100) < 0.4, 3)  # three answers a group
    share = np.clip(rng.normal(0.1 + 0.1 * truth, 0.05), 0, 1)
    answers = made(zip(truth, share, strict=True), group=3)
    found = fitted_threshold(answers)
    halves = found["when fitted"]["n"], found["n"]
    assert sum(halves) == 300 and set(halves) == {150}
    assert 0.1 < found["threshold"] < 0.2
    assert found["at 0.5"]["mean"] == 0.5  # all are said to be no
    assert found["mean"] == pytest.approx((found["sensitivity"] + found["specificity"]) / 2, abs=1e-4)
    assert found["mean"] > 0.75
    chance = made(zip(rng.random(300) < 0.5, rng.random(300), strict=True), group=1)
    lucky = fitted_threshold(chance)
    assert lucky["interval"][0] < 0.5 < lucky["interval"][1]  # what was fitted to chance is shown as chance


def test_where_the_two_are_apart_the_threshold_is_a_yes_that_leaves_out_every_no() -> None:
    rng = np.random.default_rng(3)
    shares = [*rng.uniform(0, 0.2, 30), *rng.uniform(0.25, 0.4, 10)]
    answers = made([(k >= 30, share) for k, share in enumerate(shares)])
    found = fitted_threshold(answers, draws=20)
    assert found["threshold"] in shares[30:]
    assert found["when fitted"] == {"mean": 1.0, "n": 20}
    assert found["specificity"] == 1 and found["n"] == 20


def test_no_threshold_where_a_half_would_lack_a_truth() -> None:
    assert fitted_threshold(made([(1, 0.9), (1, 0.8), (0, 0.1)])) is None
    measures = score(made([(1, 0.9), (1, 0.8)]))["conditions"]["ct: bleeding"]
    assert "balanced accuracy at a fitted threshold" not in measures and measures["Brier score"]["n"] == 2


def test_who_may_leave_out_the_unsure_errs_less_by_hand() -> None:
    answers = made([(1, 0.95), (0, 0.1), (0, 0.7), (1, 0.6)])  # one error, the third by sureness
    found = abstaining(answers, draws=50)
    errors = {point["coverage"]: point["mean"] for point in found["curve"]}
    assert (errors[0.25], errors[0.5], errors[1.0]) == (0, 0, 0.25)
    assert errors[0.75] == pytest.approx(1 / 3, abs=1e-4)
    tied = made([(1, 0.9), (0, 0.9)])
    assert abstaining(tied, draws=5)["mean"] == 0.5  # no order among the equally sure
    silent = [closed(9, "yes", None), closed(10, "no", None)]
    assert abstaining(answers[:2], silent, draws=5)["mean"] == 0
    assert abstaining(answers[:2], silent, draws=5)["curve"][-1] | {"interval": 0} == {
        "coverage": 1.0,
        "mean": 0.5,
        "n": 4,
        "interval": 0,
        "method": "bootstrap by group",
    }


def test_an_answer_that_its_likelihood_contradicts_is_unsure() -> None:
    answers = [*made([(1, 0.9), (1, 0.8)]), closed(5, "no", "yes", p_yes=0.05)]
    errors = {point["coverage"]: point["mean"] for point in abstaining(answers, draws=5)["curve"]}
    assert errors[0.5] == 0 and errors[1.0] == pytest.approx(1 / 3, abs=1e-4)


def test_calibration_stands_in_the_scores_with_intervals_by_group() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(80) < 0.5
    share = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1)
    measures = score(made(zip(truth, share, strict=True), group=2))["conditions"]["ct: bleeding"]
    names = (
        "Brier score",
        "calibration error",
        "error of the surer half",
        "balanced accuracy at a fitted threshold",
    )
    for name in names:
        low, high = measures[name]["interval"]
        assert low <= measures[name]["mean"] <= high
        assert measures[name]["method"] == "bootstrap by group"
    whole = measures["error of the surer half"]["curve"][-1]["mean"]
    assert whole == pytest.approx(1 - measures["accuracy"]["mean"], abs=1e-4)
    assert measures["accuracy"]["mean"] == pytest.approx(np.mean(truth == (share >= 0.5)), abs=1e-4)
