"""Convert colours of DICOM images to 8-bit RGB:

RGB of any depth, YBR (PS3.3 C.7.6.3.1.2), palettes (C.7.6.3.1.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_color_lut, pixel_array

from helpers.images.lookup_table import LookupTable, table_in
from helpers.images.rgb import as_bytes

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_RCT", "YBR_ICT")
_NAMES = ("Red", "Green", "Blue")
# RGB from Y, Cb and Cr (ITU-T T.871), each minus its zero, as shares of the full range.
_TO_RGB = np.array([[1, 1, 1], [0, -0.114 * 1.772 / 0.587, 1.772], [1.402, -0.299 * 1.402 / 0.587, 0]])


def rgb_colours(dataset: Dataset, frame: int) -> np.ndarray:
    """A frame of three samples as RGB: uint8 (rows, columns, 3), white as white whatever the depth.

    pydicom converts YBR of 8 bits; this function converts YBR of more bits and the narrow range of
    YBR_PARTIAL_422. Raises the errors of pydicom.
    """
    kind, bits = dataset.PhotometricInterpretation, int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if kind == "YBR_PARTIAL_422":  # stored like YBR_FULL_422, with other numbers for black and white
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        shares = pixel_array(dataset, index=frame, raw=True) / 255
        shares = (shares - np.array([16, 128, 128]) / 255) * (255 / np.array([219, 224, 224]))
        return as_bytes(np.clip(shares @ _TO_RGB, 0, 1))
    if int(dataset.BitsAllocated) > 8 and kind.startswith("YBR_FULL"):
        shares = pixel_array(dataset, index=frame, raw=True) / (2.0**bits - 1)
        zero = 2 ** (bits - 1) / (2**bits - 1)
        return as_bytes(np.clip((shares - [0, zero, zero]) @ _TO_RGB, 0, 1))
    return _eight_bits(pixel_array(dataset, index=frame), bits)


def palette_colours(stored: np.ndarray, dataset: Dataset, little: bool) -> np.ndarray:
    """Stored values (rows, columns) through the palette of their file: uint8 (rows, columns, 3).

    A palette's alpha, which is for blending with other images, is left out. Raises `ValueError` for a palette
    that is missing or too short.
    """
    tables = [table_in(dataset, little, f"{name}PaletteColorLookupTable") for name in _NAMES]
    if all(tables):
        return _through(stored, tables)
    if "SegmentedRedPaletteColorLookupTableData" not in dataset:
        raise ValueError("the file holds no palette")
    count, _, bits = dataset.RedPaletteColorLookupTableDescriptor
    if bits == 8 and (count == 0 or count > 256):  # pydicom would count its entries in 8 bits
        raise ValueError(f"a segmented palette has {count or 65536} entries of 8 bits")
    return _eight_bits(apply_color_lut(stored, dataset)[..., :3], bits)


def supplemental_colours(
    stored: np.ndarray, dataset: Dataset, little: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """The pixels of a grey image with colours of a supplemental palette (PS3.3 C.8.16.2.1.1.1), and these colours.

    Returns:
        A mask (rows, columns) and uint8 (rows, columns, 3); None if the image has no such palette.
    """
    table = table_in(dataset, little, f"{_NAMES[0]}PaletteColorLookupTable")
    if table is None:
        return None
    within = (stored >= table.first) & (stored < table.first + len(table.entries))
    return within, palette_colours(stored, dataset, little)


def _through(stored: np.ndarray, tables: Sequence[LookupTable | None]) -> np.ndarray:
    known = [table for table in tables if table]
    highest = max(table.highest for table in known)
    if max(int(table.entries.max()) for table in known) <= 255:
        highest = 255  # 8 bits that the file calls 16; otherwise all would be black
    return as_bytes(np.stack([table.of(stored) for table in known], axis=-1) / highest)


def _eight_bits(values: np.ndarray, bits: int) -> np.ndarray:
    return values.astype(np.uint8) if bits == 8 else as_bytes(np.clip(values / (2.0**bits - 1), 0, 1))
