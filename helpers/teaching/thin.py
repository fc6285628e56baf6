"""Make pairs of volumes: one with a finding that is a few slices thick, and the same one without it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from helpers.errors import InputError, did_you_mean
from helpers.teaching.findings import Finding
from helpers.teaching.volumes import RECIPES, Pose, TeachingVolume, posed_volume


class ThinPair(NamedTuple):
    """Two volumes that differ in one finding and in nothing else."""

    without: TeachingVolume
    with_finding: TeachingVolume

    @property
    def slices(self) -> tuple[int, ...]:
        """The slices that show the finding, counted from 0."""
        (finding,) = self.with_finding.findings.values()
        return finding.slices


def thin_pair(kind: str, condition: str, number: int, slices: int) -> ThinPair:
    """Make a teaching volume with a finding of a condition that is ``slices`` thick, and the same without it.

    Args:
        kind: the kind of volume, "ct" or "mri".
        condition: a lesion of that kind, e.g. `helpers.teaching.HAEMORRHAGE`.
        number: the number of the pair. The same number gives the same pair. The stand-in learned from other
            volumes.
        slices: how many slices show the finding. In each it is as wide as in its middle.

    Raises:
        InputError: the kind or condition does not exist, the number is below 0, or the finding cannot be this
            thick.
    """
    if kind not in ("ct", "mri"):
        raise InputError(f"There are no thin findings of kind {kind!r}.", remedy="Use ct or mri.")
    recipe = RECIPES[kind]
    if condition not in recipe.conditions:
        remedy = f"{did_you_mean(condition, recipe.conditions)}Use one of {', '.join(recipe.conditions)}."
        raise InputError(f"Volumes of kind {kind!r} have no {condition!r}.", remedy=remedy)
    if number < 0:
        raise InputError(f"The number is {number}, below 0.", remedy="Use 0 or more.")
    rng = np.random.default_rng([15, recipe.stream, number])
    source = recipe.sources[rng.integers(len(recipe.sources))]
    original, spacing = anatomy = source.anatomy()
    finding = Finding.draw(condition, spacing, rng).thinned(slices)
    pose = Pose.draw(original.shape[1:], rng, source)
    shown, name = list(range(len(original))), f"{kind}-thin-{number}"
    healthy = posed_volume(f"{name}-without", recipe, anatomy, [], pose)
    ill = posed_volume(name, recipe, anatomy, [finding], pose)
    return ThinPair(
        TeachingVolume(healthy, {}, shown, pose), TeachingVolume(ill, {condition: finding}, shown, pose)
    )
