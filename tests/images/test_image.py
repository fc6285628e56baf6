"""2D images: DICOM and pictures to RGB as a viewer shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from PIL import Image
from pydicom.pixels import apply_color_lut

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image
from tests.conftest import DATA


def test_a_monochrome1_radiograph_is_inverted_and_windowed() -> None:
    path = fetch("chest-radiograph")
    ds = pydicom.dcmread(path)
    grey = np.asarray(read_image(path)).astype(int)
    assert grey.shape == (1955, 1841, 3) and (grey[..., 0] == grey[..., 2]).all()
    stored = ds.pixel_array.astype(int)
    low, high = (float(ds.WindowCenter) - 0.5 + side * (float(ds.WindowWidth) - 1) / 2 for side in (-1, 1))
    windowed = np.clip((stored - low) / (high - low), 0, 1)
    ends = windowed.min(), windowed.max()
    expected = 255 - (windowed - ends[0]) / (ends[1] - ends[0]) * 255
    assert np.abs(grey[..., 0] - expected).max() <= 1


def test_pictures_and_colour_dicom_keep_their_colours(tmp_path: Path) -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "red.png")
    assert np.array_equal(np.asarray(read_image(tmp_path / "red.png")), red)
    colour = pydicom.data.get_testdata_file("SC_rgb_small_odd.dcm")
    assert np.array_equal(np.asarray(read_image(colour)), pydicom.dcmread(colour).pixel_array)
    ycbcr = np.asarray(read_image(pydicom.data.get_testdata_file("SC_rgb_jpeg_dcmtk.dcm")))
    assert ycbcr[0, 0, 0] > 200 and max(ycbcr[0, 0, 1:]) < 60  # its first pixel is red


def test_16_bit_pictures_keep_their_range(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 60000, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    grey = np.asarray(read_image(tmp_path / "ramp.png"))[..., 0].ravel()
    assert np.array_equal(grey, np.arange(256))


def test_what_is_no_single_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    whole = fetch("fundus").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    dicom = fetch("chest-radiograph").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(dicom[: len(dicom) // 2])
    for path in (
        tmp_path / "text.png",
        tmp_path / "cut.jpg",
        tmp_path / "none.png",
        DATA / "eCT_Supplemental.dcm",
    ):
        with pytest.raises(InputError, match=path.name) as caught:
            read_image(path)
        assert caught.value.remedy


def test_palettes_and_deep_colours_keep_their_colours(tmp_path: Path) -> None:
    path = pydicom.data.get_testdata_file("examples_palette.dcm")
    ds = pydicom.dcmread(path)
    colours = apply_color_lut(ds.pixel_array, ds)
    bits = ds.RedPaletteColorLookupTableDescriptor[2]
    assert np.abs(np.asarray(read_image(path)) - colours / (2**bits - 1) * 255).max() <= 1
    deep = pydicom.dcmread(pydicom.data.get_testdata_file("SC_rgb_rle_16bit.dcm"))
    shown = np.asarray(read_image(deep.filename))
    assert np.abs(shown - deep.pixel_array / 65535 * 255).max() <= 1
    deep.decompress()
    for bits, value in ((12, 4095), (10, 1023)):  # white in as many bits is white
        deep.BitsStored, deep.HighBit = bits, bits - 1
        deep.PixelData = np.full((deep.Rows, deep.Columns, 3), value, np.uint16).tobytes()
        deep.PlanarConfiguration = 0
        deep.save_as(tmp_path / f"{bits}.dcm")
        assert (np.asarray(read_image(tmp_path / f"{bits}.dcm")) == 255).all()
