"""Test whether 0.8 means 80 %: calibration, a threshold that is tested on other groups, and abstaining.

All measures use ``p_yes``, the likelihood of yes at the place where the reply states its answer. For the
intervals, whole groups are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.evaluation.intervals import Statistic, macro, of_each_weighted, of_weighted
from helpers.evaluation.marks import Answer, mark

DRAWS = 500  # few, because each draw uses all answers
BINS = 10  # of equal width
COVERAGES = (0.25, 0.5, 0.75, 0.9, 1.0)
HALF = 0.5
LIKELIEST = 0.5  # the threshold that needs no fitting


def brier(answers: Sequence[Answer], draws: int = DRAWS) -> dict[str, Any]:
    """Brier score: the mean square of likelihood minus truth (yes 1, no 0). 0 is best; always saying 0.5 gives
    0.25.

    Returns ``mean``, ``n`` and the interval.
    """
    return macro([[(a["group"], (a["p_yes"] - _is_yes(a)) ** 2) for a in answers]], draws, shares=False)


def calibration_error(answers: Sequence[Answer], draws: int = DRAWS, bins: int = BINS) -> dict[str, Any]:
    """Expected calibration error: the mean distance, in bins, between likelihoods of yes and shares of true yes.

    Returns ``mean``, ``n``, the interval, and ``bins``. Each bin that is not empty has its ends, its number ``n``
    of answers, their mean likelihood ``said``, and the share ``true`` of answers whose truth is yes. If bins have
    few answers, the error is too large: with 10 answers in each of 10 bins, a perfect model has about 0.1.
    """
    share, truth = np.array([_share(a) for a in answers]), np.array([float(_is_yes(a)) for a in answers])
    place = np.minimum((share * bins).astype(int), bins - 1)

    def of(weight: np.ndarray) -> float:
        return float(np.abs(np.bincount(place, weight * (share - truth))).sum() / weight.sum())

    table = [
        {
            "from": k / bins,
            "to": (k + 1) / bins,
            "n": int(inside.sum()),
            "said": round(float(share[inside].mean()), 4),
            "true": round(float(truth[inside].mean()), 4),
        }
        for k in range(bins)
        if (inside := place == k).any()
    ]
    return {**_measured(of, answers, draws), "bins": table}


def fitted_threshold(answers: Sequence[Answer], draws: int = DRAWS, seed: int = 0) -> dict[str, Any] | None:
    """Sensitivity and specificity of a threshold on ``p_yes``, measured on groups that it was not fitted on.

    The groups are split at random into halves with equally many groups that have a yes. One half gives the
    threshold with the largest sum of sensitivity and specificity. The other half measures it.

    Returns:
        ``mean`` (balanced accuracy), ``n`` and the interval on the half that is shown, its ``sensitivity`` and
        ``specificity``, the ``threshold`` (yes from there on), ``when fitted`` (balanced accuracy and n on the
        other half) and ``at 0.5`` (balanced accuracy on the half that is shown). None if one half does not have
        both truths.
    """
    with_yes = {a["group"] for a in answers if _is_yes(a)}
    names = sorted({a["group"] for a in answers})
    order = dict(zip(names, np.random.default_rng(seed).permutation(len(names)), strict=True))
    names.sort(key=lambda name: (name in with_yes, order[name]))
    halves = [[a for a in answers if a["group"] in chosen] for chosen in (set(names[::2]), set(names[1::2]))]
    if any(len({_is_yes(a) for a in half}) < 2 for half in halves):
        return None
    from sklearn.metrics import roc_curve  # takes a second, and is not needed to ask a model

    fitted, shown = halves
    misses, hits, thresholds = roc_curve([_is_yes(a) for a in fitted], [_share(a) for a in fitted])
    best = int(np.argmax((hits - misses)[1:])) + 1  # the first threshold is infinity, where nothing is yes
    threshold = float(thresholds[best])
    rates = [
        float(np.mean([(_share(a) >= threshold) == truth for a in shown if _is_yes(a) == truth]))
        for truth in (True, False)
    ]
    return {
        **_measured(_balanced(shown, threshold), shown, draws),
        "sensitivity": round(rates[0], 4),
        "specificity": round(rates[1], 4),
        "threshold": threshold,
        "when fitted": {"mean": round(float(1 + hits[best] - misses[best]) / 2, 4), "n": len(fitted)},
        "at 0.5": _measured(_balanced(shown, LIKELIEST), shown, draws),
    }


def abstaining(answers: Sequence[Answer], silent: Sequence[Answer] = (), draws: int = DRAWS) -> dict[str, Any]:
    """The error of the model if it may leave out the cases that it is least sure of.

    The sureness of an answer is its likelihood: ``p_yes`` for a yes, and 1 minus ``p_yes`` for a no. ``silent``
    holds the answers that state neither. They count as wrong, and are left out first. If answers are equally sure
    and only a part of them is left out, their mean is used.

    Returns:
        ``mean``: the error of the surer half, with ``n`` and the interval. ``curve``: for each ``coverage`` (the
            share of answers that are kept), their error ``mean`` with its interval.
    """
    sure = [_share(a) if a["parsed"] == "yes" else 1 - _share(a) if a["parsed"] == "no" else -1.0 for a in answers]
    _, level = np.unique([-value for value in sure] + [1.0] * len(silent), return_inverse=True)
    everyone = [*answers, *silent]
    wrong = np.array([1 - mark(a) for a in everyone])

    def errors_at(weight: np.ndarray) -> np.ndarray:
        """The error at each of `COVERAGES`."""
        answered, errors = (
            np.concatenate([[0.0], np.cumsum(np.bincount(level, part))]) for part in (weight, weight * wrong)
        )
        taken = np.array(COVERAGES) * answered[-1]
        return np.interp(taken, answered, errors) / taken

    means = errors_at(np.ones(len(everyone)))
    intervals = of_each_weighted(errors_at, [a["group"] for a in everyone], draws)
    curve = [
        {"coverage": coverage, "mean": round(float(mean), 4), "n": len(everyone), **interval}
        for coverage, mean, interval in zip(COVERAGES, means, intervals, strict=True)
    ]
    half = next(point for point in curve if point["coverage"] == HALF)
    return {**{name: value for name, value in half.items() if name != "coverage"}, "curve": curve}


def _balanced(answers: Sequence[Answer], threshold: float) -> Statistic:
    truth = np.array([_is_yes(a) for a in answers])
    said = np.array([_share(a) >= threshold for a in answers])

    def of(weight: np.ndarray) -> float:
        """The mean of sensitivity and specificity; NaN if a truth is missing."""
        rates = [
            (weight * (said == truth))[truth == value].sum() / total
            for value in (True, False)
            if (total := weight[truth == value].sum())
        ]
        return float(np.mean(rates)) if len(rates) == 2 else math.nan

    return of


def _measured(of: Statistic, answers: Sequence[Answer], draws: int) -> dict[str, Any]:
    """A statistic of weighted answers with its interval."""
    out = {"mean": round(of(np.ones(len(answers))), 4), "n": len(answers)}
    return {**out, **of_weighted(of, [a["group"] for a in answers], draws)}


def _share(answer: Answer) -> float:
    return float(answer["p_yes"])


def _is_yes(answer: Answer) -> bool:
    return answer["truth"] == "yes"
