"""Find the microns per pixel of a slide: stated by the slide, computed from its objective, or given."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import openslide

from helpers.errors import InputError

PLAUSIBLE_MPP = (0.05, 20.0)  # a TIFF with a printer's 72 dpi claims 353 um/px
OBJECTIVE_MPP = 10.0  # a 10x objective gives about 1 um/px, a 40x objective about 0.25
_PLAUSIBLE_POWER = (1.0, 150.0)
# Names of properties as scanners write them. OpenSlide reads only a plain number from them.
_MPP_IN_WORDS = ("aperio.MPP",)
_POWER_IN_WORDS = ("aperio.AppMag", "hamamatsu.SourceLens", "leica.objective", "ventana.Magnification")
_NUMBER = re.compile(r"[x×]?\s*([-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?)\s*(.*)", re.IGNORECASE)
_POWER = re.compile(r"(\d+(?:[.,]\d+)?) ?[x×]", re.IGNORECASE)  # in "Plan Apo 20x/0.75"
_PER_PIXEL = re.compile(r"\s*(/|per)\s*(px|pixel)$", re.IGNORECASE)
_MICRONS = {"": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "mm": 1e3, "nm": 1e-3}
_MICRONS["\ufffdm"] = 1.0  # from a file that is not in UTF-8
_POWERS = {"": 1.0, "x": 1.0, "×": 1.0}
_SQUARE = 1.05  # by how much pixels may be longer than wide
_SAME = 1.15  # how much a given scale may differ from the slide's
_AT_ODDS = 1.5  # scanners with one objective differ by less


def microns_per_pixel(
    properties: Mapping[str, str], path: Path, given: float | None, stated: tuple[float, float] | None = None
) -> tuple[float, list[str]]:
    """The microns per pixel of level 0, and a sentence about their source if the slide does not state them itself.

    The first of these is used: ``given``; the values that OpenSlide found; ``stated``, the values for x and y in
    other headers; 10 um divided by the power of the objective.

    Raises:
        InputError: none of these exists and is plausible (0.05 to 20), or the pixels are not square (5 %).
    """
    x, y = (
        _number(properties, (name, *_MPP_IN_WORDS), _MICRONS)
        for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y)
    )
    x, y = x or y, y or x
    if stated and not (x and y and _plausible(x) and _plausible(y)):
        x, y = stated
    remedy = (
        "Give the microns per pixel of level 0: mpp=0.5 (--mpp 0.5) for a slide scanned at 20x, 0.25 at 40x. "
        "If it is a photograph, save it as PNG."
    )
    if given is not None:
        if not _plausible(given):
            raise InputError(f"{given:.4g} microns per pixel cannot be right.", path=path, remedy=remedy)
        if x and y and max(x, y) > _SQUARE * min(x, y) > 0:
            skewed = f"the slide says {x:.4g} by {y:.4g}, so that patches may be stretched"
            return float(given), [f"Read at {given:.4g} microns per pixel, as given; {skewed}."]
        same = x is None or 1 / _SAME <= x / given <= _SAME
        notes = [] if same else [f"Read at {given:.4g} microns per pixel, as given; the slide says {x:.4g}."]
        return float(given), notes
    by_objective = _by_objective(properties)
    if x and y and _plausible(x) and _plausible(y):
        if max(x, y) > _SQUARE * min(x, y):
            raise InputError(
                f"The pixels of the slide are not square ({x:.4g} by {y:.4g} microns).",
                path=path,
                remedy="Resample the slide to square pixels, or give one value: mpp=0.5 (--mpp 0.5).",
            )
        mpp = (x + y) / 2
        if by_objective and not 1 / _AT_ODDS <= mpp / by_objective <= _AT_ODDS:
            power = f"{OBJECTIVE_MPP / by_objective:.4g}x"
            return mpp, [
                f"The slide says {mpp:.4g} microns per pixel, which does not fit its objective ({power})."
            ]
        other = sum(stated) / 2 if stated else mpp
        if _plausible(other) and not 1 / _SAME <= mpp / other <= _SAME:
            return mpp, [f"The slide says {mpp:.4g} microns per pixel in one place and {other:.4g} in another."]
        skewed = max(x, y) > 1.01 * min(x, y)
        return mpp, [f"The pixels are not quite square ({x:.4g} by {y:.4g} microns)."] if skewed else []
    wrong = f" ({x:.4g}, as the slide says, cannot be right)" if x else ""
    if by_objective:
        power = f"{OBJECTIVE_MPP / by_objective:.4g}x"
        note = f"The microns per pixel were estimated from the objective ({power}): {by_objective:.4g}{wrong}."
        return by_objective, [note]
    if x:
        raise InputError(f"{x:.4g} microns per pixel cannot be right.", path=path, remedy=remedy)
    raise InputError("The slide does not state its microns per pixel.", path=path, remedy=remedy)


def _by_objective(properties: Mapping[str, str]) -> float | None:
    names = (openslide.PROPERTY_NAME_OBJECTIVE_POWER, *_POWER_IN_WORDS)
    power = _number(properties, names, _POWERS)
    if power is None:
        found = {power for name in names for power in _POWER.findall(properties.get(name, ""))}
        power = float(found.pop().replace(",", ".")) if len(found) == 1 else None
    return OBJECTIVE_MPP / power if power and _PLAUSIBLE_POWER[0] <= power <= _PLAUSIBLE_POWER[1] else None


def _plausible(mpp: float) -> bool:
    return PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]  # also false for nan


def _number(properties: Mapping[str, str], names: tuple[str, ...], units: Mapping[str, float]) -> float | None:
    """The first of these properties that is one number, without a unit or with a known one."""
    for name in names:
        match = _NUMBER.fullmatch(properties.get(name, "").strip())
        unit = units.get(_PER_PIXEL.sub("", match[2]).strip().lower()) if match else None
        if unit:
            value = float(match[1].replace(",", ".")) * unit
            if math.isfinite(value):
                return value
    return None
