"""What the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from openslide import OpenSlide
from PIL import Image

from helpers.slides import Patch, Slide, read_patches
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
    return {
        "tiff": write_tiff_slide(folder / "tissue.tiff", real_tissue()),
        "dicom": write_dicom_slide(folder / "dicom", real_tissue()),
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
