"""The real volumes that findings are put into: a head CT, and the T1 MRI of an averaged brain and of one head."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.data import fetch
from helpers.volumes import read_volume

Anatomy = tuple[np.ndarray, tuple[float, float, float]]  # values (z, y, x) and spacing in mm
Curve = tuple[tuple[float, ...], tuple[float, ...]]  # values, and the values that replace them
# Values of the same tissues in the MRI of the head and of the brain: air, fluid, grey and white matter, fat.
HEAD_TO_BRAIN: Curve = ((0, 22, 35, 76, 90, 110, 118, 186, 255), (0, 45, 80, 150, 175, 215, 235, 250, 255))


@functools.cache
def head_ct() -> Anatomy:
    """Hounsfield units (z, y, x) of the bundled head CT, and its spacing in mm."""
    volume = read_volume(fetch("ct-head"), modality="CT")
    return volume.slices(range(volume.shape[0])), volume.spacing


@functools.cache
def brain_mri() -> Anatomy:
    """Values (z, y, x) of the bundled brain MRI, and its spacing in mm."""
    volume = read_volume(fetch("mri-t1"), modality="MR")
    return volume.slices(range(volume.shape[0])), volume.spacing


@functools.cache
def head_mri() -> Anatomy:
    """The bundled MRI of one head, on the grid of `brain_mri` and on its scale: float32 (z, y, x), spacing in mm.

    Both lie in the space of the MNI, so that a voxel is about the same place of the brain in both.
    """
    head, brain = (read_volume(fetch(name), modality="MR") for name in ("mri-t1-head", "mri-t1"))
    shift = (np.linalg.inv(brain.affine) @ head.affine)[:3, 3].round().astype(int)
    values = np.zeros(brain.shape, np.float32)
    place = tuple(slice(first, first + n) for first, n in zip(shift, head.shape, strict=True))
    values[place] = np.interp(head.slices(range(head.shape[0])), *HEAD_TO_BRAIN)
    return values, brain.spacing


@dataclass(frozen=True)
class Source:
    """A real volume, and how it may be shown: volumes of a kind are made from one or several."""

    anatomy: Callable[[], Anatomy]
    gamma: tuple[float, float] = (1, 1)  # range of the contrast, because values of MRI have no unit
    curve: Curve | None = None  # from the scale of `brain_mri` to that of this source


HEAD_CT = Source(head_ct)
BRAIN_MRI = Source(brain_mri, gamma=(1.4, 2.2))
HEAD_MRI = Source(head_mri, gamma=(0.8, 1.25), curve=HEAD_TO_BRAIN[::-1])
