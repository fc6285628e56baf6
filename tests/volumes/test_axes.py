"""Stored axes: which plane they are, and how they are turned."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.volumes.axes import axes_of, plane_of, square_note


def turned(degrees: float, axis: int) -> np.ndarray:
    """A rotation about a patient axis, (3, 3)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (k for k in range(3) if k != axis)
    made = np.eye(3)
    made[[i, j, i, j], [i, j, j, i]] = c, c, -s, s
    return made


@pytest.mark.parametrize(
    ("direction", "plane"),
    [
        ((0, 0, -2), "axial"),
        ((0, 3, 0), "coronal"),
        ((1, 0, 0), "sagittal"),
        ((0, 0.6, 0.8), "axial"),  # 37 degrees, as far as a gantry tilts
        ((0, 0.7, 0.7), "oblique"),
        ((0.6, 0.6, 0.5), "oblique"),
    ],
)
def test_the_plane_follows_from_the_direction_of_the_slices(direction: tuple[float, ...], plane: str) -> None:
    assert plane_of(np.array(direction)) == plane


@pytest.mark.parametrize("degrees", [0, 5, 19.9, 25, 40])
def test_the_tilt_is_that_of_the_axis_that_leans_most(degrees: float) -> None:
    affine = np.eye(4)
    affine[:3, :3] = turned(degrees, 1) @ np.diag([1, 2, 3])[:, [0, 2, 1]]  # sagittal: x, then down z, along y
    axes = axes_of(affine, (4, 5, 6))
    assert axes.plane == ("sagittal" if degrees < 37 else "oblique")
    assert axes.tilt == pytest.approx(degrees, abs=1e-4)
    assert (axes.shape, axes.spacing) == ((5, 6, 4), pytest.approx((3, 2, 1)))


def test_sheared_axes_are_never_read_along_the_wrong_one() -> None:
    """Slices follow one another axially, and yet the rows lie closer to that direction."""
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 1], [0.6, 0.1, 0], [0.8, 0.99, 0]]
    assert axes_of(affine, (4, 5, 6)).plane == "oblique"


def test_pixels_that_are_not_square_are_named() -> None:
    assert square_note((5, 1.33, 0.94)) == "The pixels of 1.33 x 0.94 mm were resampled to squares of 0.94 mm."
    assert not square_note((5, 0.7, 0.704))
