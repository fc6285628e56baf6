"""Compare two runs on the same cases, pair by pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import binomtest

from helpers.errors import InputError
from helpers.evaluation.intervals import DRAWS, macro
from helpers.evaluation.marks import MEASURES, Answer, Mark, errors_of, mark, measures_of
from helpers.findings import Terms

FLIPS = 9_999
RIGHT_OR_WRONG = ("choice", "number")  # forms for which an answer's first measure is 1 or 0
MARKED_BY = ("form", "truth", "unit", "tolerance")
Pair = tuple[Answer, Answer]


def compare(
    first: Iterable[Answer], second: Iterable[Answer], draws: int = DRAWS, terms: Terms | None = None
) -> dict[str, Any]:
    """Compare the second run with the first on the cases that both answered.

    Returns for each kind and measure ``difference`` (second minus first, macro over conditions) with its paired
    bootstrap interval by groups, and ``by group``, the two-sided p of a test that exchanges the two runs in whole
    groups. ``terms`` is as in `helpers.evaluation.score`. Errors of numbers are compared for the ``n`` cases in
    which both runs gave a number, and a difference below 0 is better. For answers that are right or wrong, there
    is also ``McNemar``: how many cases only one run got right, and the exact two-sided p (Psychometrika 12:153,
    1947). This test treats cases as independent. If groups have several cases, ``ignores`` says so.
    """
    before, after = ({a["id"]: a for a in run if "error" not in a} for run in (first, second))
    both = [(before[name], after[name]) for name in before if name in after]
    changed = [a["id"] for a, b in both if any(a.get(name) != b.get(name) for name in MARKED_BY)]
    if changed:
        raise InputError(
            f"The two runs have different truths, units or tolerances for {changed[0]}.",
            remedy="Compare runs on the same cases.",
        )
    out: dict[str, Any] = {"cases": len(both), "kinds": {}}
    for kind, form in dict.fromkeys((a["kind"], a["form"]) for a, _ in both):
        pairs = [(a, b) for a, b in both if (a["kind"], a["form"]) == (kind, form)]
        for name, measure in {**measures_of(form, terms), **errors_of(a for a, _ in pairs)}.items():
            if (entry := _difference(pairs, measure, draws)) is None:
                continue
            if form in RIGHT_OR_WRONG and measure is MEASURES[form].get(name):
                entry["McNemar"] = _mcnemar(pairs)
            out["kinds"].setdefault(kind, {})[name] = entry
    return out


def exchanged(effects: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of the sum of ``effects`` (one for each group) if the two runs are exchanged in whole groups.

    The p is exact if the groups that differ allow at most 9,999 exchanges. Otherwise it comes from 9,999 random
    ones.
    """
    found = np.array([effect for effect in effects if effect])
    size = abs(found.sum()) - 1e-9 * np.abs(found).sum()  # rounding must not make equal sums differ
    if 2 ** len(found) <= FLIPS:
        return float(np.mean([abs(np.dot(signs, found)) >= size for signs in product((1, -1), repeat=len(found))]))
    rng, at_once = np.random.default_rng(seed), max(1, 2_000_000 // len(found))
    as_large = 1  # counts the runs themselves, without exchange
    for start in range(0, FLIPS, at_once):
        signs = 1 - 2.0 * rng.integers(0, 2, (min(at_once, FLIPS - start), len(found)), np.int8)
        as_large += np.sum(np.abs(signs @ found) >= size)
    return float(as_large / (FLIPS + 1))


def _difference(pairs: Sequence[Pair], measure: Mark, draws: int) -> dict[str, Any] | None:
    """The second run's measure minus the first's, over pairs in which both have it; None if no pair has."""
    parts: dict[str, list[tuple[str, float]]] = {}
    for a, b in pairs:
        before, after = measure(a), measure(b)
        if before is not None and after is not None:
            parts.setdefault(a["condition"], []).append((a["group"], after - before))
    if not parts:
        return None
    effects: Counter[str] = Counter()  # the part of each group in the difference
    for part in parts.values():
        for group, change in part:
            effects[group] += change / len(part) / len(parts)
    test = {
        "p": round(exchanged(list(effects.values())), 5),
        "groups": len(effects),
        "method": "permutation: the runs exchanged in whole groups",
    }
    return {"difference": macro(list(parts.values()), draws, shares=False), "by group": test}


def _mcnemar(pairs: Sequence[Pair]) -> dict[str, Any]:
    worse = sum(mark(a) > mark(b) for a, b in pairs)
    better = sum(mark(b) > mark(a) for a, b in pairs)
    p = binomtest(worse, worse + better).pvalue if worse + better else 1.0
    out = {"only first right": worse, "only second right": better, "p": round(float(p), 5)}
    grouped = len({a["group"] for a, _ in pairs}) < len(pairs)
    return {**out, "ignores": "that several cases are of one group"} if grouped else out
