"""Place the patches of a slide: a grid of squares on each piece of tissue. No pixel of the slide is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP, PATCH_SIDE
from helpers.slides.pyramid import MPP_TOLERANCE, Slide
from helpers.slides.tissue import TissueMask

_SHIFTS = 33  # the number of places that are tried for a grid
_TILE = 128  # level pixels; scanners' tiles have 256 or 512, and a patch that begins with a tile spans fewest
_CELLS = 8  # a patch is this many cells wide; pieces less than two cells apart share a grid


@dataclass(frozen=True)
class Patch:
    """A square of a slide in level-0 pixels, shown to the model as 896 x 896 pixels of ``mpp`` microns each."""

    x: int  # x of the upper left corner; negative if it lies beyond the slide
    y: int
    size: int
    mpp: float
    tissue: float  # share of the square with tissue that no other patch of the grid shows, 0 to 1
    glass: tuple[int, int, int] = (255, 255, 255)  # the colour of areas beyond the slide, RGB


def patch_grid(
    slide: Slide, mask: TissueMask, mpp: float = MAGNIFICATION_MPP[10], min_tissue: float = 0.0
) -> list[Patch]:
    """Lay 896-pixel patches, edge to edge, over each piece of tissue. Reads no pixel.

    Each piece of tissue, with all tissue less than a quarter of a patch beside it, gets its own grid. The grid is
    shifted so that its patches hold most tissue, so a piece that is smaller than a patch lies whole in one patch.
    The largest piece goes first, and tissue that its patches show is not shown again. A grid stays on the slide if
    there is room for it; areas beyond the slide are filled with the colour of the slide's glass.

    Args:
        slide: an open slide.
        mask: its tissue.
        mpp: microns per pixel of the patches, e.g. ``MAGNIFICATION_MPP[10]``.
        min_tissue: the share of a patch that must be tissue, 0 to 1.

    Returns:
        Patches in raster order (row by row, each from left to right). With ``min_tissue`` 0 they show all tissue.

    Raises:
        InputError: ``mpp`` is finer than the slide, or no patch has enough tissue.
    """
    size = _patch_size(slide, mpp)
    level = slide.levels[slide.best_level(mpp)].downsample
    side = size / mask.downsample  # in pixels of the mask, like all lengths below
    left = mask.tissue.copy()
    slide_box = [
        ((start - origin) / mask.downsample, (start + length - origin) / mask.downsample)
        for start, length, origin in zip(slide.bounds[1::-1], slide.bounds[:1:-1], mask.origin[::-1], strict=True)
    ]
    tiles = [(_TILE * level / mask.downsample, origin / mask.downsample) for origin in mask.origin[::-1]]
    patches = []
    for box in _pieces(mask.tissue, side):
        piece = left[box]
        if not piece.any():
            continue
        rows, columns = (
            _starts(np.count_nonzero(piece, axis=1 - axis), box[axis].start, side, *slide_box[axis], *tiles[axis])
            for axis in (0, 1)
        )
        for row, column, count in _take(left, rows, columns, side):
            # Patches begin on whole pixels of the level that is read, because between pixels OpenSlide would blur.
            x, y = (
                round(round((origin + at * mask.downsample) / level) * level)
                for at, origin in zip((column, row), mask.origin, strict=True)
            )
            share = min(count / side**2, 1.0)
            patches.append(Patch(x, y, size, slide.mpp * size / PATCH_SIDE, share, mask.glass))
    kept = [patch for patch in patches if patch.tissue >= min_tissue]
    if not kept:
        raise InputError(
            f"No patch at {mpp:.4g} microns per pixel has at least {min_tissue:.0%} tissue (the patch "
            f"with the most has {max((patch.tissue for patch in patches), default=0):.0%}).",
            path=slide.path,
            remedy="Lower min_tissue, or choose a finer mpp.",
        )
    return sorted(kept, key=lambda patch: (patch.y, patch.x))


def tissue_shown(mask: TissueMask, patches: Sequence[Patch]) -> float:
    """The share of the slide's tissue that lies in any of these patches, 0 to 1, counted on its mask.

    It is not the sum of their shares of tissue: patches of neighbouring pieces may overlap.
    """
    shown = np.zeros_like(mask.tissue)
    for patch in patches:
        left, top = (patch.x - mask.origin[0]) / mask.downsample, (patch.y - mask.origin[1]) / mask.downsample
        side = patch.size / mask.downsample
        shown[_pixels(top, side), _pixels(left, side)] = True
    return float(np.count_nonzero(shown & mask.tissue) / np.count_nonzero(mask.tissue))


def _patch_size(slide: Slide, mpp: float) -> int:
    """The side of a patch in level-0 pixels. A level that nearly fits is used without resampling."""
    downsample = slide.levels[slide.best_level(mpp)].downsample
    wanted = mpp / slide.mpp
    return round(PATCH_SIDE * (downsample if wanted <= downsample * (1 + MPP_TOLERANCE) else wanted))


def _pieces(tissue: np.ndarray, side: float) -> list[tuple[slice, slice]]:
    """Boxes of the pieces of tissue, the largest first. Tissue more than two cells apart is two pieces."""
    cell = max(side / _CELLS, 1.0)
    at = [(np.arange(length) / cell).astype(int) for length in tissue.shape]
    rows, columns = (np.flatnonzero(np.diff(index, prepend=-1)) for index in at)  # the beginning of each cell
    cells = np.logical_or.reduceat(np.logical_or.reduceat(tissue, rows, axis=0), columns, axis=1)
    around = np.ones((3, 3), bool)
    labels, _ = ndimage.label(ndimage.binary_dilation(cells, around), around)
    of_pixel = labels[at[0]][:, at[1]]
    of_pixel *= tissue
    boxes = ndimage.find_objects(of_pixel)
    counts = [np.count_nonzero(of_pixel[box] == label) for label, box in enumerate(boxes, start=1)]
    return [boxes[index] for index in np.argsort(np.negative(counts), kind="stable")]


def _starts(
    amounts: np.ndarray, offset: int, side: float, lowest: float, highest: float, tile: float, origin: float
) -> np.ndarray:
    """The beginnings of the fewest squares that cover a piece along one axis, on the slide if there is room.

    Among these places, it takes the one with most tissue in single squares (by the sum of squared amounts),
    because a seam through the middle would show two halves instead of one whole. If all places are equal, the
    piece is in the middle.
    """
    holds = np.flatnonzero(amounts)
    first, last = offset + holds[0], offset + holds[-1] + 1
    count = math.ceil((last - first) / side - 1e-9)
    low, high = last - count * side, first
    middle = (low + high) / 2
    if highest - lowest >= count * side:
        low, high = max(low, lowest), min(high, highest - count * side)
        middle = min(max(middle, low), high)
    edges, ends = np.arange(count + 1) * side, offset + np.arange(len(amounts) + 1)
    sums = np.concatenate([[0.0], np.cumsum(amounts)])

    def fullness(start: float) -> float:
        return float((np.diff(np.interp(start + edges, ends, sums)) ** 2).sum())

    best = max(np.linspace(low, high, _SHIFTS), key=fullness)
    start = best if fullness(best) > 1.01 * fullness(middle) else middle
    on_tile = round((start + origin) / tile) * tile - origin
    start = on_tile if low <= on_tile <= high else start
    return start + edges[:-1]


def _take(
    left: np.ndarray, rows: np.ndarray, columns: np.ndarray, side: float
) -> Iterator[tuple[float, float, int]]:
    """Remove the tissue from ``left`` square by square. Yields each square that had tissue, and its pixels."""
    for row in rows:
        for column in columns:
            # A pixel of the mask belongs only to the square in which its middle lies.
            inside = left[_pixels(row, side), _pixels(column, side)]
            if count := int(inside.sum()):
                inside[...] = False
                yield row, column, count


def _pixels(start: float, side: float) -> slice:
    return slice(max(math.ceil(start - 0.5), 0), max(math.ceil(start + side - 0.5), 0))
