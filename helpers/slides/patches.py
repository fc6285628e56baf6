"""Choose the patches of a slide that MedGemma 1.5 reads, and read their pixels.

First the places (`sample_patches`: cheap), then their pixels (`read_patches`), after the MedGemma 1.5 technical
report (arXiv:2604.05081): a tissue mask at about 5x, patches of 896 x 896 pixels with stride 896 at 5x, 10x
or 20x, a random sample of at most 126 of them in spatial order.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from openslide import OpenSlide, OpenSlideCache
from PIL import Image
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP, MAX_PATCHES, PATCH_SIDE, shares
from helpers.slides.placing import Patch, patch_grid, tissue_shown
from helpers.slides.pyramid import MPP_TOLERANCE, Slide, read_region
from helpers.slides.tissue import TissueMask, tissue_mask

# With a tenth, patches at the rim of the tissue and on a needle core (0.5 to 1 mm wide, while a patch at 5x is 1.8
# mm wide) stay, and glass and debris are left out.
MIN_TISSUE = 0.1
ENOUGH = 0.99  # share of a slide's tissue; the rest is small pieces, each of which would need a patch

CACHE_BYTES = 24 << 20  # bytes of decoded tiles that all readers of one slide share


def sample_patches(
    slide: Slide,
    mpp: float = MAGNIFICATION_MPP[10],
    limit: int = MAX_PATCHES,
    seed: int = 0,
    min_tissue: float = MIN_TISSUE,
    mask: TissueMask | None = None,
) -> list[Patch]:
    """Choose at most ``limit`` tissue patches and give them in raster order.

    Patches with at least ``min_tissue`` are drawn at random, without replacement. If places are left, patches with
    less tissue fill them, those with most tissue first, until 99 % of the slide's tissue is shown.

    Args:
        slide: an open slide.
        mpp: microns per pixel of the patches, e.g. ``MAGNIFICATION_MPP[10]``.
        limit: the largest number of patches; 126 fill MedGemma's context.
        seed: the same seed gives the same patches.
        min_tissue: the share of tissue, 0 to 1, that a patch needs to be drawn first.
        mask: the slide's tissue, if the caller has it already.

    Raises:
        InputError: as `tissue_mask` and `patch_grid` raise it, or the limit is below 1 or the seed below 0.
    """
    if limit < 1:
        raise InputError(f"A limit of {limit} leaves no patch.", path=slide.path, remedy="Use 1 or more.")
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

    Each slide gets patches in proportion to those of its grid with ``min_tissue``, and at least one
    (`helpers.prompts.sharing`). If places are left, patches with less tissue fill them, as in `sample_patches`.
    The MedGemma 1.5 report measured only single slides; the rule for several slides is ours.

    Args:
        slides: open slides, in the order of the prompt.
        mpp: microns per pixel of the patches of all slides.
        limit: the largest number of patches from all slides together.
        seed: the same seed gives the same patches.
        min_tissue: the share of tissue, 0 to 1, that a patch needs to be drawn first.
        masks: the tissue of each slide, if the caller has it already.

    Returns:
        For each slide its patches, in raster order.

    Raises:
        InputError: as `tissue_mask` and `patch_grid` raise it, or there are more slides than ``limit``, or the
            seed is below 0.
    """
    if seed < 0:
        raise InputError(f"The seed is {seed}, below 0.", remedy="Use 0 or more.")
    for slide in slides:
        slide.best_level(mpp)  # fail before a mask is read
    masks = [tissue_mask(slide) for slide in slides] if masks is None else masks
    grids = [patch_grid(slide, mask, mpp) for slide, mask in zip(slides, masks, strict=True)]
    by_tissue = [sorted(grid, key=lambda patch: -patch.tissue) for grid in grids]
    full = [[patch for patch in grid if patch.tissue >= min_tissue] for grid in grids]
    full = [patches or fullest[:1] for patches, fullest in zip(full, by_tissue, strict=True)]
    chosen: list[list[Patch]] = []
    # If slides are equal, their names decide which one gets the last place, so that their order in the prompt does
    # not matter.
    by_name = sorted(range(len(slides)), key=lambda index: str(slides[index].path))
    places = shares([len(full[index]) for index in by_name], limit, what="slides")
    for patches, (_, n) in zip(full, sorted(zip(by_name, places, strict=True)), strict=True):
        drawn = np.random.default_rng(seed).choice(len(patches), size=n, replace=False)
        chosen.append([patches[index] for index in drawn])
    if sum(map(len, chosen)) < limit:  # all patches with enough tissue are chosen already
        waiting = [(index, patch) for index in by_name for patch in by_tissue[index][len(chosen[index]) :]]
        shown = [tissue_shown(mask, patches) for mask, patches in zip(masks, chosen, strict=True)]
        for index, patch in sorted(waiting, key=lambda one: -one[1].tissue):
            # If a slide does not need a place, the next slide that does gets it.
            if shown[index] < ENOUGH and sum(map(len, chosen)) < limit:
                chosen[index].append(patch)
                shown[index] = tissue_shown(masks[index], chosen[index])
    return [sorted(patches, key=lambda patch: (patch.y, patch.x)) for patches in chosen]


def patch_notes(slide: Slide, mask: TissueMask, patches: Sequence[Patch], mpp: float) -> list[str]:
    """Sentences about patches at ``mpp``: the slide's notes, the resolution, and the share of tissue that is
    shown.
    """
    notes = list(slide.notes)
    if patches[0].mpp > mpp * (1 + MPP_TOLERANCE):
        notes.append(
            f"The slide has {slide.mpp:.3g} microns per pixel, which is coarser than the {mpp:.3g} "
            "that was asked for. The patches keep the resolution of the slide."
        )
    count = "1 patch shows" if len(patches) == 1 else f"{len(patches)} patches show"
    return [*notes, f"{count} {math.floor(tissue_shown(mask, patches) * 100 + 1e-6)} % of the tissue."]


def read_patches(slide: Slide, patches: Sequence[Patch], workers: int | None = None) -> Iterator[Image.Image]:
    """Read patches in parallel and yield them in the order given, as RGB images of 896 x 896 pixels.

    Each patch is resampled once (Lanczos, antialiased) from the best pyramid level, or not at all if the level
    fits. Areas outside the slide and transparent pixels get the colour of the glass. Only a few patches for each
    worker are in memory at a time.

    Args:
        slide: an open slide.
        patches: as from `sample_patches`.
        workers: the number of threads, each with its own OpenSlide handle; by default one for each core, at most
            8.

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


def _read_patch(slide: Slide, handle: OpenSlide, patch: Patch) -> Image.Image:
    index = slide.best_level(patch.mpp)
    downsample = slide.levels[index].downsample
    left, top, span = patch.x / downsample, patch.y / downsample, patch.size / downsample
    if abs(span - PATCH_SIDE) < 1:  # the level fits: no resample
        return read_region(slide, handle, (patch.x, patch.y), index, (PATCH_SIDE, PATCH_SIDE), patch.glass)
    column, row = math.floor(left), math.floor(top)
    size = math.ceil(left + span) - column, math.ceil(top + span) - row
    location = round(column * downsample), round(row * downsample)
    region = read_region(slide, handle, location, index, size, patch.glass)
    box = (left - column, top - row, left - column + span, top - row + span)
    return region.resize((PATCH_SIDE, PATCH_SIDE), Image.Resampling.LANCZOS, box=box)
