"""The real volumes under teaching cases: two brains in one space, each shown on its own scale."""

from __future__ import annotations

import numpy as np

from helpers.teaching import teaching_volume
from helpers.teaching.anatomies import HEAD_MRI, brain_mri, head_mri
from helpers.teaching.findings import brain_of_mri
from helpers.teaching.volumes import RECIPES, Pose


def test_both_brains_lie_in_one_space_and_on_one_scale() -> None:
    (brain, spacing), (head, head_spacing) = brain_mri(), head_mri()
    assert brain.shape == head.shape and spacing == head_spacing
    white, fluid = (brain > 205) & (brain < 225), (brain > 20) & (brain < 60)
    assert 195 < np.median(head[white]) < 230 and np.median(head[fluid]) < 80
    assert np.percentile(head[brain_of_mri()], 99) < 240  # no fat where findings may lie


def test_the_head_is_shown_on_the_scale_of_its_file() -> None:
    common, _ = head_mri()
    pose = Pose(np.eye(2), np.zeros(2), np.zeros(common.shape[1:]), 1.0, HEAD_MRI.curve)
    shown = pose.apply(common, 0, (0.0, 255.0), [90])[0]
    white = (common[90] > 205) & (common[90] < 225)
    assert 100 < np.median(shown[white]) < 118  # white matter of the file is near 112
    assert np.all(np.diff(np.interp(np.arange(256), *HEAD_MRI.curve)) >= 0)


def test_volumes_are_made_from_both() -> None:
    bright = [np.median(v[v > 40]) for k in range(8) for v in [teaching_volume("mri", k).volume.slices([95])]]
    assert len(RECIPES["mri"].sources) == 2
    assert min(bright) < 110 < max(bright)  # the head's brain lies in the darker half of its scale
