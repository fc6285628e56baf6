"""Where a whole slide holds tissue, seen on a small overview picture of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.filters import threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP
from helpers.slides.pyramid import MPP_TOLERANCE, Slide, read_region

OVERVIEW_PIXELS = 2_500_000  # 7.5 MB as RGB
TILE_SIDE = 1024  # pixels; 4 MB as OpenSlide's RGBA


@dataclass(frozen=True)
class TissueMask:
    """Where a slide holds tissue, and the overview picture that this was seen on."""

    tissue: np.ndarray  # (rows, columns) bool
    rgb: np.ndarray  # (rows, columns, 3) uint8
    mpp: float  # microns per mask pixel
    downsample: float  # level-0 pixels per mask pixel
    origin: tuple[int, int]  # x, y of the mask's upper left corner in level-0 pixels


def overview(slide: Slide, mpp: float = MAGNIFICATION_MPP[5]) -> tuple[np.ndarray, float]:
    """Read the whole slide as one small picture, in tiles of at most 4 MB.

    The picture holds at most 2.5 million pixels (7.5 MB): of a large slide it is coarser than ``mpp``. It comes
    from a pyramid level within that budget; where even the coarsest is larger, or is the only one, tiles of
    that level are reduced one by one.

    Returns:
        uint8 RGB (rows, columns, 3) of the slide's ``bounds``, and the level-0 pixels that each pixel spans.
    """
    x, y, width, height = slide.bounds
    sizes = [(round(width / level.downsample), round(height / level.downsample)) for level in slide.levels]
    small = [i for i, (w, h) in enumerate(sizes) if w * h <= OVERVIEW_PIXELS] or [len(sizes) - 1]
    fine = [i for i in small if slide.levels[i].downsample * slide.mpp <= mpp * (1 + MPP_TOLERANCE)]
    index = fine[-1] if fine else small[0]
    downsample, (columns, rows) = slide.levels[index].downsample, sizes[index]
    factor = max(1, round(mpp / (downsample * slide.mpp)), math.ceil(math.sqrt(columns * rows / OVERVIEW_PIXELS)))

    rgb = np.empty((math.ceil(rows / factor), math.ceil(columns / factor), 3), np.uint8)
    side = factor * max(1, TILE_SIDE // factor)  # whole picture pixels in every tile
    corners = [(left, top) for top in range(0, rows, side) for left in range(0, columns, side)]
    for left, top in tqdm(corners, desc="overview", unit="tile", delay=2, leave=False):
        size = min(side, columns - left), min(side, rows - top)
        location = x + round(left * downsample), y + round(top * downsample)
        tile = np.asarray(read_region(slide, slide.handle, location, index, size).reduce(factor))
        row, column = top // factor, left // factor
        rgb[row : row + tile.shape[0], column : column + tile.shape[1]] = tile
    return rgb, downsample * factor


def tissue_in(rgb: np.ndarray, mpp: float = MAGNIFICATION_MPP[5]) -> np.ndarray:
    """Find stained tissue in a picture of a slide by hue, saturation and value.

    Glass is grey, stain is coloured: Otsu's threshold (IEEE Trans SMC 9:62, 1979) on the saturation parts them. It
    is held between 8 and 20 %, so that the noise of blank glass is not taken for tissue, nor only the darkest half
    of a picture full of tissue. Shadows and black ink are left out by value, green and blue ink by hue; specks and
    holes under 50 x 50 microns go.

    Args:
        rgb: uint8 (rows, columns, 3).
        mpp: microns per pixel, for the size of specks and holes.

    Returns:
        bool (rows, columns), True where there is tissue.
    """
    hsv = np.asarray(Image.fromarray(rgb).convert("HSV"))  # each 0 to 255; a hue of 255 is 360 degrees
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    dark = value < 50
    green_ink = (hue > 50) & (hue < 135)  # 70 to 190 degrees: no H&E, DAB or haematoxylin
    blue_ink = (hue >= 135) & (hue < 173) & (saturation > 153)  # to 245 degrees; haematoxylin is duller
    stain = ~(dark | green_ink & (saturation > 20) | blue_ink)
    if not stain.any():
        return stain
    threshold = np.clip(threshold_otsu(saturation[stain]), 20, 51)
    tissue = stain & (saturation > threshold)
    speck = round((50 / mpp) ** 2)
    return remove_small_holes(remove_small_objects(tissue, max_size=speck), max_size=speck)


def tissue_mask(slide: Slide, mpp: float = MAGNIFICATION_MPP[5]) -> TissueMask:
    """Return where the slide holds tissue, seen on its `overview` at about ``mpp`` (a large slide: coarser).

    Raises:
        InputError: there is no tissue on the slide.
    """
    rgb, downsample = overview(slide, mpp)
    mask_mpp = slide.mpp * downsample
    tissue = tissue_in(rgb, mask_mpp)
    if not tissue.any():
        raise InputError(
            "There is no stained tissue on the slide.",
            path=slide.path,
            remedy="Look at its overview: it may be blank, unstained, or a label or macro image.",
        )
    return TissueMask(tissue, rgb, mask_mpp, downsample, slide.bounds[:2])
