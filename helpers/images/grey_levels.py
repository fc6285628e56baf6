"""Convert stored values of a DICOM image to grey levels with the grayscale pipeline of PS3.4 N.2, without a
stretch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from scipy.special import expit

from helpers.errors import InputError
from helpers.images.lookup_table import table_in
from helpers.images.rgb import as_bytes, stretched
from helpers.volumes import header_text, header_value

# X-ray angiography, radiofluoroscopy, and the retired biplane angiography.
_PROJECTED = {f"1.2.840.10008.5.1.4.1.1.12.{kind}" for kind in (1, 2, 3)}


def grey_levels(
    stored: np.ndarray, padding: np.ndarray | None, levels: Sequence[Dataset], little: bool, path: Path
) -> np.ndarray:
    """Stored values of one frame as a viewer shows them: uint8 of the same shape.

    1. Modality LUT, or rescale slope and intercept; an empty slope is 1, an empty intercept 0. In X-ray
       angiography and fluoroscopy whose Pixel Intensity Relationship is LOG or DISP, both lead back to the
       intensity of the X-rays, and so are not a part of the display (PS3.3 C.8.7.1.1.2).
    2. VOI (PS3.3 C.11.2): the first VOI LUT with data, scaled by the bits of its entries; else the first window
       whose width is above 0; else from the lowest to the highest value that is not padding. LINEAR (which stands
       for functions that are not known, too) of a width below 1 has no meaning and is taken for LINEAR_EXACT,
       which is what writers of such windows mean.
    3. Inverted once, where MONOCHROME1 or where the Presentation LUT Shape is INVERSE.
    4. Padding and NaN are black.

    Args:
        stored: the stored values of the frame, (rows, columns).
        padding: a mask of padding (`padding_in_frame`); None without padding.
        levels: the datasets in which attributes are looked up, in this order: functional groups of the frame,
            those of all frames, the file itself.
        little: whether the file is little endian.
        path: the file, for errors.

    Raises:
        InputError: the image holds only padding, or only one grey without a window, its slope is 0, or its window
            shows only black or only white.
    """
    measured = np.isfinite(stored)
    if padding is not None:
        measured &= ~padding
    if not measured.any():
        raise InputError("The image holds only padding.", path=path, remedy="Choose another image.")
    values = _rescaled(stored, levels, little, path)
    share = _through_voi(values, levels, little)
    grey = stretched(values, path, measured) if share is None else as_bytes(share)
    _check_shown(grey[measured], values[measured], path)
    if _is_inverted(levels):
        grey = 255 - grey
    grey[np.isnan(values) if padding is None else padding | np.isnan(values)] = 0
    return grey


def padding_in_frame(whole: np.ndarray, stored: np.ndarray, levels: Sequence[Dataset]) -> np.ndarray | None:
    """The mask of padding in a frame (PS3.3 C.7.5.1.1.2): bool of the same shape; None if no padding is stated.

    Args:
        whole: the values of all allocated bits, because padding may lie outside of the stored bits.
        stored: the values of the stored bits.
        levels: as for `grey_levels`.
    """
    floating = whole.dtype.kind == "f"
    kinds = ("Float", "DoubleFloat", "") if floating else ("",)
    for kind in kinds:
        first = _numbers(header_value(levels, f"{kind}PixelPaddingValue"))[:1]
        if first and first[0] is not None:
            last = _numbers(header_value(levels, f"{kind}PixelPaddingRangeLimit"))[:1]
            ends = [end for end in (*first, *last) if end is not None]
            break
    else:
        return None
    if floating:
        ends = [float(whole.dtype.type(end)) for end in ends]
        return (whole >= min(ends)) & (whole <= max(ends))
    # Files often confuse the types US and SS: 63536 in signed values of 16 bits means -2000.
    kind = np.iinfo(whole.dtype)
    ends = [(int(end) - kind.min) % 2**kind.bits + kind.min for end in ends]
    beyond = min(ends) < stored_ends(levels, kind)[0] or max(ends) > stored_ends(levels, kind)[1]
    values = whole if beyond else stored
    return (values >= min(ends)) & (values <= max(ends))


def stored_ends(levels: Sequence[Dataset], kind: np.iinfo) -> tuple[int, int]:
    """The lowest and the highest value of BitsStored bits, signed or not."""
    bits = int(header_value(levels, "BitsStored") or kind.bits)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.min < 0 else (0, 2**bits - 1)


def _check_shown(grey: np.ndarray, values: np.ndarray, path: Path) -> None:
    """Refuse different values that all became black, or all white."""
    if grey.min() == grey.max() in (0, 255) and values.min() < values.max():
        colour = "black" if grey.max() == 0 else "white"
        raise InputError(
            f"The window (or VOI LUT) of the image shows only {colour}: it misses all of its values, "
            f"{values.min():g} to {values.max():g}.",
            path=path,
            remedy="Correct or delete WindowCenter and WindowWidth (or VOILUTSequence).",
        )


def _rescaled(stored: np.ndarray, levels: Sequence[Dataset], little: bool, path: Path) -> np.ndarray:
    if _is_of_projected_x_rays(levels):
        return stored.astype(np.float64)
    for item in header_value(levels, "ModalityLUTSequence") or ():
        if table := table_in(item, little):
            return table.of(stored).astype(np.float64)
    values = stored.astype(np.float64)
    found = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        said = header_value(levels, keyword)
        number = default if said is None else _numbers(said)[0]
        if number is None or (number == 0 and keyword == "RescaleSlope"):
            raise InputError(
                f"The {keyword} is {header_text(said)}, so the grey levels of the image are not known.",
                path=path,
                remedy="Export the file again, or correct or delete this attribute.",
            )
        found.append(number)
    return values * found[0] + found[1]


def _is_of_projected_x_rays(levels: Sequence[Dataset]) -> bool:
    """Whether stored values are to be displayed as they are, and the Modality LUT is for measurements alone."""
    relation = header_text(header_value(levels, "PixelIntensityRelationship")).upper()
    return header_text(header_value(levels, "SOPClassUID")) in _PROJECTED and relation in ("LOG", "DISP")


def _through_voi(values: np.ndarray, levels: Sequence[Dataset], little: bool) -> np.ndarray | None:
    """Values as shares of white, by the VOI LUT or window of the first level that has one; None without."""
    for level in levels:
        for item in header_value((level,), "VOILUTSequence") or ():
            if table := table_in(item, little):
                return table.of(values) / table.white
        centres, widths = (_numbers(header_value((level,), f"Window{which}")) for which in ("Center", "Width"))
        for centre, width in zip(centres, widths, strict=False):
            if centre is not None and width is not None and width > 0:
                function = header_text(header_value((level,), "VOILUTFunction")).upper()
                return _windowed(values, centre, width, function)
    return None


def _windowed(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Values through a window: shares of white (PS3.3 C.11.2.1.2.1 and C.11.2.1.3)."""
    if function == "SIGMOID":
        return expit(4 * (values - centre) / width)
    if function != "LINEAR_EXACT" and width >= 1:
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def _is_inverted(levels: Sequence[Dataset]) -> bool:
    keywords = ("PhotometricInterpretation", "PresentationLUTShape")
    kind, shape = (header_text(header_value(levels, keyword)).upper() for keyword in keywords)
    return kind == "MONOCHROME1" or shape == "INVERSE"


def _numbers(value: Any) -> list[float | None]:
    """The numbers of an attribute, with None for each value that is not a number; empty if the attribute is."""
    return [_number(part) for part in header_text(value).split("\\")] if value is not None else []


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))  # some systems write a comma
    except ValueError:
        return None
    return number if math.isfinite(number) else None
