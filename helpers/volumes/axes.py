"""Find how the stored axes of a volume lie in the patient, and turn them to axial slices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# With a tilted gantry or head, slices still count as axial up to this angle, 37 degrees.
AXIAL_COSINE = 0.8
# A sagittal or coronal volume is turned and not resampled if its axes are this close to the patient's.
LARGEST_TILT = 20.0  # degrees
# From sagittal slices that are far apart, turning would make axial slices with long, narrow pixels (stripes).
THICK = 3.0
SQUARE = 1.01  # a pixel up to this ratio of its sides is shown as a square
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class Axes:
    """Stored axes (slice, row, column) turned to (z, y, x): to superior, to posterior, to the patient's left.

    ``order[k]`` is the stored axis that becomes axis k. ``flipped`` holds the new axes that run backwards.
    """

    plane: str  # plane of the stored slices: "axial", "coronal", "sagittal" or "oblique"
    order: tuple[int, int, int]
    flipped: tuple[int, ...]
    shape: tuple[int, int, int]  # (z, y, x)
    spacing: tuple[float, float, float]  # mm, (z, y, x)
    affine: np.ndarray  # (4, 4), index (z, y, x, 1) -> patient position (x, y, z, 1) in mm, LPS

    @property
    def tilt(self) -> float:
        """The largest angle, in degrees, between an axis of the volume and the patient's axis."""
        directions = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(np.degrees(np.arccos(min(1.0, min(abs(directions[[2, 1, 0], [0, 1, 2]]))))))

    @property
    def stripes(self) -> float:
        """The longer side of a pixel of the axial slices, divided by the shorter side."""
        _, dy, dx = self.spacing
        return max(dy, dx) / min(dy, dx)

    def turn(self, stored: np.ndarray) -> np.ndarray:
        """A view of the whole stored array (slice, row, column) as (z, y, x)."""
        return np.flip(stored.transpose(self.order), self.flipped)


def axes_of(affine: np.ndarray, shape: Sequence[int]) -> Axes:
    """Axes of an array (slice, row, column) of ``shape`` whose ``affine`` takes its index to LPS mm."""
    columns = affine[:3, :3]
    lengths = np.linalg.norm(columns, axis=0)
    cosines = np.abs(columns / lengths)  # [patient axis x y z, stored axis]
    # Pair z, y, x (patient axes 2, 1, 0) with the stored axes so that all three pairs together fit best.
    order = max(
        itertools.permutations(range(3)),
        key=lambda order: sum(cosines[2 - k, axis] for k, axis in enumerate(order)),
    )
    turned = affine.copy()
    turned[:3, :3] = columns[:, list(order)]
    size = tuple(int(shape[axis]) for axis in order)
    flipped = []
    for k, patient_axis in enumerate((2, 1, 0)):
        if turned[patient_axis, k] < 0:
            turned[:3, 3] += turned[:3, k] * (size[k] - 1)
            turned[:3, k] *= -1
            flipped.append(k)
    spacing = tuple(float(lengths[axis]) for axis in order)
    plane = plane_of(cosines[:, 0])
    if plane != _PLANES[2 - order.index(0)]:  # for sheared axes, another plane may fit better
        plane = "oblique"
    return Axes(plane, order, tuple(flipped), size, spacing, turned)


def plane_of(direction: np.ndarray) -> str:
    """The plane of slices that follow one another in ``direction``: axial, coronal, sagittal or oblique."""
    cosines = np.abs(direction) / np.linalg.norm(direction)
    axis = int(np.argmax(cosines))
    return _PLANES[axis] if cosines[axis] >= AXIAL_COSINE else "oblique"


def square_note(spacing: Sequence[float]) -> str:
    """A sentence that says that pixels (z, y, x in mm) become square when shown; empty if they are square."""
    _, dy, dx = spacing
    if max(dy, dx) / min(dy, dx) <= SQUARE:
        return ""
    return f"The pixels of {dy:.3g} x {dx:.3g} mm were resampled to squares of {min(dy, dx):.3g} mm."
