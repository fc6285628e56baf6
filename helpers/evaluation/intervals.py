"""Compute 95 % intervals of scores, each with the name of its method.

Answers about one patient or volume are not independent, so whole groups are drawn with replacement. A single group
says nothing about other groups, so it has no interval. A score has none either if it is the same in all drawings.
The exception is a share whose answers are all 0 or all 1: it gets Wilson's interval, with the number of groups as
the number of answers (JASA 22:209, 1927).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

Statistic = Callable[[np.ndarray], float]  # a function of how often each answer counts
DRAWS = 2_000
AT_ONCE = 2_000_000  # groups times drawings, 16 MB
KEPT = 3 * AT_ONCE  # drawings that are kept for the next score with as many groups
BY_GROUP = "bootstrap by group"
WILSON = "Wilson, a group as one answer"


def macro(
    parts: Sequence[Sequence[tuple[str, float]]], draws: int = DRAWS, *, shares: bool = True, seed: int = 0
) -> dict[str, Any]:
    """Mean of the means of ``parts``, each a list of (group, mark), with a 95 % interval.

    Returns ``mean``, ``n``, and if it can be computed ``interval`` with its ``method``. ``shares`` says that 0
    means wrong and 1 right, so that Wilson's interval can be used if all values are alike.
    """
    mean = float(np.mean([np.mean([value for _, value in part]) for part in parts]))
    values = {value for part in parts for _, value in part}
    names = {group for part in parts for group, _ in part}
    out = {"mean": round(mean, 4), "n": sum(map(len, parts))}
    if shares and len(values) == 1 and values <= {0.0, 1.0} and len(names) > 1:
        return {**out, **bounds(*wilson(round(mean * len(names)), len(names)), WILSON)}
    return {**out, **of_ratios([[(group, value, 1) for group, value in part] for part in parts], draws, seed)}


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share."""
    p, spread = right / n, z * math.sqrt(right / n * (1 - right / n) / n + z**2 / (4 * n**2))
    low, high = ((p + z**2 / (2 * n) + sign * spread) / (1 + z**2 / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def of_ratios(
    parts: Sequence[Sequence[tuple[str, float, float]]], draws: int = DRAWS, seed: int = 0, empty: float = math.nan
) -> dict[str, Any]:
    """The interval of the mean over ``parts`` of a ratio: sums of (group, numerator, denominator).

    In a drawing, a part whose denominators sum to 0 counts as ``empty``. NaN leaves it out of the mean.
    """
    names = sorted({group for part in parts for group, *_ in part})
    place = {name: k for k, name in enumerate(names)}
    cells = [
        (row + len(parts) * k, place[group], value)
        for row, part in enumerate(parts)
        for group, *values in part
        for k, value in enumerate(values)
    ]
    rows, columns, values = zip(*cells, strict=True)
    totals = csr_array((values, (rows, columns)), shape=(2 * len(parts), len(names)), dtype=float)
    sums, numbers = np.split(np.hstack([totals @ w.T for w in _drawn(len(names), draws, seed)]), 2)
    ratios = np.divide(sums, numbers, out=np.full(sums.shape, empty), where=numbers > 0)
    there = ~np.isnan(ratios).all(axis=0)  # a drawing may have no case that counts
    return _percentiles(np.nanmean(ratios[:, there], axis=0), len(names))


def of_weighted(statistic: Statistic, groups: Sequence[str], draws: int = 500, seed: int = 0) -> dict[str, Any]:
    """The interval of a statistic of answers; ``groups`` names the group of each answer.

    Drawings for which the statistic is NaN are left out.
    """
    return of_each_weighted(lambda weight: (statistic(weight),), groups, draws, seed)[0]


def of_each_weighted(
    statistics: Callable[[np.ndarray], Sequence[float]], groups: Sequence[str], draws: int = 500, seed: int = 0
) -> list[dict[str, Any]]:
    """The intervals of several statistics that are computed together, each as in `of_weighted`."""
    names, place = np.unique(groups, return_inverse=True)
    drawn = itertools.chain.from_iterable(_drawn(len(names), draws, seed))
    found = np.array([statistics(weights[place]) for weights in drawn])
    return [_percentiles(column[~np.isnan(column)], len(names)) for column in found.T]


def bounds(low: float, high: float, method: str) -> dict[str, Any]:
    """An interval in the form in which it is kept beside a mean."""
    return {"interval": [round(float(low), 4), round(float(high), 4)], "method": method}


def _drawn(groups: int, draws: int, seed: int) -> Iterable[np.ndarray]:
    """How often each group is in each drawing, (drawings, groups), in parts that fit into memory."""
    return _kept(groups, draws, seed) if groups * draws <= KEPT else _draw(groups, draws, seed)


@functools.lru_cache(maxsize=3)  # conditions of one study often have the same number of groups
def _kept(groups: int, draws: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_draw(groups, draws, seed))


def _draw(groups: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // groups)
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        chosen = rng.integers(groups, size=(rows, groups)) + groups * np.arange(rows)[:, None]
        yield np.bincount(chosen.ravel(), minlength=rows * groups).reshape(rows, groups).astype(float)


def _percentiles(found: np.ndarray, groups: int) -> dict[str, Any]:
    if groups < 2 or not len(found):
        return {}
    low, high = np.round(np.percentile(found, [2.5, 97.5]), 4)
    return bounds(low, high, BY_GROUP) if low < high else {}
