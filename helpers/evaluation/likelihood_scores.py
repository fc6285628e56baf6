"""Score the likelihoods of yes: how well they rank the cases, and whether they are calibrated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.evaluation.calibration import DRAWS, abstaining, brier, calibration_error, fitted_threshold
from helpers.evaluation.intervals import of_weighted
from helpers.evaluation.marks import Answer

LIKELIHOODS = (
    ("", "p_yes", "yes_no_mass"),
    (" without argument", "p_yes_direct", "yes_no_mass_direct"),
)
LOW_MASS = 0.5  # of yes and no together; below this, the model was about to say something else


def of_likelihoods(answers: Sequence[Answer], draws: int) -> dict[str, Any]:
    """The measures of the yes-or-no answers of one condition that can be computed from their likelihoods.

    ``AUROC`` and ``mass on yes and no``, each also ``without argument``; of ``p_yes`` the measures of
    `helpers.evaluation.calibration`. A likelihood that is not a number from 0 to 1 is ignored.
    """
    out: dict[str, Any] = {}
    few = min(draws, DRAWS)
    for words, share, mass in LIKELIHOODS:
        known = _ranked(answers, share, mass)
        if len({a["truth"] for a in known}) == 2:
            out[f"AUROC{words}"] = auroc(known, share)
        masses = [value for a in answers if (value := valid_likelihood(a, mass)) is not None]
        if masses:
            low = sum(value < LOW_MASS for value in masses)
            out[f"mass on yes and no{words}"] = {
                "mean": round(float(np.mean(masses)), 4),
                "n": len(masses),
                "low": low,
            }
        if share == "p_yes" and known:
            silent = [
                a for a in answers if a["parsed"] not in ("yes", "no") and valid_likelihood(a, share) is None
            ]
            out["Brier score"] = brier(known, few)
            out["calibration error"] = calibration_error(known, few)
            out["error of the surer half"] = abstaining(known, silent, few)
            if found := fitted_threshold(known, few):
                out["balanced accuracy at a fitted threshold"] = found
    return out


def roc_points(answers: Sequence[Answer]) -> list[tuple[float, float]]:
    """The ROC curve of ``p_yes`` for the answers of one condition that its AUROC uses.

    Returns points (1 - specificity, sensitivity) from (0, 0) to (1, 1); none if a truth is missing.
    """
    known = _ranked(answers, *LIKELIHOODS[0][1:])
    if len({a["truth"] for a in known}) < 2:
        return []
    from sklearn.metrics import roc_curve  # takes a second, and is not needed to ask a model

    false_alarms, hits, _ = roc_curve([a["truth"] == "yes" for a in known], [a["p_yes"] for a in known])
    return list(zip(false_alarms.tolist(), hits.tolist(), strict=True))


def _ranked(answers: Sequence[Answer], share: str, mass: str) -> list[Answer]:
    """The answers that have a likelihood called ``share``.

    Earlier versions kept a ``p_yes`` that was read without an argument, and no mass. It is not ranked with the
    others.
    """
    known = [a for a in answers if valid_likelihood(a, share) is not None]
    return [a for a in known if valid_likelihood(a, mass) is not None] or known


def valid_likelihood(answer: Answer, name: str) -> float | None:
    """A likelihood of an answer; None if it is not a number from 0 to 1."""
    value = answer.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value <= 1 else None  # NaN fails both tests


def auroc(answers: Sequence[Answer], share: str = "p_yes", draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """How well the likelihoods called ``share`` tell the cases whose truth is yes from the others.

    Returns ``mean``, ``n``, and the interval from drawing whole groups. There is no interval if all drawings are
    alike, for example if the two kinds of cases do not overlap. All answers must have the likelihood, and both
    truths must occur.
    """
    positive = np.array([a["truth"] == "yes" for a in answers])
    _, level = np.unique([a[share] for a in answers], return_inverse=True)

    def of(weight: np.ndarray) -> float:
        """The share of pairs in the right order, with a tie as half a pair; NaN if a truth is missing."""
        above, below = (np.bincount(level, weight * part) for part in (positive, ~positive))
        pairs = above.sum() * below.sum()
        return float(above @ (np.cumsum(below) - below / 2) / pairs) if pairs else math.nan

    out = {"mean": round(of(np.ones(len(answers))), 4), "n": len(answers)}
    return {**out, **of_weighted(of, [a["group"] for a in answers], draws, seed)}
