"""Give a stored grid of voxels as axial slices: unchanged, turned, or resampled on request."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from helpers.errors import InputError
from helpers.volumes.axes import LARGEST_TILT, THICK, Axes, axes_of

T = TypeVar("T")
LARGEST_SIDE = 1024  # voxels of a resampled volume


@dataclass(frozen=True)
class Axial:
    """The axial slices of a volume, with the fields of `helpers.volumes.Volume` that say how they lie."""

    shape: tuple[int, int, int]  # (z, y, x)
    spacing: tuple[float, float, float]  # mm, (z, y, x)
    affine: np.ndarray  # (4, 4), index (z, y, x, 1) -> LPS mm
    decode: Callable[[Sequence[int]], np.ndarray]
    padding: tuple[float, float] | None  # a voxel in this range of values is not a measurement
    note: str = ""  # a sentence if the slices were turned or resampled


def axial_slices(
    affine: np.ndarray,
    shape: Sequence[int],
    stored: Callable[[Sequence[int]], np.ndarray],
    source: Path | str,
    reformat: str | None = None,
    padding: tuple[float, float] | None = None,
) -> Axial:
    """The axial slices of a stored array.

    Args:
        affine: (4, 4), stored index (slice, row, column, 1) to LPS mm.
        shape: the shape of the stored array.
        stored: a function that gives stored slices by their indices, (n, rows, columns).
        source: the path or address, for error messages.
        reformat: "axial" resamples (trilinear) a volume that cannot be turned.
        padding: the lowest and the highest value of padding. No resampled voxel is made from padding.

    Raises:
        InputError: the slices are neither axial nor close to sagittal or coronal, or they are so thick that axial
            slices would have stripes as pixels.
    """
    if reformat not in (None, "axial"):
        raise InputError(
            f"The value of reformat is {reformat!r}, which does not exist.",
            path=source,
            remedy='Use reformat="axial".',
        )
    axes = axes_of(affine, shape)
    if axes.plane == "axial" and axes.stripes <= THICK:
        return Axial(axes.shape, axes.spacing, axes.affine, functools.partial(_read, axes, stored), padding)
    if axes.plane != "oblique" and axes.tilt <= LARGEST_TILT and axes.stripes <= THICK:
        note = f"turned from {axes.plane} to axial, without resampling"
        turned = _once(lambda: axes.turn(stored(range(shape[0]))))
        return Axial(axes.shape, axes.spacing, axes.affine, lambda ks: turned()[list(ks)], padding, note)
    if reformat:
        return _resampled(affine, shape, lambda: stored(range(shape[0])), axes.plane, padding)
    choose = "Choose the axial series of the study"
    if axes.stripes > THICK:
        _, dy, dx = axes.spacing
        taken = "The slices are" if axes.plane != "axial" else "It was not taken axially, though stored"
        problem = f"{taken} {axes.plane}: axial ones made of them would have pixels of {dy:.2g} x {dx:.2g} mm."
        choose += ", or one with cubic voxels"
    else:
        problem = f"The slices are {axes.plane}, {axes.tilt:.0f} degrees off, but the model needs axial slices."
    raise InputError(
        problem,
        path=source,
        remedy=f'{choose}; or have this one resampled: read_volume(..., reformat="axial"), on the command line '
        "--reformat axial.",
    )


def _read(axes: Axes, stored: Callable[[Sequence[int]], np.ndarray], indices: Sequence[int]) -> np.ndarray:
    """Slices of a volume that is stored in axial slices. Only the slices in ``indices`` are decoded."""
    last = axes.shape[0] - 1
    pixels = stored([last - k if 0 in axes.flipped else k for k in indices])
    if axes.order[1] == 2:
        pixels = pixels.swapaxes(1, 2)
    return np.flip(pixels, [axis for axis in axes.flipped if axis])


def _once(load: Callable[[], T]) -> Callable[[], T]:
    """The result of ``load``, which is called only once, although several threads may ask."""
    lock = threading.Lock()
    cached = functools.cache(load)

    def voxels() -> T:
        with lock:
            return cached()

    return voxels


def _resampled(
    affine: np.ndarray,
    shape: Sequence[int],
    load: Callable[[], np.ndarray],
    plane: str,
    padding: tuple[float, float] | None,
) -> Axial:
    """The volume on cubic voxels along the patient's axes, with NaN where nothing was measured."""
    from scipy.ndimage import map_coordinates

    corners = np.array([[*index, 1] for index in itertools.product(*((0, n - 1) for n in shape))])
    places = (corners @ affine.T)[:, :3]
    low, high = places.min(0), places.max(0)
    side = float(max(np.linalg.norm(affine[:3, 1:3], axis=0).min(), (high - low).max() / LARGEST_SIDE))
    size = tuple(int(n) for n in (np.floor((high - low) / side + 1e-6) + 1)[::-1])  # (z, y, x)
    lies = np.zeros((4, 4))
    lies[[2, 1, 0], [0, 1, 2]] = side
    lies[:3, 3], lies[3, 3] = low, 1
    back = np.linalg.inv(affine) @ lies  # new index -> stored index
    last = np.array(shape, float)[:, None, None] - 1

    def prepare() -> tuple[np.ndarray, np.ndarray | None]:
        """The voxels, and an array with 1 for measured voxels and 0 for others; None if all were measured."""
        whole = load().astype(np.float32)
        found = np.isfinite(whole)
        if padding:
            found &= (whole < padding[0]) | (whole > padding[1])
        if found.all():
            return whole, None
        whole[~found] = 0
        return whole, found.astype(np.float32)

    prepared = _once(prepare)

    def decode(indices: Sequence[int]) -> np.ndarray:
        whole, found = prepared()
        y, x = np.mgrid[: size[1], : size[2]]
        out = np.empty((len(indices), *size[1:]), np.float32)
        for n, z in enumerate(indices):
            at = back[:3, 0, None, None] * z + back[:3, 1, None, None] * y + back[:3, 2, None, None] * x
            at += back[:3, 3, None, None]
            # Voxels that are outside only because of rounding lie on the border.
            inside = np.clip(at, 0, last)
            at = np.where(abs(at - inside) < 1e-3, inside, at)
            map_coordinates(whole, at, out[n], order=1, cval=np.nan)
            if found is not None:
                share = map_coordinates(found, at, order=1)
                out[n] = np.where(share > 0.5, out[n] / np.maximum(share, 0.5), np.nan)
        return out

    note = f"resampled from {plane} to axial" if plane != "axial" else "resampled to cubic voxels"
    return Axial(size, (side,) * 3, lies, decode, None, f"{note} (trilinear)")
