"""The file of a slide: its levels, its bounds, its resolution, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.slides import Patch, open_slide, sample_patches, tissue_mask
from helpers.slides.tissue import overview
from tests.slide_files import (
    REAL_SLIDE,
    blank_glass,
    real_tissue,
    write_dicom_slide,
    write_tiff_slide,
)
from tests.slides.conftest import _pixels


def test_only_the_scanned_bounds_count(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        part = replace(slide, bounds=(800, 1600, 4000, 3200))
        whole_rgb, scale = overview(slide, mpp=4.0)
        part_rgb, part_scale = overview(part, mpp=4.0)
        assert scale == part_scale == 8
        assert np.array_equal(part_rgb, whole_rgb[200:600, 100:600])
        patches = sample_patches(part, mpp=0.5)
        assert all((p.x - 800) % 896 == 0 and (p.y - 1600) % 896 == 0 for p in patches)


def test_microns_per_pixel_can_be_given(tmp_path: Path) -> None:
    path = write_tiff_slide(tmp_path / "no-mpp.svs", real_tissue(), mpp=None)
    with pytest.raises(InputError, match=r"no-mpp.svs: .*microns per pixel.*mpp=0.5"):
        open_slide(path)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.mpp == 0.5
    for mpp in (0, -1, float("nan"), 353):
        with pytest.raises(InputError, match="cannot be right"):
            open_slide(path, mpp=mpp)


def test_bad_slides_are_one_clear_error(tmp_path: Path, slide_files: dict[str, Path]) -> None:
    text = tmp_path / "text.svs"
    text.write_text("not a slide")
    cut = tmp_path / "cut.svs"
    cut.write_bytes(REAL_SLIDE.read_bytes()[:1_000_000])
    photo = tmp_path / "photo.png"
    Image.new("RGB", (50, 50)).save(photo)
    for path, problem in {
        text: "no whole slide",
        cut: "cut off",
        photo: "read_image",
        tmp_path: "no DICOM whole slide",
        tmp_path / "absent.svs": "no such file",
        write_tiff_slide(tmp_path / "printer.tiff", blank_glass(600, 600), mpp=353): "353 microns",
    }.items():
        with pytest.raises(InputError, match=problem) as error:
            open_slide(path)
        assert error.value.path == str(path)
        assert error.value.remedy

    two = tmp_path / "two"
    write_dicom_slide(two, blank_glass(300, 300), levels=1).joinpath("level-0.dcm").rename(two / "other.dcm")
    write_dicom_slide(two, blank_glass(300, 300), levels=1)
    with pytest.raises(InputError, match=r"2 DICOM slides.*level-0.dcm, other.dcm"):
        open_slide(two)


def test_damaged_pixels_name_the_file(tmp_path: Path, slide_files: dict[str, Path]) -> None:
    damaged = tmp_path / "cut.dcm"
    whole = (slide_files["dicom"] / "level-0.dcm").read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    with open_slide(damaged) as slide, pytest.raises(InputError, match=r"cut.dcm: .*damaged.*again"):
        tissue_mask(slide)
    with open_slide(damaged) as slide, pytest.raises(InputError, match=r"cut.dcm: .*damaged.*again"):
        _pixels(slide, [Patch(0, 2000, 896, 0.5, 1.0)])
