"""The tissue mask: stain, and neither ink nor glass, from few pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.slides import open_slide, tissue_mask
from helpers.slides.tissue import OVERVIEW_PIXELS, TILE_SIDE, overview, tissue_in
from tests.slide_files import (
    REAL_SLIDE,
    blank_glass,
)


def test_the_mask_reads_few_pixels(slide_files: dict[str, Path], reads: list[tuple[int, int]]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        mask = tissue_mask(slide)
        assert sum(width * height for width, height in reads) <= OVERVIEW_PIXELS
        assert mask.mpp == slide.mpp * mask.downsample == 4.0  # the level at 2.0 holds 3 million pixels
        assert mask.tissue.shape == (750, 1000)

    reads.clear()
    with open_slide(REAL_SLIDE) as slide:  # one level only: all of it is read, in tiles
        overview(slide)
    assert sum(width * height for width, height in reads) == slide.width * slide.height
    assert max(width * height for width, height in reads) <= TILE_SIDE**2


def test_tissue_is_stain_and_neither_ink_nor_glass() -> None:
    picture = blank_glass(400, 300)
    picture[50:250, 50:250] = (200, 120, 170)  # eosin and haematoxylin
    picture[100:110, 100:110] = 240  # a hole of 20 um
    picture[20:24, 300:304] = (200, 120, 170)  # a speck
    picture[60:120, 300:380] = (20, 20, 20)
    picture[140:200, 300:380] = (40, 150, 60)
    picture[220:280, 300:380] = (30, 60, 190)
    expected = np.zeros((300, 400), bool)
    expected[50:250, 50:250] = True
    assert np.array_equal(tissue_in(picture), expected)
    assert tissue_in(np.full((200, 200, 3), (200, 120, 170), np.uint8)).all()
    assert not tissue_in(blank_glass(400, 300)).any()
    assert not tissue_in(np.zeros((200, 200, 3), np.uint8)).any()
