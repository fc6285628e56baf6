"""The tissue mask: stain of any colour and fat, and neither ink, canvas nor glass, from few pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import zoom
from skimage.color import rgb_from_bpx, rgb_from_fgx, rgb_from_hdx, rgb_from_hed

from helpers.errors import InputError
from helpers.slides import open_slide, tissue_mask
from helpers.slides.tissue import OVERVIEW_PIXELS, TILE_SIDE, overview, tissue_in
from tests.slide_files import (
    REAL_SLIDE,
    blank_glass,
    real_tissue,
    write_tiff_slide,
)

BLOCK = np.s_[100:400, 150:450]  # 0.6 x 0.6 mm, where the pictures below hold tissue
GREEN_PEN, EOSIN = (40, 150, 60), (200, 120, 170)


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
    picture[50:250, 50:250] = EOSIN
    picture[100:110, 100:110] = 240  # a hole of 20 um
    picture[20:24, 300:304] = EOSIN  # a speck
    picture[60:120, 300:380] = (20, 20, 20)
    picture[140:200, 300:380] = GREEN_PEN
    picture[220:280, 300:380] = (30, 60, 190)
    expected = np.zeros((300, 400), bool)
    expected[50:250, 50:250] = True
    assert np.array_equal(tissue_in(picture), expected)
    assert tissue_in(np.full((200, 200, 3), EOSIN, np.uint8)).all()
    assert not tissue_in(np.zeros((200, 200, 3), np.uint8)).any()


STAINS = {  # the colours of two stains as densities, on nuclei and on the rest, and how strong each is
    "pale H&E": (rgb_from_hed[0], rgb_from_hed[1], 0.2, 0.2),
    "haematoxylin alone": (rgb_from_hed[0], rgb_from_hed[0], 0.8, 0.1),
    "DAB": (rgb_from_hdx[0], rgb_from_hdx[1], 0.5, 0.4),
    "light green": (rgb_from_fgx[1], rgb_from_fgx[1], 0.5, 0.5),
    "trichrome": (rgb_from_bpx[1], rgb_from_bpx[0], 0.8, 0.9),
    "silver": (np.array([0.55, 0.58, 0.6]), np.array([0.55, 0.58, 0.6]), 1.2, 0.5),
}


def _tissue(stain: str, shape: tuple[int, int] = (300, 300)) -> np.ndarray:
    """Nuclei of 8 microns on a ground that varies, at 2 um/px: how much light they let through, 0 to 1."""
    rng = np.random.default_rng(0)
    nuclei = zoom((rng.random([side // 4 for side in shape]) < 0.2).astype(float), 4, order=1)
    ground = zoom(rng.uniform(0.5, 1, [side // 10 for side in shape]), 10, order=1)
    first, second, strong, weak = STAINS[stain]
    return np.exp(-(strong * nuclei[..., None] * first + weak * ground[..., None] * second))


def _scan(picture: np.ndarray, light: np.ndarray | tuple[float, ...] = (1, 1, 1)) -> np.ndarray:
    """Noise of a camera on ``picture`` times ``light``."""
    noise = np.random.default_rng(1).normal(0, 1, picture.shape)
    return np.clip(picture * light + noise, 0, 255).astype(np.uint8)


def _slide(stain: str) -> np.ndarray:
    """A block of tissue on glass."""
    picture = np.full((500, 600, 3), 243.0)
    picture[BLOCK] *= _tissue(stain)
    return picture


def _dice(found: np.ndarray, block: tuple[slice, slice] = BLOCK) -> float:
    truth = np.zeros_like(found)
    truth[block] = True
    return 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum())


@pytest.mark.parametrize("stain", STAINS)
def test_stain_of_any_colour_is_tissue(stain: str) -> None:
    assert _dice(tissue_in(_scan(_slide(stain)))) > 0.97
    assert tissue_in(_scan(243 * _tissue(stain, (200, 400)))).mean() > 0.97  # with no glass beside it


YELLOW, BLUISH = (0.98, 0.95, 0.83), (0.9, 0.95, 1.0)
UNEVEN = np.linspace(0.8, 1, 600)[None, :, None]


@pytest.mark.parametrize(
    "light", [YELLOW, BLUISH, UNEVEN, UNEVEN * YELLOW], ids=["yellow", "blue", "uneven", "both"]
)
def test_tinted_and_uneven_glass_is_no_tissue(light: np.ndarray | tuple[float, ...]) -> None:
    assert not tissue_in(_scan(np.full((500, 600, 3), 243.0), light)).any()
    assert _dice(tissue_in(_scan(_slide("pale H&E"), light))) > 0.97


PENS = {"blue": (30, 60, 190), "green": GREEN_PEN, "red": (200, 30, 40), "black": (20, 20, 20)}
PENS |= {
    "orange": (235, 130, 30),
    "purple": (110, 40, 140),
    "faded blue": (150, 170, 225),
    "faded red": (235, 160, 165),
}


@pytest.mark.parametrize("pen", PENS)
@pytest.mark.parametrize("stain", ["pale H&E", "light green"])
def test_a_pen_is_no_tissue(pen: str, stain: str) -> None:
    image = Image.fromarray(_scan(_slide(stain)))
    ImageDraw.Draw(image).line([(20, 40), (560, 30), (540, 470)], PENS[pen], width=50)
    picture = _scan(np.asarray(image))
    assert _dice(tissue_in(picture)) > 0.97


@pytest.mark.parametrize("canvas", [0, 255])
def test_unscanned_canvas_is_neither_glass_nor_tissue(canvas: int) -> None:
    picture = _scan(_slide("pale H&E"), (0.95, 0.94, 0.92))
    picture[:, :80] = picture[450:] = canvas
    assert _dice(tissue_in(picture)) > 0.97
    picture[BLOCK] = _scan(np.full((300, 300, 3), 243.0), (0.95, 0.94, 0.92))
    assert not tissue_in(picture).any()


def test_fat_is_tissue_and_a_wide_lumen_is_not() -> None:
    walls = np.zeros((300, 300), bool)
    walls[::45] = walls[:, ::45] = True  # around cells of 90 microns
    picture = np.full((500, 600, 3), 243.0)
    picture[BLOCK][walls] = (225, 190, 212)
    assert _dice(tissue_in(_scan(picture))) > 0.85  # the cells at its rim are open
    picture = _slide("pale H&E")
    lumen = np.hypot(*(np.mgrid[:500, :600] - np.array([250, 300])[:, None, None])) < 75  # 300 microns wide
    picture[lumen] = 243
    assert tissue_in(_scan(picture))[lumen].mean() < 0.05


def test_the_mask_gives_the_colour_of_the_glass(tmp_path: Path) -> None:
    picture = _scan(_slide("pale H&E"), (0.98, 0.95, 0.83))
    with open_slide(write_tiff_slide(tmp_path / "yellow.tiff", picture, mpp=2.0)) as slide:
        assert np.abs(np.subtract(tissue_mask(slide).glass, (238, 231, 202))).max() <= 2
    full = write_tiff_slide(tmp_path / "full.tiff", real_tissue()[2350:2950, 760:1360])
    with open_slide(full) as slide:
        assert tissue_mask(slide).glass == (255, 255, 255)


def test_scans_that_are_no_stained_brightfield_are_named(tmp_path: Path) -> None:
    stained = _scan(_slide("trichrome"))
    grey = np.repeat(stained.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    with (
        open_slide(write_tiff_slide(tmp_path / "grey.tiff", grey, mpp=2.0)) as slide,
        pytest.raises(
            InputError,
            match=r"grey\.tiff: The slide is grey: its red, green and blue channels are the same.*brightfield",
        ),
    ):
        tissue_mask(slide)
    glow = (243 - np.minimum(stained, 243)) * np.array([0, 0.3, 1])
    with (
        open_slide(write_tiff_slide(tmp_path / "glow.tiff", glow.astype(np.uint8), mpp=2.0)) as slide,
        pytest.raises(InputError, match=r"glow\.tiff: The slide looks like a fluorescence scan.*brightfield scan"),
    ):
        tissue_mask(slide)
    with open_slide(write_tiff_slide(tmp_path / "silver.tiff", _scan(_slide("silver")), mpp=2.0)) as slide:
        assert _dice(tissue_mask(slide).tissue) > 0.95
