"""The grayscale pipeline of DICOM: values computed by hand from stored values (PS3.3 C.11)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.pixels import apply_windowing
from pydicom.uid import EnhancedXAImageStorage, XRayAngiographicImageStorage

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image

Write = Callable[..., Path]
# One row of five pixels: below, at the ends, in the middle and above a window from 1000 to 1255.
ROW = np.array([[0, 1000, 1127, 1255, 4095]], np.uint16)
WINDOW = {"WindowCenter": 1128, "WindowWidth": 256}  # LINEAR: 1000 is black, 1255 is white
SHOWN = [0, 0, 127, 255, 255]


def greys(path: Path, **options: Any) -> list[int]:
    shown = np.asarray(read_image(path, **options))
    assert (
        shown.dtype == np.uint8
        and (shown[..., 0] == shown[..., 1]).all()
        and (shown[..., 0] == shown[..., 2]).all()
    )
    return shown[0, :, 0].tolist()


def item(**attributes: Any) -> list[Dataset]:
    dataset = Dataset()
    for keyword, value in attributes.items():
        if keyword in ("LUTData", "LUTDescriptor"):  # US, where others may stand
            dataset.add(DataElement(keyword, "US", value))
        else:
            setattr(dataset, keyword, value)
    return [dataset]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (WINDOW, SHOWN),
        ({"WindowCenter": [1128, 50], "WindowWidth": [256, 10]}, SHOWN),
        ({"WindowCenter": [7, 1128], "WindowWidth": [0, 256]}, SHOWN),  # the first that is a window
        ({**WINDOW, "VOILUTFunction": "LOG"}, SHOWN),  # not known: the default
        # (x - c) / w + 0.5 without the half pixel of LINEAR: 127.5 / 255 is the middle.
        ({"WindowCenter": 1127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}, [0, 0, 127, 255, 255]),
        # 255 / (1 + exp(-4 (x - c) / w)): at c it is the half, at the ends 255 / (1 + e**2) and the rest of it.
        ({"WindowCenter": 1127, "WindowWidth": 254, "VOILUTFunction": "SIGMOID "}, [0, 30, 128, 225, 255]),
        ({"WindowCenter": 1127.5, "WindowWidth": 1}, [0, 0, 0, 255, 255]),  # a step above 1127
        ({"WindowCenter": 1127, "WindowWidth": 0}, [0, 62, 70, 78, 255]),  # no window: 0 to 4095
        ({"WindowCenter": 1127}, [0, 62, 70, 78, 255]),
        ({"WindowCenter": None, "WindowWidth": None}, [0, 62, 70, 78, 255]),
        # Below 1, as exact: values become 0 to 0.4095, black at 0.1 and white at 0.2.
        ({"RescaleSlope": "0.0001", "RescaleIntercept": 0, "WindowCenter": "0.15", "WindowWidth": "0.1"},
         [0, 0, 32, 65, 255]),
        ({**WINDOW, "RescaleSlope": None, "RescaleIntercept": None}, SHOWN),
        ({"RescaleSlope": 2, "RescaleIntercept": -24, "WindowCenter": 1128 * 2 - 24, "WindowWidth": 511}, SHOWN),
        ({**WINDOW, "PresentationLUTShape": "INVERSE"}, [255, 255, 128, 0, 0]),
    ],
)  # fmt: skip
def test_a_window_is_shown_as_it_is(write_image: Write, attributes: dict[str, Any], expected: list[int]) -> None:
    assert greys(write_image(ROW, bits=12, **attributes)) == expected
    inverted = write_image(ROW, kind="MONOCHROME1", bits=12, **attributes)
    once = "PresentationLUTShape" in attributes
    assert greys(inverted) == (expected if once else [255 - value for value in expected])


def test_a_window_that_an_image_does_not_fill_is_not_stretched(write_image: Write) -> None:
    flat = np.full((4, 4), 1127, np.uint16)
    assert set(greys(write_image(flat, bits=12, **WINDOW))) == {127}
    with pytest.raises(InputError, match="have the same grey"):
        read_image(write_image(flat, bits=12))


def test_the_bundled_radiograph_is_what_pydicom_computes_from_its_window() -> None:
    ds = dcmread(fetch("chest-radiograph"))
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    windowed = apply_windowing(ds.pixel_array, ds) / (2**ds.BitsStored - 1)
    shown = np.asarray(read_image(ds.filename))
    assert shown.shape == (1955, 1841, 3)
    assert np.abs(shown[..., 0] - (255 - 255 * windowed)).max() <= 0.51


def test_lookup_tables_are_scaled_by_their_own_bits(write_image: Write) -> None:
    row = np.array([[0, 10, 11, 12, 13, 200]], np.uint8)
    # From 10 on; values below and above get the first and the last entry.
    ten_bits = item(LUTDescriptor=[4, 10, 10], LUTData=[1023, 512, 256, 0])
    assert greys(write_image(row, VOILUTSequence=ten_bits, **WINDOW)) == [255, 255, 128, 64, 0, 0]
    words = item(LUTDescriptor=[4, 10, 8], LUTData=[0x2010, 0x4030])  # two entries of 8 bits in each
    assert greys(write_image(row, VOILUTSequence=words)) == [16, 16, 32, 48, 64, 64]
    modality = item(LUTDescriptor=[4, 10, 12], LUTData=[1000, 1127, 1255, 4095])
    path = write_image(row, ModalityLUTSequence=modality, **WINDOW)
    assert greys(path) == [0, 0, 127, 255, 255, 255]
    assert greys(write_image(row, VOILUTSequence=[], WindowCenter=128, WindowWidth=256)) == row[0].tolist()
    # Entries of 16 bits in a table that is said to have 10.
    wide = item(LUTDescriptor=[4, 10, 10], LUTData=[0, 21845, 43690, 65535])
    assert greys(write_image(row, VOILUTSequence=wide)) == [0, 0, 85, 170, 255, 255]
    # The first value of -2 of a signed image, written as unsigned.
    signed = item(LUTDescriptor=[4, 65534, 8], LUTData=[10, 20, 30, 40])
    assert greys(write_image(np.array([[-9, -2, 0, 9]], np.int8), VOILUTSequence=signed)) == [10, 10, 30, 40]
    short = item(LUTDescriptor=[400, 10, 10], LUTData=[0, 21845])
    with pytest.raises(InputError, match="lookup table has 2 entries"):
        read_image(write_image(row, VOILUTSequence=short))


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_counts_for_nothing(write_image: Write, kind: str) -> None:
    def shown(values: list[int], dtype: type, **attributes: Any) -> list[int]:
        return upright(write_image(np.array([values], dtype), kind=kind, **attributes))

    def upright(path: Path) -> list[int]:
        seen = greys(path)
        return seen if kind == "MONOCHROME2" else [seen[0], *(255 - value for value in seen[1:])]

    assert shown([65535, 100, 200, 355], np.uint16, PixelPaddingValue=65535) == [0, 0, 100, 255]
    assert shown([65535, 100, 200, 355], np.uint16, bits=12, PixelPaddingValue=65535) == [0, 0, 100, 255]
    window = {"WindowCenter": 228, "WindowWidth": 256}
    assert shown([65535, 100, 200, 355], np.uint16, PixelPaddingValue=65535, **window) == [0, 0, 100, 255]
    whole = {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 65535}
    assert shown([61234, 100, 200, 355], np.uint16, **whole) == [0, 0, 100, 255]
    rescaled = {"RescaleSlope": 3, "RescaleIntercept": -7, "PixelPaddingValue": 5}
    assert shown([5, 100, 200, 355], np.uint16, **rescaled) == [0, 0, 100, 255]
    path = write_image(np.array([[-2000, 100, 200, 355]], np.int16), kind=kind)
    for representation, value in (("US", 63536), ("SS", -2000)):  # they are often mistaken for each other
        ds = dcmread(path)
        ds.add(DataElement(0x00280120, representation, value))
        ds.save_as(path)
        assert upright(path) == [0, 0, 100, 255]


def test_an_image_of_padding_alone_and_a_slope_of_zero_are_refused(write_image: Write) -> None:
    with pytest.raises(InputError, match="holds only padding"):
        read_image(write_image(np.zeros((4, 4), np.uint8), PixelPaddingValue=0))
    with pytest.raises(InputError, match="RescaleSlope is 0") as caught:
        read_image(write_image(ROW, RescaleSlope=0, RescaleIntercept=0))
    assert caught.value.remedy


def test_bits_that_are_not_stored_are_left_out(write_image: Write) -> None:
    shown = [0, 62, 70, 78, 255]
    assert greys(write_image(ROW | 0xF000, bits=12)) == shown  # an overlay lies in the high bits
    assert greys(write_image(ROW << 4, bits=12, HighBit=15)) == shown
    assert greys(write_image(ROW, bits=12, HighBit=15)) == shown  # HighBit is wrong
    signed = np.array([[-2048, -1048, -921, -793, 2047]], np.int16)
    assert greys(write_image(signed & 0x0FFF, bits=12)) == shown


def test_floating_point_pixels_and_nan(write_image: Write) -> None:
    path = write_image(np.zeros((1, 4), np.uint16))
    ds = dcmread(path)
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 32
    ds.FloatPixelData = np.array([[-1.0, np.nan, 0.0, 1.0]], np.float32).tobytes()
    ds.save_as(path)
    assert greys(path) == [0, 0, 128, 255]
    ds.FloatPixelPaddingValue = -1.0
    ds.save_as(path)
    assert greys(path) == [0, 0, 0, 255]


def test_an_enhanced_frame_has_its_own_window_and_slope(write_image: Write) -> None:
    frames = np.stack([ROW, ROW])
    windows = [item(FrameVOILUTSequence=item(WindowCenter=c, WindowWidth=256))[0] for c in (1128, 1256)]
    shared = item(
        PixelValueTransformationSequence=item(RescaleSlope=1, RescaleIntercept=0),
        PixelMeasuresSequence=item(PixelSpacing=[1, 1]),
    )
    path = write_image(
        frames,
        frames=True,
        bits=12,
        SOPClassUID=EnhancedXAImageStorage,
        PerFrameFunctionalGroupsSequence=windows,
        SharedFunctionalGroupsSequence=shared,
    )
    assert greys(path, page=0) == SHOWN
    assert greys(path, page=1) == [0, 0, 0, 127, 255]


def test_a_voi_lut_of_12_bits_that_is_said_to_have_16(write_image: Write) -> None:
    # From 1000 on, by 16 to 4080: 127 of 255 steps is the middle. Believed, white would be 16 of 255.
    entries = [16 * k for k in range(255)] + [4095]
    for bits in (12, 16):
        sequence = item(LUTDescriptor=[256, 1000, bits], LUTData=entries)
        assert greys(write_image(ROW, bits=12, VOILUTSequence=sequence)) == [0, 0, 127, 255, 255]
    dark = item(LUTDescriptor=[256, 1000, 16], LUTData=[32 * k for k in range(255)] + [8191])
    assert greys(write_image(ROW, bits=12, VOILUTSequence=dark)) == [0, 0, 16, 32, 32]  # 13 bits are believed


@pytest.mark.parametrize("relation", ["LOG", "DISP", "LIN", None])
def test_angiography_is_displayed_without_the_table_that_leads_back_to_its_x_rays(
    write_image: Write, relation: str | None
) -> None:
    squares = [k * k // 256 for k in range(4096)]
    table = item(LUTDescriptor=[4096, 0, 16], LUTData=squares)
    said = {"SOPClassUID": XRayAngiographicImageStorage, "WindowCenter": 2048, "WindowWidth": 4096}
    path = write_image(ROW, bits=12, **said, PixelIntensityRelationship=relation, ModalityLUTSequence=table)
    plain = [0, 62, 70, 78, 255]
    by_table = [round(min(squares[v], 4095) / 4095 * 255) for v in ROW[0].tolist()]
    assert greys(path) == (plain if relation in ("LOG", "DISP") else by_table)
    rescaled = write_image(ROW, bits=12, **said, PixelIntensityRelationship=relation, RescaleSlope=0.5)
    halves = [round(v / 2 / 4095 * 255) for v in ROW[0].tolist()]
    assert greys(rescaled) == (plain if relation in ("LOG", "DISP") else halves)


@pytest.mark.parametrize(("centre", "colour"), [(40000, "black"), (-300, "white")])
def test_a_window_that_misses_every_value_is_an_error_and_not_one_colour(
    write_image: Write, centre: int, colour: str
) -> None:
    path = write_image(ROW, bits=12, WindowCenter=centre, WindowWidth=10)
    with pytest.raises(InputError, match=f"shows only {colour}: it misses all of its values, 0 to 4095") as caught:
        read_image(path)
    assert "WindowCenter" in caught.value.remedy
    one_grey = write_image(np.full((2, 2), 7, np.uint16), bits=12, WindowCenter=centre, WindowWidth=10)
    assert set(np.asarray(read_image(one_grey)).flat) == {0 if colour == "black" else 255}
