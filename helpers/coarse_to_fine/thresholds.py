"""How likely yes has to be before a search answers yes: from cases whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_curve

from helpers.errors import InputError


def fit_threshold(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The threshold at which "yes, if the score is as high or higher" is most often right, classes weighed alike.

    It lies half way between the lowest score that counts as yes and the next lower one. Show what it does on other
    cases than these, because on these it looks better than it is.

    Args:
        scores: one of each case, e.g. `Found.score`.
        truths: whether the finding is there.

    Raises:
        InputError: not one truth for each score, a score that is not a number, or cases of one kind alone.
    """
    values, there = np.asarray(scores, float), np.asarray(truths, bool)
    if values.shape != there.shape or values.ndim != 1:
        raise InputError(f"{values.size} scores have {there.size} truths.", remedy="Give one for each.")
    if not np.isfinite(values).all():
        raise InputError("A score is not a number.", remedy="Leave out cases that were not answered.")
    if there.all() or not there.any():
        raise InputError(
            "A threshold needs cases with the finding and cases without it.", remedy="Give some of both."
        )
    alarms, hits, cuts = roc_curve(there, values, drop_intermediate=False)
    lowest_yes = cuts[int(np.argmax(hits - alarms))]
    below = values[values < lowest_yes]
    if not np.isfinite(lowest_yes):  # no cut is better than to say no always
        return float(np.nextafter(values.max(), np.inf))
    return float((lowest_yes + below.max()) / 2) if below.size else float(lowest_yes)
