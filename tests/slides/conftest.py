"""What the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from openslide import OpenSlide
from PIL import Image

from helpers.slides import Patch, Slide, TissueMask, read_patches
from helpers.slides.pyramid import Level
from tests.slide_files import (
    real_tissue,
    tissue_mosaic,
    write_dicom_slide,
    write_tiff_slide,
)


@pytest.fixture(scope="module")
def slide_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The real tissue as a TIFF pyramid and as DICOM, and a larger mosaic of it as a TIFF pyramid."""
    folder = tmp_path_factory.mktemp("slides")
    tissue = real_tissue()[:2960, :2216]  # so that each level is half of the last, whoever writes it
    return {
        "tiff": write_tiff_slide(folder / "tissue.tiff", tissue),
        "dicom": write_dicom_slide(folder / "dicom", tissue),
        "mosaic": write_tiff_slide(folder / "mosaic.tiff", tissue_mosaic(8000, 6000)),
    }


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The size of each region that is read from any slide, in pixels."""
    sizes: list[tuple[int, int]] = []
    read_region = OpenSlide.read_region

    def spy(self: OpenSlide, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        sizes.append(size)
        return read_region(self, location, level, size)

    monkeypatch.setattr(OpenSlide, "read_region", spy)
    return sizes


def _pixels(slide: Slide, patches: list[Patch], workers: int = 2) -> np.ndarray:
    return np.stack([np.asarray(image) for image in read_patches(slide, patches, workers)])


@st.composite
def slides_with_mask(draw: st.DrawFn) -> tuple[Slide, TissueMask]:
    """A slide of any size, bounds, pyramid and resolution, and its mask. No file: only places are asked for."""
    columns, rows = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    downsample = draw(st.floats(8, 200))
    width, height = round(columns * downsample), round(rows * downsample)
    x, y = draw(st.integers(0, 500)), draw(st.integers(0, 500))
    scales = draw(st.sampled_from([[1], [1, 2, 4, 8], [1, 4.0005, 16.02]]))
    slide = Slide(
        path=Path("drawn"),
        width=x + width,
        height=y + height,
        mpp=draw(st.floats(0.1, 1.0)),
        levels=tuple(Level(round((x + width) / s), round((y + height) / s), s) for s in scales),
        bounds=(x, y, width, height),
    )
    seed, share = draw(st.integers(0, 99)), draw(st.floats(0, 1))
    tissue = np.random.default_rng(seed).random((rows, columns)) < share
    rgb = np.zeros((rows, columns, 3), np.uint8)
    return slide, TissueMask(tissue, rgb, slide.mpp * downsample, downsample, (x, y))
