"""A whole slide, from its file to the tissue patches that MedGemma 1.5 reads.

First the places (`sample_patches`: cheap), then their pixels (`read_patches`), after the MedGemma 1.5 technical
report (arXiv:2604.05081): a tissue mask in HSV at about 5x, patches of 896 x 896 pixels with stride 896 at 5x, 10x
or 20x, a random sample of at most 126 of them in spatial order.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from openslide import OpenSlide, OpenSlideCache
from PIL import Image
from scipy.ndimage import map_coordinates
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP, MAX_PATCHES, PATCH_SIDE, shares
from helpers.slides.pyramid import MPP_TOLERANCE, Level, Slide, open_slide, read_region
from helpers.slides.tissue import TissueMask, overview, tissue_in, tissue_mask

__all__ = [
    "MAGNIFICATION_MPP",
    "MAX_PATCHES",
    "MIN_TISSUE",
    "PATCH_SIDE",
    "Level",
    "Patch",
    "Slide",
    "TissueMask",
    "open_slide",
    "overview",
    "patch_grid",
    "read_patches",
    "sample_patches",
    "sample_slides",
    "tissue_in",
    "tissue_mask",
]

# A tenth keeps the rim of the tissue and a needle core (0.5 to 1 mm wide, a patch at 5x is 1.8 mm), and leaves out
# glass and debris.
MIN_TISSUE = 0.1

CACHE_BYTES = 32 << 20  # decoded tiles, shared by all readers of one slide


@dataclass(frozen=True)
class Patch:
    """A square of a slide in level-0 pixels, shown to the model as 896 x 896 pixels of ``mpp`` microns each."""

    x: int
    y: int
    size: int
    mpp: float
    tissue: float  # share of the square that is tissue, 0 to 1


def patch_grid(
    slide: Slide, mask: TissueMask, mpp: float = MAGNIFICATION_MPP[10], min_tissue: float = MIN_TISSUE
) -> list[Patch]:
    """Lay the grid of 896-pixel patches over the slide and keep those with tissue. Reads no pixel.

    The grid starts at the upper left corner of the slide's ``bounds``; patches neither overlap nor leave gaps. In
    the last column and row a patch may reach beyond the slide: that part is white and counts as glass.

    Args:
        slide: an open slide.
        mask: its tissue.
        mpp: microns per pixel of the patches, e.g. ``MAGNIFICATION_MPP[10]``.
        min_tissue: share of a patch that has to be tissue, 0 to 1.

    Returns:
        Patches in raster order (row by row, each from left to right).

    Raises:
        InputError: ``mpp`` is finer than the slide, or no patch has enough tissue.
    """
    size = _patch_size(slide, mpp)
    x, y, width, height = slide.bounds
    lefts, tops = (np.arange(math.ceil(length / size)) * size for length in (width, height))

    # Sums of the mask above and left of each grid corner, interpolated because corners fall between mask pixels.
    sums = np.pad(mask.tissue.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    edges = [np.append(starts, starts[-1] + size) / mask.downsample for starts in (tops, lefts)]
    corners = map_coordinates(sums, np.meshgrid(*edges, indexing="ij"), order=1, mode="nearest")
    share = np.diff(np.diff(corners, axis=0), axis=1) / (size / mask.downsample) ** 2

    kept = np.argwhere(share >= min_tissue)
    if not len(kept):
        raise InputError(
            f"No patch at {mpp:.4g} microns per pixel is at least {min_tissue:.0%} tissue "
            f"(the fullest: {share.max():.0%}).",
            path=slide.path,
            remedy="Lower min_tissue, or choose a finer mpp.",
        )
    return [
        Patch(
            x + int(lefts[column]),
            y + int(tops[row]),
            size,
            slide.mpp * size / PATCH_SIDE,
            float(share[row, column]),
        )
        for row, column in kept
    ]


def sample_patches(
    slide: Slide,
    mpp: float = MAGNIFICATION_MPP[10],
    limit: int = MAX_PATCHES,
    seed: int = 0,
    min_tissue: float = MIN_TISSUE,
    mask: TissueMask | None = None,
) -> list[Patch]:
    """Choose at most ``limit`` tissue patches at random, without replacement, and give them in raster order.

    Args:
        slide: an open slide.
        mpp: microns per pixel of the patches, e.g. ``MAGNIFICATION_MPP[10]``.
        limit: the most patches to take; 126 fill MedGemma's context.
        seed: the same seed gives the same patches.
        min_tissue: share of a patch that has to be tissue, 0 to 1.
        mask: the slide's tissue, where it is known already.

    Raises:
        InputError: as `tissue_mask` and `patch_grid`, or a limit under 1.
    """
    if limit < 1:
        raise InputError(f"A limit of {limit} leaves no patch.", path=slide.path, remedy="Use 1 to 126.")
    masks = None if mask is None else [mask]
    return sample_slides([slide], mpp, limit, seed, min_tissue, masks)[0]


def sample_slides(
    slides: Sequence[Slide],
    mpp: float = MAGNIFICATION_MPP[10],
    limit: int = MAX_PATCHES,
    seed: int = 0,
    min_tissue: float = MIN_TISSUE,
    masks: Sequence[TissueMask] | None = None,
) -> list[list[Patch]]:
    """Choose at most ``limit`` tissue patches from all slides of one specimen together.

    Each slide gets patches in proportion to its tissue, counted in patches of its grid, and at least one
    (`helpers.prompts.sharing`). The MedGemma 1.5 report measured single slides only; how several share is ours.

    Args:
        slides: open slides, in the order of the prompt.
        mpp: microns per pixel of the patches of all slides.
        limit: the most patches to take from all slides together.
        seed: the same seed gives the same patches.
        min_tissue: share of a patch that has to be tissue, 0 to 1.
        masks: the tissue of each slide, where it is known already.

    Returns:
        For each slide its patches, in raster order.

    Raises:
        InputError: as `tissue_mask` and `patch_grid`, or more slides than ``limit``.
    """
    for slide in slides:
        slide.best_level(mpp)  # fail before a mask is read
    masks = [tissue_mask(slide) for slide in slides] if masks is None else masks
    grids = [patch_grid(slide, mask, mpp, min_tissue) for slide, mask in zip(slides, masks, strict=True)]
    rng = np.random.default_rng(seed)
    chosen = []
    for grid, n in zip(grids, shares([len(grid) for grid in grids], limit, what="slides"), strict=True):
        drawn = rng.choice(len(grid), size=n, replace=False)
        chosen.append([grid[index] for index in sorted(drawn)])
    return chosen


def read_patches(slide: Slide, patches: Sequence[Patch], workers: int | None = None) -> Iterator[Image.Image]:
    """Read patches in parallel and yield them in the order given, as RGB images of 896 x 896 pixels.

    Each comes from the best pyramid level by one antialiased (Lanczos) resample, or none where the level fits;
    what is outside the slide or transparent is white. Only a few patches a worker are in memory at a time.

    Args:
        slide: an open slide.
        patches: as from `sample_patches`.
        workers: threads, each with an OpenSlide handle of its own; by default one a core, at most 8.

    Raises:
        InputError: the slide's pixels are damaged.
    """
    workers = workers or min(8, os.cpu_count() or 1)
    own = threading.local()
    handles: list[OpenSlide] = []
    cache = OpenSlideCache(CACHE_BYTES)

    def read(patch: Patch) -> Image.Image:
        if not hasattr(own, "handle"):
            own.handle = OpenSlide(slide.path)
            own.handle.set_cache(cache)
            handles.append(own.handle)
        return _read_patch(slide, own.handle, patch)

    waiting: deque = deque()
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(patches), desc="patches", unit="patch", delay=2, leave=False) as bar,
    ):
        try:
            for patch in patches:
                waiting.append(pool.submit(read, patch))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
                    bar.update()
            while waiting:
                yield waiting.popleft().result()
                bar.update()
        finally:  # also when the caller stops early
            pool.shutdown(cancel_futures=True)
            for handle in handles:
                handle.close()


def _patch_size(slide: Slide, mpp: float) -> int:
    """Return the side of a patch in level-0 pixels; a level that nearly fits is taken pixel for pixel."""
    downsample = slide.levels[slide.best_level(mpp)].downsample
    wanted = mpp / slide.mpp
    return round(PATCH_SIDE * (downsample if wanted <= downsample * (1 + MPP_TOLERANCE) else wanted))


def _read_patch(slide: Slide, handle: OpenSlide, patch: Patch) -> Image.Image:
    index = slide.best_level(patch.mpp)
    downsample = slide.levels[index].downsample
    left, top, span = patch.x / downsample, patch.y / downsample, patch.size / downsample
    if abs(span - PATCH_SIDE) < 1:  # the level fits: no resample
        return read_region(slide, handle, (patch.x, patch.y), index, (PATCH_SIDE, PATCH_SIDE))
    column, row = math.floor(left), math.floor(top)
    size = math.ceil(left + span) - column, math.ceil(top + span) - row
    region = read_region(slide, handle, (round(column * downsample), round(row * downsample)), index, size)
    box = (left - column, top - row, left - column + span, top - row + span)
    return region.resize((PATCH_SIDE, PATCH_SIDE), Image.Resampling.LANCZOS, box=box)
