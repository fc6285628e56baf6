"""The file of a slide: its levels, its bounds, its resolution, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.errors import InputError
from helpers.slides import Patch, open_slide, sample_patches
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
        assert len(patches) >= 8
        middles = [(patch.x + 448, patch.y + 448) for patch in patches]
        assert all(800 <= x <= 4800 and 1600 <= y <= 4800 for x, y in middles)


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
        text: "not a whole slide",
        cut: "cut off",
        photo: "read_image",
        tmp_path: "no DICOM whole slide",
        tmp_path / "absent.svs": "This file does not exist",
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
    damaged = tmp_path / "hole.tif"
    whole = bytearray(slide_files["tiff"].read_bytes())
    whole[20_000 : len(whole) // 2] = bytes(len(whole) // 2 - 20_000)
    damaged.write_bytes(whole)
    with open_slide(damaged) as slide, pytest.raises(InputError, match=r"hole.tif: .*damaged.*again"):
        _pixels(slide, [Patch(0, 500, 896, 0.5, 1.0)])


def test_microns_per_pixel_are_estimated_from_the_objective(tmp_path: Path) -> None:
    path = write_tiff_slide(tmp_path / "40x.svs", real_tissue(), says="AppMag = 40")
    with open_slide(path) as slide:
        assert slide.mpp == 0.25
        assert slide.notes == ("The microns per pixel were estimated from the objective (40x): 0.25.",)


def test_colours_are_those_of_the_profile(tmp_path: Path) -> None:
    """Display P3 to sRGB by hand: both have the curve of IEC 61966-2-1 and the white D65."""
    colours = np.array([[200, 60, 120], [120, 160, 210], [235, 235, 235], [90, 40, 130]], np.uint8)
    picture = np.repeat(np.repeat(colours[None], 896, 0), 224, 1)
    path = write_tiff_slide(tmp_path / "p3.tif", picture, compression="deflate", profile="p3")
    wide = np.where(colours / 255 <= 0.04045, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    matrix = [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]
    narrow = np.clip(wide @ np.transpose(matrix), 0, 1)
    wanted = 255 * np.where(narrow <= 0.0031308, narrow * 12.92, 1.055 * narrow ** (1 / 2.4) - 0.055)
    for icc, expected in ((True, wanted), (False, colours)):
        with open_slide(path, icc=icc) as slide:
            (shown,) = _pixels(slide, [Patch(0, 0, 896, 0.5, 1.0)])
        assert np.abs(shown[448, 112::224].astype(float) - expected).max() <= 2


@pytest.mark.parametrize("place", [(-255, -130), (-3, 200), (900, 1000)])
def test_patches_beyond_the_edge_lie_where_they_should_on_any_level(
    tmp_path: Path, place: tuple[int, int]
) -> None:
    """A level that is 2.7 times coarser: the crossing of two lines is where the level's own pixels have it."""
    path = tmp_path / "odd.tif"
    with tifffile.TiffWriter(path) as writer:
        for side in (2700, 1000):
            pixels = np.full((side, side, 3), 243, np.uint8)
            middle = side // 2
            pixels[middle - 2 : middle + 2] = pixels[:, middle - 2 : middle + 2] = (150, 40, 120)
            options = {"tile": (256, 256), "resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
            writer.write(pixels, photometric="rgb", subfiletype=int(side < 2700), compression="zlib", **options)
    with open_slide(path) as slide:
        assert slide.levels[1].downsample == pytest.approx(2.7)
        (shown,) = _pixels(slide, [Patch(*place, 2688, 1.5, 1.0, (243, 243, 243))])
    dark = 243.0 - shown[..., 1]
    for axis, start in ((0, place[0]), (1, place[1])):
        wanted = (1350 - start) / 3
        near = np.arange(round(wanted) - 8, round(wanted) + 8)
        profile = dark.sum(axis)[near] - dark.sum(axis)[near[0]]
        assert (profile * (near + 0.5)).sum() / profile.sum() == pytest.approx(wanted, abs=0.2)


def test_no_such_scale_of_patches(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["tiff"]) as slide:
        for mpp in (0, -1, float("nan"), float("inf")):
            with pytest.raises(InputError, match=r"Patches cannot have .* microns per pixel.*0.5 \(20x\)"):
                sample_patches(slide, mpp)
