"""Colours of DICOM images: depths, YBR and palettes, with values from other libraries and by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from PIL import Image, ImageCms
from pydicom import DataElement, dcmread

from helpers.errors import InputError
from helpers.images import read_image

Write = Callable[..., Path]
RGB = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 150, 100]]], np.uint8)


def shown(path: Path | str) -> np.ndarray:
    return np.asarray(read_image(path)).astype(int)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_white_is_white_in_every_depth(write_image: Write, bits: int) -> None:
    wide = np.rint(RGB / 255 * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    assert np.abs(shown(write_image(wide, kind="RGB", bits=bits)) - RGB).max() <= 1


def test_files_of_pydicom_are_what_pydicom_decodes() -> None:
    for name in ("SC_rgb_small_odd.dcm", "SC_rgb_rle_16bit.dcm", "SC_ybr_full_422_uncompressed.dcm"):
        ds = dcmread(pydicom.data.get_testdata_file(name))
        assert np.abs(shown(ds.filename) - ds.pixel_array / (2**ds.BitsStored - 1) * 255).max() <= 1
    red = shown(pydicom.data.get_testdata_file("SC_rgb_jpeg_dcmtk.dcm"))[0, 0]
    assert red[0] > 200 and max(red[1:]) < 60


def test_ybr_of_16_bits_and_of_the_narrow_range(write_image: Write) -> None:
    full = np.asarray(Image.fromarray(RGB).convert("YCbCr"))  # as JPEG has it, by another library
    assert np.abs(shown(write_image(full, kind="YBR_FULL")) - RGB).max() <= 2
    assert np.abs(shown(write_image(full.astype(np.uint16) << 8, kind="YBR_FULL")) - RGB).max() <= 3
    # Black and white of ITU-R BT.601 are 16 and 235; two pixels share Cb and Cr.
    path = write_image(np.array([[16, 235, 128, 128], [126, 126, 128, 128]], np.uint8))
    ds = dcmread(path)
    ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 2, 3, 0
    ds.PhotometricInterpretation = "YBR_PARTIAL_422"
    ds.save_as(path)
    assert shown(path)[..., 0].tolist() == [[0, 255], [128, 128]]


def palette(path: Path, bits: int, tables: list[bytes], first: int = 10) -> Path:
    ds = dcmread(path)
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        ds.add(DataElement(f"{name}PaletteColorLookupTableDescriptor", "US", [4, first, bits]))
        setattr(ds, f"{name}PaletteColorLookupTableData", table)
    ds.save_as(path)
    return path


def test_palettes_of_8_and_16_bits(write_image: Write) -> None:
    stored = np.array([[0, 10, 11, 12, 13, 300]], np.uint16)  # below, within and beyond the palette
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 150, 100]], np.uint8)
    expected = colours[[0, 0, 1, 2, 3, 3]][None]

    def written(bits: int, dtype: str, scale: int = 1) -> Path:
        tables = [(colours[:, k].astype(dtype) * scale).astype(dtype).tobytes() for k in range(3)]
        windowed = write_image(stored, kind="PALETTE COLOR", WindowCenter=5, WindowWidth=3)
        return palette(windowed, bits, tables)

    assert np.array_equal(shown(written(16, "<u2", 257)), expected)
    assert np.array_equal(shown(written(8, "u1")), expected)
    assert np.array_equal(shown(written(8, "<u2")), expected)  # entries of 8 bits in words
    assert np.array_equal(shown(written(16, "<u2")), expected)  # said to have 16 bits, and has 8
    with pytest.raises(InputError, match="no palette"):
        read_image(write_image(stored, kind="PALETTE COLOR"))


def test_a_supplemental_palette_colours_its_values_alone(write_image: Write) -> None:
    stored = np.array([[0, 5, 9, 10, 12, 20]], np.uint8)
    path = write_image(stored, WindowCenter=128, WindowWidth=256, PixelPresentation="MIXED")
    palette(path, 8, [bytes([255, 0, 0, 200]), bytes([0, 255, 0, 150]), bytes([0, 0, 255, 100])])
    assert shown(path)[0].tolist() == [[0] * 3, [5] * 3, [9] * 3, [255, 0, 0], [0, 0, 255], [20] * 3]


def test_an_icc_profile_of_colours_is_applied_where_asked_for(write_image: Write) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red_as_green = srgb.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    path = write_image(np.full((4, 4, 3), (255, 0, 0), np.uint8), kind="RGB")
    dataset = dcmread(path)
    dataset.add(DataElement(0x00282000, "OB", red_as_green + b"\0" * (len(red_as_green) % 2)))
    dataset.save_as(path)
    assert read_image(path).getpixel((0, 0)) == (255, 0, 0)
    assert read_image(path, icc=True).getpixel((0, 0)) == (0, 255, 0)
