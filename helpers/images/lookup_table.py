"""Read lookup tables of DICOM (modality, VOI, palette) from descriptor and data, and map values through them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from pydicom import Dataset

from helpers.volumes import header_text, header_value


class LookupTable(NamedTuple):
    """Entries for the input values from ``first`` on, and how many bits an entry has."""

    entries: np.ndarray
    first: int
    bits: int

    def of(self, values: np.ndarray) -> np.ndarray:
        """The entries of ``values``; those below and above the table get its first and its last one."""
        first = self.first
        # Files often confuse the types US and SS: if 64512 is the first input and the values are lower, it means
        # -1024.
        if first > 32767 and values.size and np.nanmax(values) < first:
            first -= 65536
        places = np.clip(np.rint(np.nan_to_num(values)) - first, 0, len(self.entries) - 1)
        return self.entries[places.astype(np.int64)]

    @property
    def highest(self) -> int:
        """The value of white."""
        return 2**self.bits - 1

    @property
    def white(self) -> int:
        """The value of white of a VOI LUT. The descriptor is ignored if it would make everything nearly black.

        Some files, such as Agfa's, state 16 allocated bits for an entry, but use only 12.
        """
        needed = int(self.entries.max()).bit_length()
        return 2**needed - 1 if 0 < needed <= self.bits - 4 else self.highest


def table_in(item: Dataset, little: bool, kind: str = "LUT") -> LookupTable | None:
    """The table of an item of a Modality or VOI LUT Sequence (PS3.3 C.11.1.1), or of a palette (C.7.6.3.1.5).

    Args:
        item: with ``<kind>Descriptor`` (entries, first input value, bits of an entry) and ``<kind>Data``.
        little: whether the file is little endian.
        kind: how the keywords begin.

    Returns:
        None where there is no data. An entry has as many bits as the descriptor says, or as the highest needs.

    Raises:
        ValueError: fewer entries than the descriptor says, or no descriptor of three numbers.
    """
    said, data = header_value((item,), f"{kind}Descriptor"), _value(item, f"{kind}Data")
    if said is None or data is None:
        return None
    count, first, bits = (int(float(part)) for part in header_text(said).split("\\"))
    count = count % 65536 or 65536  # 0 means 65536, which does not fit into the field
    entries = _entries(data, count, "<" if little else ">")
    return LookupTable(entries, first, max(bits, int(entries.max()).bit_length()))


def _value(item: Dataset, keyword: str) -> Any:
    value = item[keyword].value if keyword in item else None
    return None if value is None or (isinstance(value, (bytes, str)) and not len(value)) else value


def _entries(data: Any, count: int, order: str) -> np.ndarray:
    if not isinstance(data, bytes):
        data = (np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF).astype(f"{order}u2").tobytes()
    if len(data) >= 2 * count:
        return np.frombuffer(data[: 2 * count], f"{order}u2")
    if len(data) >= count:  # a word holds two entries of 8 bits
        return np.frombuffer(data[:count], np.uint8)
    raise ValueError(f"a lookup table has {len(data) // 2} entries, but its descriptor says {count}")
