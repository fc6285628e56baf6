"""Header values as they come: read where the meaning is clear, else one error; equal where a person says so."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.tag import Tag

from helpers.errors import InputError
from helpers.volumes.header_values import (
    header_text,
    numbers,
    orientation_of,
    padding_in,
    plain_numbers,
    same,
    units_of,
    whole_number,
)


@pytest.mark.parametrize(
    ("value", "count", "expected"),
    [
        ("0,8\\0,75", 2, [0.8, 0.75]),
        ("5 mm", 1, [5.0]),
        ("-1024 HU", 1, [-1024.0]),
        ("0.8", 2, [0.8, 0.8]),  # one spacing for both directions
        (["2", "2", "2"], 1, [2.0]),
        (b" 1\\2\\3\0", 3, [1.0, 2.0, 3.0]),
        ("1\\2", 1, None),
        ("1\\2", 3, None),
        ("0.8", 3, None),
        ("nan\\0\\0", 3, None),
        ("1e999", 1, None),
        ("inf", 1, None),
        ("1_0", 1, None),
        ("thin", 1, None),
        ("", 1, None),
        (Dataset(), 1, None),
    ],
)
def test_numbers_are_read_where_they_are_clear(value: Any, count: int, expected: list[float] | None) -> None:
    if expected is not None:
        assert numbers(value, count, "SliceThickness", "a.dcm") == expected
        return
    with pytest.raises(InputError, match=r"a\.dcm: The SliceThickness is .* should be"):
        numbers(value, count, "SliceThickness", "a.dcm")


def test_a_whole_number_has_no_fraction() -> None:
    assert whole_number("12.0", "Rows", "a.dcm") == 12
    with pytest.raises(InputError, match=r"Rows is '6\.5'"):
        whole_number("6.5", "Rows", "a.dcm")


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (20, "20.0", True),
        ("20", 20, True),
        (0.10000000149, 0.1, True),  # written in single precision
        ("Head ", "head", True),
        (["ORIGINAL", "PRIMARY", "M"], "m", True),
        (["ORIGINAL", "PRIMARY", "M"], "ORIGINAL\\PRIMARY\\M", True),
        (["ORIGINAL", "PRIMARY", "M"], "ORIGINAL\\PRIMARY", False),
        ([1, 0, 0], "1\\1e-9\\0", True),
        (20240101, 20240102, False),
        (1000001, "1000002", False),
        ("20240101101010.12", "20240101101010.34", False),
        ("101010.12", "101010.15", False),
        ("1_0", 10, False),
        (None, "none", True),
        (None, None, True),
        (None, "", False),
        ("none", "none", True),
        ("", "x", False),
    ],
)
def test_what_is_the_same(value: Any, wanted: Any, expected: bool) -> None:
    assert same(value, wanted) is expected


@pytest.mark.parametrize(
    ("said", "image_type", "expected"),
    [
        *(
            (label, (), "HU")
            for label in ("", "HU", "hu", "[HU]", "US", "unspecified", "Hounsfield Units", "HU\\HU")
        ),
        *((label, (), label) for label in ("HU_MOD", "Z_EFF", "MGML", "OD")),
        ("", ("DERIVED", "PRIMARY", "MTT"), "MTT"),
        ("US", ("DERIVED", "PRIMARY", "MTT"), "MTT"),
        ("HU", ("DERIVED", "PRIMARY", "MTT"), "HU"),
    ],
)
def test_only_the_name_of_another_quantity_is_no_hounsfield_unit(
    said: str, image_type: tuple, expected: str
) -> None:
    assert units_of(said, image_type) == expected


@pytest.mark.parametrize("value", ["0\\0\\0\\0\\0\\0", "1\\0\\0\\1\\0\\0", "1\\0\\0", "2\\0\\0\\0\\1\\0"])
def test_an_orientation_is_two_perpendicular_unit_vectors(value: str) -> None:
    with pytest.raises(InputError, match="ImageOrientationPatient"):
        orientation_of(value, "a.dcm")


@pytest.mark.parametrize(
    ("values", "floating", "signed", "bits", "expected"),
    [
        ({"PixelPaddingValue": 63536}, False, True, 16, (-2000, -2000)),
        ({"PixelPaddingValue": -2000}, False, False, 16, (63536, 63536)),
        ({"PixelPaddingValue": -2000}, False, True, 16, (-2000, -2000)),
        ({"PixelPaddingValue": 2**32 - 5}, False, True, 32, (-5, -5)),
        ({"PixelPaddingValue": 63536, "PixelPaddingRangeLimit": -1900}, False, True, 16, (-2000, -1900)),
        ({"PixelPaddingRangeLimit": 4}, False, True, 16, None),
        ({"FloatPixelPaddingValue": -0.5}, True, False, 32, (-0.5, -0.5)),
        ({"FloatPixelPaddingValue": -0.5}, False, False, 16, None),
        ({}, False, True, 16, None),
    ],
)
def test_padding_whichever_way_its_sign_was_written(
    values: dict[str, float], floating: bool, signed: bool, bits: int, expected: tuple | None
) -> None:
    assert padding_in(values.get, floating, signed, bits, "a.dcm") == expected


def test_text_numbers_without_conversion() -> None:
    position = Tag("ImagePositionPatient")
    header = Dataset()
    assert plain_numbers((header,), position, 3) is None
    for value, expected in ((b"1\\-2.5\\3e1 ", [1, -2.5, 30]), (b"1\\2", None), (b"nan\\0\\0", None)):
        header[position] = raw(position, "DS", value)
        assert plain_numbers((Dataset(), header), position, 3) == expected
    header[position] = raw(position, "FD", struct.pack("<ddd", 1, 2, 3))
    assert plain_numbers((header,), position, 3) is None


def raw(tag: Any, vr: str, value: bytes) -> Any:
    from pydicom.dataelem import RawDataElement

    return RawDataElement(Tag(tag), vr, len(value), value, 0, False, True, True)


def test_text_of_a_value() -> None:
    assert header_text(["ORIGINAL ", "PRIMARY"]) == "ORIGINAL\\PRIMARY"
    assert header_text(None) == "" and header_text(b"a\0") == "a"
