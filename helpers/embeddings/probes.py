"""Use vectors of images: train a probe on a few labels, and test whether two sites look alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.errors import InputError, check_count


def linear_probe(width: int) -> Any:
    """A scikit-learn classifier on vectors of ``width`` numbers: standardised, then logistic regression.

    There are often more numbers than labels, so the penalty grows with the width of the vectors.
    """
    return make_pipeline(StandardScaler(), LogisticRegression(C=2.5 / width, max_iter=1000))


@dataclass(frozen=True)
class ProbePoint:
    """The accuracies on held-out rows in each repetition, for one number of labels."""

    labels: int
    probe: list[float]
    majority: list[float]  # accuracy of the more frequent answer among these labels
    shuffled: list[float]  # accuracy of a probe that learned from shuffled labels


def probe_curve(
    vectors: np.ndarray,
    labels: Sequence[Any],
    groups: Sequence[Any] | None = None,
    *,
    sizes: Sequence[int],
    held_out: float = 0.4,
    repeats: int = 10,
    seed: int = 0,
) -> list[ProbePoint]:
    """The accuracy of a linear probe by its number of labels: the learning curve, with two controls.

    Each repetition holds out a share of the groups, and learns from a growing part of the others. "Shuffled" has
    the same vectors with shuffled labels. If its accuracy is not near chance, the figure of the probe means
    nothing.

    Args:
        vectors: (n, width).
        labels: n, of two classes or more.
        groups: n, the same for rows of one patient, which are never on both sides; by default each row is its own
            group.
        sizes: numbers of labels to learn from.
        held_out: share of the groups to score on.
        repeats: how often a part is held out.
        seed: of the choices.

    Raises:
        InputError: lengths differ, vectors are not finite, there is only one class, the groups cannot be divided,
            or a size is larger than the number of labels left to learn from.
    """
    vectors, labels = np.asarray(vectors), np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    if not len(vectors) == len(labels) == len(groups):
        raise InputError(
            f"The numbers of vectors ({len(vectors)}), labels ({len(labels)}) and groups ({len(groups)}) differ.",
            remedy="Give one vector, one label and one group for each row.",
        )
    if len(np.unique(labels)) < 2:
        raise InputError("All labels are the same.", remedy="Give rows of two classes.")
    _check_finite(vectors)
    for what, n in (("repeats", repeats), *(("A size", size) for size in sizes)):
        check_count(n, f"{what} is {n!r}, which is not a whole number of 1 or more.", remedy="Give such a number.")
    different = len(np.unique(groups))
    if not 0 < held_out < 1 or math.ceil(held_out * different) == different:  # as GroupShuffleSplit rounds
        raise InputError(
            f"held_out is {held_out}, so {different} groups cannot be divided.",
            remedy="Give a share between 0 and 1, of which both sides have a group.",
        )
    points = [ProbePoint(size, [], [], []) for size in sizes]
    splits = GroupShuffleSplit(repeats, test_size=held_out, random_state=seed).split(vectors, labels, groups)
    rng = np.random.default_rng(seed)
    for pool, test in splits:
        names = rng.permutation(np.unique(groups[pool]))
        pool = np.concatenate([pool[groups[pool] == name] for name in names])
        for point in points:
            if point.labels > len(pool):
                raise InputError(
                    f"A size of {point.labels} labels was asked for, but only {len(pool)} of "
                    f"{len(labels)} are left to learn from.",
                    remedy="Give more rows, smaller sizes, or a smaller held_out.",
                )
            train = pool[: point.labels]
            dealt = rng.permutation(labels[train])
            several = len(np.unique(dealt)) > 1  # a few labels may all be alike by chance
            majority = DummyClassifier().fit(vectors[train], labels[train])
            for scores, learned in ((point.probe, labels[train]), (point.shuffled, dealt)):
                probe = linear_probe(vectors.shape[1]).fit(vectors[train], learned) if several else majority
                scores.append(float(probe.score(vectors[test], labels[test])))
            point.majority.append(float(majority.score(vectors[test], labels[test])))
    return points


@dataclass(frozen=True)
class Drift:
    """How far two sets of vectors are from each other."""

    distance: float  # energy distance, 0 for the same distribution
    usual: float  # its 95th percentile if both sets come from one distribution
    p_value: float


def drift(one: np.ndarray, other: np.ndarray, *, permutations: int = 999, seed: int = 0) -> Drift:
    """Test by the energy distance whether two sets of vectors, (n, width) and (m, width), are alike.

    The energy distance is two times the mean distance between the sets, minus the mean distance within each set
    (Székely and Rizzo 2013). Before, every channel is standardised over both sets. The p-value is the share of
    random divisions of all rows with a distance that is at least as large. So rows have to be independent, with
    one row for each patient.

    Raises `InputError` for fewer than two rows in a set, widths that differ, or values that are not finite.
    """
    one, other = np.asarray(one), np.asarray(other)
    if {one.ndim, other.ndim} != {2} or min(len(one), len(other)) < 2 or one.shape[1] != other.shape[1]:
        raise InputError(
            f"Sets of {one.shape} and {other.shape} cannot be compared.",
            remedy="Give two rows or more of each set, from the same vision tower.",
        )
    for vectors in (one, other):
        _check_finite(vectors)
    problem = f"permutations is {permutations!r}, which is not a whole number of 1 or more."
    check_count(permutations, problem, remedy="Give such a number, e.g. 999.")
    together = StandardScaler().fit_transform(np.concatenate([one, other]).astype(np.float64))
    apart = cdist(together, together)
    first = np.arange(len(together)) < len(one)
    rng = np.random.default_rng(seed)
    sides = np.stack([first, *(rng.permutation(first) for _ in range(permutations))]).astype(float)
    mine, yours = sides / sides.sum(1, keepdims=True), (1 - sides) / (1 - sides).sum(1, keepdims=True)
    to_mine, to_yours = mine @ apart, yours @ apart
    distances = 2 * (to_mine * yours).sum(1) - (to_mine * mine).sum(1) - (to_yours * yours).sum(1)
    as_large = (distances >= distances[0] - 1e-12).sum()  # counts the true division, too
    return Drift(float(distances[0]), float(np.quantile(distances[1:], 0.95)), float(as_large / len(distances)))


def _check_finite(vectors: np.ndarray) -> None:
    """Raise `InputError` for vectors that are not rows of finite numbers."""
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"Vectors of shape {vectors.shape} are not rows of numbers.", remedy="Give an array (n, width)."
        )
    if bad := np.flatnonzero(~np.isfinite(vectors).all(1)).tolist():
        raise InputError(
            f"The vectors of {len(bad)} rows hold values that are not finite, first row {bad[0]}.",
            remedy="Leave these rows out, or embed them again.",
        )
