"""Slides and pictures are told apart, and a slide that OpenSlide cannot read is called what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from helpers.errors import InputError
from helpers.slides import is_slide, open_slide
from tests.slide_files import REAL_SLIDE, blank_glass, write_tiff_slide

MICROSCOPE = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}  # 0.5 um a pixel
TILES = {"tile": (256, 256), "compression": "zlib"}


def tiff(path: Path, side: int = 600, **options) -> Path:
    """An RGB TIFF of glass."""
    tifffile.imwrite(path, np.full((side, side, 3), 243, np.uint8), photometric="rgb", **options)
    return path


def test_a_slide_or_a_picture(tmp_path: Path) -> None:
    photo = tiff(tmp_path / "photo.tif", **TILES)
    slides = {
        REAL_SLIDE,
        write_tiff_slide(tmp_path / "pyramid.tif", blank_glass(600, 600), mpp=1000),
        tiff(tmp_path / "region.tif", **TILES, **MICROSCOPE),
        tiff(tmp_path / "unscaled.tif", 4100, **TILES),
        tiff(tmp_path / "strips.tif", 4100, compression="zlib", **MICROSCOPE),
    }
    pictures = {
        photo,
        tiff(tmp_path / "printed.tif", **TILES, resolution=(300, 300), resolutionunit="INCH"),
        tiff(tmp_path / "poster.tif", 4100, **TILES, resolution=(2400, 2400), resolutionunit="INCH"),
        tiff(tmp_path / "microscope.tif", **MICROSCOPE),
    }
    for name in ("a.png", "a.jpg", "a.bmp"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
        pictures.add(tmp_path / name)
    named = tmp_path / "slide.CZI"
    named.write_bytes(b"ZISRAWFILE")
    assert {path for path in slides | pictures | {named} if is_slide(path)} == slides | {named}
    assert is_slide(photo, mpp=0.5)  # the scale was given, so it is meant as a slide
    with open_slide(photo, mpp=0.5) as slide:
        assert (slide.width, slide.mpp) == (600, 0.5)


def test_what_openslide_cannot_read_is_named_with_a_way_out(tmp_path: Path) -> None:
    webp = tmp_path / "webp.tif"
    write_tiff_slide(webp, blank_glass(600, 600), compression="webp")
    grey = tmp_path / "grey.tif"
    tifffile.imwrite(grey, blank_glass(600, 600)[..., 0], photometric="minisblack", **TILES, **MICROSCOPE)
    scanner = tmp_path / "slide.isyntax"
    scanner.write_bytes(b"<DataObject" + bytes(2000))
    floats, five = tmp_path / "floats.tif", tmp_path / "five.tif"
    picture = np.full((600, 600, 5), 243, np.uint8)
    tifffile.imwrite(floats, picture[..., :3] / np.float32(255), photometric="rgb", **TILES, **MICROSCOPE)
    tifffile.imwrite(five, picture, photometric="rgb", extrasamples=[0, 0], **TILES, **MICROSCOPE)
    strips = tiff(tmp_path / "strips.tif", 4100, compression="zlib", **MICROSCOPE)
    for path, words in {
        webp: r"does not read this form of TIFF \(600 x 600 pixels.*vips tiffsave",
        grey: "has one channel.*fluorescence or grey.*RGB",
        floats: "floating-point numbers of 32 bits.*8 bits",
        five: "has 5 channels.*multispectral",
        scanner: r"does not read slides of this kind \(\.isyntax\).*Export",
        tiff(tmp_path / "picture.tif"): r"a picture \(600 x 600 pixels\), not a whole slide.*read_image",
        strips: r"tiled TIFF, but this file \(4,100 x 4,100 pixels\) is stored in strips.*vips tiffsave",
    }.items():
        with pytest.raises(InputError, match=words) as error:
            open_slide(path)
        assert error.value.path == str(path)


def test_several_pages_of_colour_are_said(tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    pages = np.stack([blank_glass(600, 600, seed) for seed in range(3)])
    tifffile.imwrite(stack, pages, photometric="rgb", **TILES, **MICROSCOPE)
    with open_slide(stack) as slide:
        assert slide.notes == ("Only the first of the file's 3 images was read.",)


def test_other_scenes_of_a_file_are_said(tmp_path: Path) -> None:
    path = tmp_path / "scenes.tif"
    with tifffile.TiffWriter(path) as writer:
        for height, width in ((600, 600), (300, 500)):
            writer.write(np.full((height, width, 3), 243, np.uint8), photometric="rgb", **TILES, **MICROSCOPE)
    with open_slide(path) as slide:
        assert slide.notes == (
            "Only the first of the file's 2 images was read; there are others of 500 x 300 pixels.",
        )


@pytest.mark.parametrize("marked", [0, 1])
def test_a_small_picture_in_front_of_the_slide_is_not_taken_for_it(tmp_path: Path, marked: int) -> None:
    path = tmp_path / "thumbnail-first.tif"
    whole = blank_glass(1200, 900)
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.ascontiguousarray(whole[::4, ::4]), photometric="rgb", subfiletype=marked, **TILES)
        writer.write(whole, photometric="rgb", **TILES, **MICROSCOPE)
    with pytest.raises(InputError, match=r"\(300 x 225 pixels\) is not its largest \(1,200 x 900\)") as error:
        open_slide(path, mpp=0.5)
    assert 'vips tiffsave "IN[page=1]" OUT.tif' in error.value.remedy
    taken = pyvips.Image.new_from_file(f"{path}[page=1]")  # what the remedy reads
    assert (taken.width, taken.height, taken.xres) == (1200, 900, 2000)  # pixels per mm


def test_a_label_that_is_marked_as_a_level_is_none(tmp_path: Path) -> None:
    path = tmp_path / "label.tif"
    with tifffile.TiffWriter(path) as writer:
        for picture in (blank_glass(1200, 900), blank_glass(600, 450), np.zeros((300, 290, 3), np.uint8)):
            reduced = int(picture.shape[1] < 1200)
            writer.write(picture, photometric="rgb", subfiletype=reduced, **TILES, **MICROSCOPE)
    with open_slide(path) as slide:
        assert [(level.width, level.height) for level in slide.levels] == [(1200, 900), (600, 450)]
        assert "290 x 300 pixels on were passed over" in slide.notes[0]


def test_colours_of_a_palette_are_read(tmp_path: Path) -> None:
    path = tmp_path / "palette.tif"
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 7] = np.array([200, 100, 150]) * 257
    pixels = np.full((600, 600), 7, np.uint8)
    tifffile.imwrite(path, pixels, photometric="palette", colormap=colours, **TILES, **MICROSCOPE)
    with open_slide(path) as slide:
        assert slide.handle.read_region((0, 0), 0, (1, 1)).getpixel((0, 0))[:3] == (200, 100, 150)
