"""Fit how likely yes has to be before a search answers yes, on cases with known answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_curve

from helpers.errors import InputError


def fit_threshold(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The threshold with the best balanced accuracy: a score that is as high or higher means yes.

    Balanced accuracy weighs cases with and without the finding alike. The threshold lies half way between the
    lowest score that counts as yes and the next lower score. Test it on other cases than these, because on these
    it looks better than it is.

    Args:
        scores: one score for each case, e.g. `Found.score`.
        truths: for each case, whether the finding is there.

    Raises:
        InputError: the number of truths is not that of the scores, a score is not a number, or all cases are
            alike.
    """
    values, there = np.asarray(scores, float), np.asarray(truths, bool)
    if values.shape != there.shape or values.ndim != 1:
        raise InputError(f"There are {values.size} scores, but {there.size} truths.", remedy="Give one for each.")
    if not np.isfinite(values).all():
        raise InputError("A score is not a number.", remedy="Leave out cases that were not answered.")
    if there.all() or not there.any():
        raise InputError(
            "A threshold needs cases with the finding and cases without it.", remedy="Give some of both."
        )
    alarms, hits, cuts = roc_curve(there, values, drop_intermediate=False)
    lowest_yes = cuts[int(np.argmax(hits - alarms))]
    below = values[values < lowest_yes]
    if not np.isfinite(lowest_yes):  # no threshold is better than to answer no to every case
        return float(np.nextafter(values.max(), np.inf))
    if not below.size:
        return float(lowest_yes)
    half_way = (lowest_yes + below.max()) / 2
    return float(half_way if half_way > below.max() else lowest_yes)  # there may be no number between them
