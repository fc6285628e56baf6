"""Pairs of volumes that differ in a thin finding."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.teaching import BRIGHT, DARK, HAEMORRHAGE, HELD_OUT, MASS, VENTRICLES, thin_pair


@pytest.mark.parametrize(("kind", "condition", "number"), [("ct", HAEMORRHAGE, HELD_OUT + 1), ("mri", DARK, 3)])
def test_a_pair_differs_in_the_slices_of_the_finding_alone(kind, condition, number):
    pair = thin_pair(kind, condition, number, 3)
    n = pair.without.volume.shape[0]
    near = range(pair.slices[0] - 2, pair.slices[-1] + 3)
    before, after = (one.volume.slices(near) for one in pair)
    differs = (before != after).any(axis=(1, 2))
    assert near[0] >= 0 and near[-1] < n
    assert [k for k, other in zip(near, differs, strict=True) if other] == list(pair.slices)
    assert len(pair.slices) == 3
    mask = pair.with_finding.mask(condition, near)
    assert mask[2:5].any(axis=(1, 2)).all() and not mask[:2].any() and not mask[5:].any()
    inside = np.abs(after.astype(int) - before)[mask].mean()
    assert inside > 5 * np.abs(after.astype(int) - before)[2:5][~mask[2:5]].mean()
    assert not pair.without.mask(condition, near).any()


def test_the_number_gives_the_pair():
    first, second, other = (thin_pair("mri", DARK, number, 2) for number in (5, 5, 6))
    near = list(first.slices)
    assert np.array_equal(first.with_finding.volume.slices(near), second.with_finding.volume.slices(near))
    assert first.slices != other.slices


def test_every_lesion_has_room_for_a_few_slices():
    for kind, condition in (("ct", HAEMORRHAGE), ("ct", MASS), ("mri", BRIGHT)):
        for number in range(HELD_OUT, HELD_OUT + 3):
            assert len(thin_pair(kind, condition, number, 6).slices) == 6


@pytest.mark.parametrize(
    ("kind", "condition", "number", "slices"),
    [
        ("slide", DARK, 0, 2),
        ("ct", DARK, 0, 2),
        ("mri", VENTRICLES, 0, 2),
        ("mri", DARK, -1, 2),
        ("mri", DARK, 0, 0),
        ("mri", DARK, 0, 999),
    ],
)
def test_what_is_no_thin_finding_is_refused(kind, condition, number, slices):
    with pytest.raises(InputError):
        thin_pair(kind, condition, number, slices)
