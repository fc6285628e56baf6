"""Read header values as real systems write them, if their meaning is clear; otherwise raise an error with the
file.

DICOM gives each attribute a type and a number of values (PS3.5, PS3.6). Files in archives often have others: a
decimal comma, a unit ("5 mm"), one pixel spacing for two, a value of the wrong representation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.sequence import Sequence as DicomSequence

from helpers.errors import InputError

_HOUNSFIELD = {"HU", "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS"}
_NO_UNITS = {"", "US", "UNSPECIFIED"}  # ITK and GDCM write these into every CT
# Images that were computed from a CT and show another quantity.
_MAPS = {"PERFUSION", "RCBF", "RCBV", "CBF", "CBV", "MTT", "TTP", "TMAX", "PERMEABILITY", "EFF_ATOMIC_NUM"}
_NUMBER = re.compile(r"([-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(?:mm|ms|HU)?")


def header_value(headers: Iterable[Dataset], keyword: str) -> Any:
    """The value of an attribute in the first of ``headers`` that has it; None if it is absent or empty.

    A value that pydicom cannot convert is returned as the text in the file.
    """
    tag = tag_for_keyword(keyword)
    for header in headers:
        if tag is None or tag not in header:
            continue
        try:
            value = header[tag].value
        except Exception:  # pydicom's converters raise errors of many unrelated kinds
            value = header.get_item(tag).value
        if isinstance(value, bytes):
            value = value.decode("latin-1").strip("\0 ")
        if value is not None and value != "" and not (hasattr(value, "__len__") and len(value) == 0):
            return value
    return None


def plain_numbers(headers: Iterable[Dataset], tag: int, count: int) -> list[float] | None:
    """``count`` finite numbers from text in a file, without pydicom's slow conversion; None if it has others."""
    for header in headers:
        element = header.get_item(tag)
        if element is None:
            continue
        try:
            found = [float(part) for part in element.value.rstrip(b"\0").split(b"\\")]
        except (AttributeError, TypeError, ValueError):
            return None
        return found if len(found) == count and all(map(math.isfinite, found)) else None
    return None


def numbers(value: Any, count: int, keyword: str, path: Path | str) -> list[float]:
    """``count`` finite numbers of an attribute's value.

    One value in place of several, and several equal values in place of one, are accepted. Raises `InputError`
    otherwise.
    """
    found = [number_of(part) for part in _parts(value)]
    if None not in found:
        if len(found) == count:
            return found
        if len(set(found)) == 1 and (count == 1 or (len(found) == 1 and count == 2)):
            return found[:1] * count
    raise InputError(
        f"The {keyword} is {_shown(value)}, but should be {count} number{'s' if count > 1 else ''}.",
        path=path,
        remedy="Export the file again, or correct this attribute.",
    )


def orientation_of(value: Any, path: Path | str) -> np.ndarray:
    """Unit vectors along the rows and down the columns, (6,), of an ImageOrientationPatient."""
    found = np.array(numbers(value, 6, "ImageOrientationPatient", path))
    along, down = found[:3], found[3:]
    lengths = np.linalg.norm(along), np.linalg.norm(down)
    if not max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(along @ down)) <= 0.01:
        raise InputError(
            f"The ImageOrientationPatient {header_text(value)} is not a pair of perpendicular unit vectors.",
            path=path,
            remedy="Export the file again.",
        )
    return found


def units_of(said: str, image_type: Sequence[str]) -> str:
    """The units of a CT from its Rescale Type; if that says nothing, from the kind of image."""
    values = {value.strip().strip("[]").upper() for value in said.split("\\")} - _NO_UNITS
    if values - _HOUNSFIELD:
        return said
    return "HU" if values else next((value for value in image_type if value in _MAPS), "HU")


def padding_in(
    get: Callable[[str], Any], floating: bool, signed: bool, bits: int, path: Path | str
) -> tuple[float, float] | None:
    """The lowest and the highest stored value that is not a measurement (PS3.3 C.7.5.1.1.2)."""
    kinds = ("Float", "DoubleFloat", "") if floating else ("",)
    kind = next((k for k in kinds if get(f"{k}PixelPaddingValue") is not None), None)
    if kind is None:
        return None
    found = []
    for keyword in (f"{kind}PixelPaddingValue", f"{kind}PixelPaddingRangeLimit"):
        value = get(keyword)
        if value is None:
            continue
        if floating:
            found += numbers(value, 1, keyword, path)
            continue
        number = whole_number(value, keyword, path)
        # Files often confuse the types US and SS: 63536 in a signed image of 16 bits means -2000.
        if signed and number >= 1 << (bits - 1):
            number -= 1 << bits
        elif not signed and number < 0:
            number += 1 << bits
        found.append(number)
    return min(found), max(found)


def whole_number(value: Any, keyword: str, path: Path | str) -> int:
    """The whole number that is an attribute's value. Raises `InputError` for any other value."""
    (number,) = numbers(value, 1, keyword, path)
    if number != int(number):
        raise InputError(f"The {keyword} is {_shown(value)}.", path=path, remedy="Export the file again.")
    return int(number)


def header_text(value: Any) -> str:
    """A value as text: several values with a backslash between them, as in the file; empty for None."""
    return "" if value is None else "\\".join(map(_bare, _parts(value)))


def same(value: Any, wanted: Any, near: float = 1e-4) -> bool:
    """Whether a header value equals ``wanted``, as text, as numbers, or as one of several values (ImageType).

    Numbers are equal if they agree in single precision, or within ``near``. An absent value is None, or the text
    "none".
    """
    have, want = [list(map(_bare, _parts(v))) for v in (value, wanted)]
    if value is None or not have:
        return len(want) == 1 and want[0].casefold() == "none"
    if len(want) == 1 and len(have) > 1:
        return any(_equal(one, want[0], near) for one in have)
    return len(have) == len(want) and all(_equal(a, b, near) for a, b in zip(have, want, strict=True))


def _equal(a: str, b: str, near: float) -> bool:
    x, y = number_of(a), number_of(b)
    if x is not None and y is not None:
        if max(abs(x), abs(y)) >= 1e6 or (a.isdigit() and b.isdigit()):
            return x == y  # for dates and identifiers
        return math.isclose(x, y, rel_tol=1e-7, abs_tol=near)
    return a.casefold() == b.casefold()


def _bare(part: Any) -> str:
    """One value as text without its padding."""
    return str(part).replace("\0", "").strip()


def _parts(value: Any) -> list[Any]:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return value.strip("\0 ").split("\\")
    if isinstance(value, (Dataset, DicomSequence)):
        return [value]
    try:
        return list(value)
    except TypeError:
        return [value]


def number_of(part: Any) -> float | None:
    """The finite number that one value is; None for any other value."""
    match = _NUMBER.fullmatch(_bare(part))
    if match is None:
        return None
    number = float(match[1].replace(",", "."))
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
