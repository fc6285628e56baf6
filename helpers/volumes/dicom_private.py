"""Read the private attributes of scanner makers that volumes need: b-values, and the second scale of Philips."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from pydicom import Dataset
from pydicom.tag import Tag

# The maker's name for the private block, its group, and the element of the b-value, as dcm2niix
# (https://github.com/rordenlab/dcm2niix) and the makers' conformance statements document them.
_B_VALUES = (
    ("SIEMENS MR HEADER", 0x0019, 0x0C),
    ("GEMS_PARM_01", 0x0043, 0x39),
    ("Philips Imaging DD 001", 0x2001, 0x03),
    ("Image Private Header", 0x0065, 0x09),
)
_GE_BASE = 10**9  # GE adds this number to b-values
# Philips scales MR a second time, to values that its own software compares between examinations.
PHILIPS_SCALE = Tag(0x2005, 0x100E)


def private_b_value(header: Dataset) -> float | None:
    """The b-value (s/mm2) of a slice, from its maker's private attribute; None without one."""
    for creator, group, element in _B_VALUES:
        try:
            value = header.private_block(group, creator)[element].value
            value = value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value
            return _real(value) % _GE_BASE
        except (KeyError, TypeError, ValueError, IndexError, struct.error):
            continue
    return None


def _real(value: Any) -> float:
    """A number, also from bytes that pydicom did not convert because it does not know their type (VR UN)."""
    if not isinstance(value, bytes):
        return float(value)
    try:
        return float(value.strip(b"\0 ").split(b"\\")[0])
    except ValueError:
        (number,) = struct.unpack({4: "<f", 8: "<d"}[len(value)], value)
        return number


def philips_scale(headers: Iterable[Dataset]) -> float | None:
    """Philips' own scale slope, by which its software divides stored values; None if it is absent."""
    for header in headers:
        if PHILIPS_SCALE in header:
            try:
                return float(header[PHILIPS_SCALE].value)
            except (TypeError, ValueError):
                return None
    return None
