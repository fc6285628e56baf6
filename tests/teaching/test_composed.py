"""The composed slide: a pyramid that other readers read, of turned tissue on glass, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image

from helpers.errors import InputError
from helpers.slides import open_slide, patch_grid, tissue_mask
from helpers.teaching import NOT_REAL, STAINS, compose_slide
from helpers.teaching.composed import _crop
from helpers.teaching.jpeg_tiff import write_pyramid

SMALL = {"stain": STAINS[1], "pieces": 3, "side": (2500, 2048)}


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose_slide(tmp_path_factory.mktemp("composed") / "slide.tiff", seed=3, **SMALL)


def test_a_composed_slide_is_a_pyramid_that_says_what_it_is(composed: Path) -> None:
    with openslide.OpenSlide(composed) as slide:
        assert slide.level_dimensions == ((2560, 2048), (640, 512), (160, 128))
        assert slide.level_downsamples == (1, 4, 16)
        assert slide.properties["tiff.ImageDescription"].startswith(NOT_REAL)
    with tifffile.TiffFile(composed) as file:
        assert [page.is_reduced for page in file.pages] == [False, True, True]
        assert {page.compression.name for page in file.pages} == {"JPEG"}
        first = file.pages[0]
        assert len(set(first.dataoffsets)) < len(first.dataoffsets), "blank tiles are stored more than once"
    with open_slide(composed) as slide:
        assert slide.mpp == pytest.approx(1.0) and not slide.notes
        mask = tissue_mask(slide)
        assert 0.05 < mask.tissue.mean() < 0.6 and all(abs(channel - 243) <= 2 for channel in mask.glass)
        assert patch_grid(slide, mask, 1.0)


def test_the_seed_alone_decides_what_is_composed(composed: Path, tmp_path: Path) -> None:
    again = compose_slide(tmp_path / "again.tiff", seed=3, **SMALL)
    other = compose_slide(tmp_path / "other.tiff", seed=4, **SMALL)
    assert again.read_bytes() == composed.read_bytes() != other.read_bytes()


def test_a_level_is_the_mean_of_the_one_before(tmp_path: Path) -> None:
    y, x = np.mgrid[:512, :768] / 768
    pixels = np.stack([100 + 99 * x, 100 + 99 * y, 200 - 60 * x], axis=2).astype(np.uint8)
    bands = [Image.fromarray(pixels[:256]), Image.fromarray(pixels[256:])]
    path = write_pyramid(tmp_path / "smooth.tiff", bands, (768, 512), 0.5, description="A gradient.")
    with openslide.OpenSlide(path) as slide:
        for level in range(3):
            size = slide.level_dimensions[level]
            found = np.asarray(slide.read_region((0, 0), level, size).convert("RGB")).astype(float)
            step = 4**level
            wanted = pixels.reshape(512 // step, step, 768 // step, step, 3).mean(axis=(1, 3))
            assert np.abs(found - wanted).mean() < 1.5  # JPEG
        assert float(slide.properties["tiff.XResolution"]) == pytest.approx(20_000)  # pixels per cm


@pytest.mark.parametrize("quarters", range(4))
def test_a_box_of_a_turned_picture_is_cut_without_turning_all_of_it(quarters: int) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(picture), quarters)))
    box = (5, -3, 33, 41)  # it may reach beyond the picture
    assert _crop(picture, quarters, box).tobytes() == turned.crop(box).tobytes()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stain": "silver"}, "no tissue with the stain 'silver'"),
        ({"seed": -1}, "seed is -1, below 0"),
        ({"side": (256, 256)}, "slide of 256 x 256 pixels has no room for a piece of tissue"),
    ],
)
def test_what_cannot_be_composed_is_said(tmp_path: Path, wrong: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compose_slide(tmp_path / "slide.tiff", **{"stain": STAINS[1], **wrong})
    assert not list(tmp_path.iterdir())
