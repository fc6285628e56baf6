"""TIFF: pages, depths, white as zero, alpha, bands and files that are cut off, as tifffile writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.errors import InputError
from helpers.images import read_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
RGB[0, 0], RGB[0, 1] = 0, 255
GREY = RGB[..., 0]
ALPHA = RNG.integers(0, 256, (12, 20, 1), dtype=np.uint8)
WIDE = RGB.astype(np.uint16) * 257


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.tif"


def shown(path: Path, **options: int | bool) -> np.ndarray:
    image = read_image(path, **options)
    assert image.mode == "RGB"
    return np.asarray(image).astype(float)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_grey_of_every_type_goes_from_the_lowest_to_the_highest(path: Path, order: str, dtype: str) -> None:
    tifffile.imwrite(path, (GREY.astype(int) - 128 * (dtype == "i1")).astype(dtype), byteorder=order)
    assert np.array_equal(shown(path)[..., 1], GREY)


def test_grey_beyond_31_bits_and_values_that_are_no_numbers(path: Path) -> None:
    tifffile.imwrite(path, GREY.astype(np.uint32) * 16_000_000)
    assert np.array_equal(shown(path)[..., 1], GREY)
    holes = np.array([[0, 1, 2, np.nan, np.inf, -np.inf]], np.float32)
    tifffile.imwrite(path, holes)
    assert shown(path)[0, :, 0].tolist() == [0, 128, 255, 0, 255, 0]
    tifffile.imwrite(path, np.full((4, 4), np.nan, np.float32))
    with pytest.raises(InputError, match="no finite values, so it cannot be shown"):
        read_image(path)


@pytest.mark.parametrize("values", [255 - GREY, 65535 - WIDE[..., 0], 9 - GREY.astype(np.float32)])
def test_white_is_zero_where_the_file_says_so(path: Path, values: np.ndarray) -> None:
    tifffile.imwrite(path, values, photometric="miniswhite")
    assert np.array_equal(shown(path)[..., 0], GREY)


def test_white_is_zero_where_pillow_decodes(path: Path) -> None:
    Image.fromarray(65535 - WIDE[..., 0]).save(path, compression="tiff_lzw", tiffinfo={262: 0})
    assert np.array_equal(shown(path)[..., 0], GREY)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (RGB, {}),
        (RGB, {"bigtiff": True}),
        (np.moveaxis(RGB, 2, 0), {"planarconfig": "separate"}),
        (WIDE, {}),
        (WIDE, {"byteorder": ">", "compression": "zlib", "predictor": True}),
        (np.moveaxis(WIDE, 2, 0), {"planarconfig": "separate"}),
        (np.rint(RGB / 255 * 4095).astype(np.uint16), {"extratags": [(281, "H", 3, (4095, 4095, 4095), True)]}),
        (RGB.astype(np.uint32) * 16843009, {}),
        ((RGB / 255).astype(np.float32), {}),
        (RGB.astype(np.float32), {}),
        (np.dstack([RGB, ALPHA]), {"extrasamples": ["unspecified"]}),
    ],
)
def test_colours_are_scaled_by_their_depth(path: Path, values: np.ndarray, options: dict[str, Any]) -> None:
    tifffile.imwrite(path, values, photometric="rgb", **options)
    assert np.abs(shown(path) - RGB).max() <= 1


@pytest.mark.parametrize("scale", [1, 257])
@pytest.mark.parametrize("premultiplied", [False, True])
def test_transparency_is_on_white(path: Path, scale: int, premultiplied: bool) -> None:
    dtype = np.uint8 if scale == 1 else np.uint16
    for colours, photometric in ((RGB, "rgb"), (GREY[..., None], "minisblack")):
        expected = colours * (ALPHA / 255) + 255 - ALPHA.astype(float)
        stored = np.rint(colours * (ALPHA / 255 if premultiplied else 1.0) * scale).astype(dtype)
        tifffile.imwrite(
            path,
            np.dstack([stored, ALPHA.astype(dtype) * dtype(scale)]),
            photometric=photometric,
            planarconfig="contig",
            extrasamples=["assocalpha" if premultiplied else "unassalpha"],
        )
        assert np.abs(shown(path) - expected).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_palettes_and_inks(path: Path, dtype: type) -> None:
    palette = RNG.integers(0, 65536, (3, 256 ** np.dtype(dtype).itemsize), dtype=np.uint16)
    tifffile.imwrite(path, GREY.astype(dtype), photometric="palette", colormap=palette)
    assert np.abs(shown(path) - np.moveaxis(palette[:, GREY], 0, -1) / 257).max() <= 1
    inks = np.dstack([255 - RGB, np.zeros_like(GREY)]).astype(dtype) * dtype(1 if dtype is np.uint8 else 257)
    tifffile.imwrite(path, inks, photometric="separated")
    assert np.abs(shown(path) - RGB).max() <= 1


@pytest.mark.parametrize("values", [RGB, GREY, WIDE, WIDE[..., 0], GREY.astype(np.float32)])
def test_a_picture_is_turned_upright_once(path: Path, values: np.ndarray) -> None:
    for orientation, turns in ((6, -1), (8, 1), (3, 2)):
        kind = "rgb" if values.ndim == 3 else "minisblack"
        tifffile.imwrite(path, values, photometric=kind, extratags=[(274, "H", 1, orientation, True)])
        expected = np.rot90(RGB if values.ndim == 3 else GREY[..., None], turns)
        assert np.abs(shown(path) - expected).max() <= 1
    if values.dtype == np.uint16 and values.ndim == 2:
        Image.fromarray(values).save(path, compression="tiff_lzw", tiffinfo={274: 6})
        assert np.array_equal(shown(path)[..., 0], np.rot90(GREY, -1))


def test_a_page_is_chosen_by_its_number(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)  # a thumbnail
        writer.write(255 - GREY.astype(np.float32), photometric="miniswhite")
    with pytest.raises(InputError, match=r"2 pages\. Choose one: page=0 to 1 \(--page\)"):
        read_image(path)
    assert np.array_equal(shown(path, page=0), RGB)
    assert np.array_equal(shown(path, page=1)[..., 0], GREY)
    with pytest.raises(InputError, match="Page 2 does not exist"):
        read_image(path, 2)


def test_channels_are_named(tmp_path: Path) -> None:
    path = tmp_path / "channels.ome.tif"
    names = ["DAPI", "CD3", "CD8"]
    stack = np.stack([GREY, 255 - GREY, GREY // 2])
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "CYX", "Channel": {"Name": names}})
    with pytest.raises(InputError, match=r"3 pages \(channels DAPI, CD3, CD8\)"):
        read_image(path)
    assert np.array_equal(shown(path, page=1)[..., 0], 255 - GREY)


def test_images_behind_the_one_page_that_a_file_describes(path: Path) -> None:
    stack = np.stack([GREY, 255 - GREY, GREY // 2])
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"}, truncate=True)
    with pytest.raises(InputError, match="3 pages"):
        read_image(path)
    assert np.array_equal(shown(path, page=1)[..., 0], 255 - GREY)


def test_bands_and_colours_that_are_no_picture_are_named(path: Path) -> None:
    tifffile.imwrite(path, np.dstack([RGB, GREY, GREY]), photometric="minisblack", planarconfig="contig")
    with pytest.raises(InputError, match="5 bands, 0 to 4, that are not colours"):
        read_image(path)
    tifffile.imwrite(path, WIDE, photometric="cielab")
    with pytest.raises(InputError, match="CIELAB with 16 bits cannot be read"):
        read_image(path)


def test_a_file_that_is_cut_off_is_never_its_first_page(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        for _ in range(2):
            writer.write(RGB, photometric="rgb", contiguous=False)
    whole = path.read_bytes()
    for length in (len(whole) - 10, len(whole) // 2 + 40, len(whole) // 3, 6):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cut off"):
            read_image(path, 1 if length == len(whole) - 10 else None)


def test_a_very_large_picture_is_too_large_and_not_damaged(path: Path) -> None:
    blank = np.broadcast_to(np.uint8(0), (20_000, 20_000))
    tifffile.imwrite(path, blank[:16], photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["ImageLength"].overwrite(20_000)
    with pytest.raises(InputError, match="too large: 20000 x 20000, 400 megapixels") as caught:
        read_image(path)
    assert "whole slide" in caught.value.remedy


def edited(path: Path, tag: int, value: int, new: tuple[int, int]) -> None:
    """Put another tag and value in the place of a SHORT or LONG of one number."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        found = tif.pages[0].tags[tag]
    assert found.value == value and tif.byteorder == "<"
    data[found.offset : found.offset + 2] = new[0].to_bytes(2, "little")
    data[found.offset + 8 : found.offset + 12] = new[1].to_bytes(4, "little")
    path.write_bytes(data)


def test_grey_that_does_not_say_what_zero_is_is_black_as_for_libtiff(path: Path) -> None:
    tifffile.imwrite(path, GREY, photometric="minisblack")
    edited(path, 262, 1, (263, 1))
    assert np.array_equal(shown(path)[..., 1], GREY)


def test_strips_that_are_missing_are_not_black(path: Path) -> None:
    tifffile.imwrite(path, GREY, photometric="minisblack")
    edited(path, 257, 12, (257, 24))
    with pytest.raises(InputError, match="strips or tiles are missing"):
        read_image(path)


def test_a_palette_of_8_bits(path: Path) -> None:
    levels = np.arange(256)
    colours = np.stack([levels, 255 - levels, np.full(256, 10)])
    tifffile.imwrite(path, GREY, photometric="palette", colormap=colours.astype(np.uint16))
    assert np.array_equal(shown(path), np.moveaxis(colours[:, GREY], 0, -1))


def test_values_that_gdal_says_were_never_measured_do_not_count(path: Path) -> None:
    values = np.array([[-3.4028235e38, 0, 100, 200]], np.float32)
    for said in ("-3.4028234663852886e+38", "-3.40282346638529e+38"):
        tifffile.imwrite(path, values, extratags=[(42113, 2, 0, said, True)])
        assert shown(path)[0, :, 0].tolist() == [0, 0, 128, 255]


def test_a_compression_that_nothing_reads_is_named(path: Path) -> None:
    tifffile.imwrite(path, GREY, photometric="minisblack")
    edited(path, 259, 1, (259, 34661))
    with pytest.raises(InputError, match=r"compression \(JBIG\) cannot be read"):
        read_image(path)


@pytest.mark.parametrize(
    ("resolution", "orientation", "size"),
    [
        ((204, 98), 1, (40, 42)),  # a fax of standard resolution: 40 / 204 inches by 20 / 98
        ((204, 98), 6, (42, 40)),  # the same, turned upright
        ((204, 391), 1, (77, 20)),
        ((204, 196), 1, (40, 20)),  # nearly square
        ((72, 0), 1, (40, 20)),
        ((1, 300), 1, (40, 20)),  # no such fax
    ],
)
def test_a_fax_has_square_pixels(path: Path, resolution: tuple, orientation: int, size: tuple) -> None:
    page = np.zeros((20, 40), bool)
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, page, photometric="minisblack", resolution=resolution, extratags=tags)
    assert read_image(path).size == size
    tifffile.imwrite(path, GREY, photometric="minisblack", resolution=(204, 98))  # no page of one bit
    assert np.array_equal(shown(path)[..., 1], GREY)
