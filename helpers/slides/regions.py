"""Find wide and narrow parts of a mask, with squares, in bands of rows that take little memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter


def in_bands(rows: int, work: Callable[[int, int], None], most: int) -> None:
    """Call ``work`` with the first row and the one after the last of each band of ``most`` rows."""
    for first in range(0, rows, most):
        work(first, min(first + most, rows))


def opened(mask: np.ndarray, width: float) -> np.ndarray:
    """Remove the parts of a bool mask that are narrower than ``width`` pixels (3 at least)."""
    side = _odd(width)
    return largest_around(_filtered(minimum_filter, mask, side), side)


def closed(mask: np.ndarray, width: float) -> np.ndarray:
    """Fill the gaps of a bool mask that are narrower than ``width`` pixels (3 at least)."""
    side = _odd(width)
    return _filtered(minimum_filter, largest_around(mask, side), side)


def largest_around(mask: np.ndarray, side: int) -> np.ndarray:
    """For each pixel, the largest value in the square of ``side`` (odd) pixels around it."""
    return _filtered(maximum_filter, mask, side)


def _filtered(filtered: Callable[..., np.ndarray], mask: np.ndarray, side: int) -> np.ndarray:
    out, halo = np.empty_like(mask), side // 2

    def work(first: int, last: int) -> None:
        above = max(first - halo, 0)
        out[first:last] = filtered(mask[above : last + halo], side)[first - above : last - above]

    in_bands(len(mask), work, most=max(200, 8 * side))
    return out


def _odd(width: float) -> int:
    return max(3, 2 * round(width / 2) + 1)
