"""Header values as real systems write them: read where their meaning is clear, else refused with the file's name.

DICOM gives each attribute a type and a number of values (PS3.5, PS3.6). Files in archives often have others: a
decimal comma, a unit ("5 mm"), one pixel spacing for two, a value of the wrong representation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.sequence import Sequence as DicomSequence

from helpers.errors import InputError

_NUMBER = re.compile(r"([-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(?:mm)?")


def header_value(headers: Iterable[Dataset], keyword: str) -> Any:
    """Value of an attribute in the first of ``headers`` that has one; None where it is absent or empty.

    What pydicom cannot convert comes back as the text that stands in the file.
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


def numbers(value: Any, count: int, keyword: str, path: Path | str) -> list[float]:
    """``count`` finite numbers of an attribute's value.

    One value for several, and several equal ones for one, are clear enough. Raises `InputError` for all else.
    """
    found = [_number(part) for part in _parts(value)]
    if None not in found:
        if len(found) == count:
            return found
        if len(set(found)) == 1 and (count == 1 or (len(found) == 1 and count == 2)):
            return found[:1] * count
    raise InputError(
        f"The {keyword} is {_shown(value)}, where {count} number{'s' if count > 1 else ''} should be.",
        path=path,
        remedy="Export the file again, or correct this attribute.",
    )


def whole_number(value: Any, keyword: str, path: Path | str) -> int:
    """A whole number that is an attribute's value; raises `InputError` for all else."""
    (number,) = numbers(value, 1, keyword, path)
    if number != int(number):
        raise InputError(f"The {keyword} is {_shown(value)}.", path=path, remedy="Export the file again.")
    return int(number)


def header_text(value: Any) -> str:
    """A value as text: several values with a backslash between them, as in the file; empty for None."""
    return "" if value is None else "\\".join(str(part).strip() for part in _parts(value))


def same(value: Any, wanted: Any) -> bool:
    """Whether a header value is ``wanted``: as text, as numbers, or as one of several values (ImageType)."""
    have, want = [list(map(str, _parts(v))) for v in (value, wanted)]
    if not have or value is None:
        return False
    if len(want) == 1 and len(have) > 1:
        return any(_equal(one, want[0]) for one in have)
    return len(have) == len(want) and all(_equal(a, b) for a, b in zip(have, want, strict=True))


def _equal(a: str, b: str) -> bool:
    x, y = _number(a), _number(b)
    if x is not None and y is not None:
        return math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-4)
    return a.strip().casefold() == b.strip().casefold()


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


def _number(part: Any) -> float | None:
    match = _NUMBER.fullmatch(str(part).strip("\0 "))
    if match is None:
        return None
    number = float(match[1].replace(",", "."))
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
