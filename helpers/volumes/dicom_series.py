"""Slice records to one volume's stack: choose the series, sort along the normal, check that it is whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.volumes.dicom_slices import GROUP_KEYWORDS, REPEAT_KEYWORDS, Slice


def choose(slices: Sequence[Slice], only: Mapping[str, Any] | None, source: str | os.PathLike[str]) -> list[Slice]:
    """Keep the slices that match ``only`` and make sure that they are one volume.

    A value matches when it is equal as text, or is one of a multi-valued attribute's values (ImageType).
    Raises `InputError` that lists the volumes found, each with the words that choose it.
    """
    kept = [s for s in slices if all(_matches(s.get(k), v) for k, v in (only or {}).items())]
    groups: dict[tuple, list[Slice]] = {}
    for record in kept or slices:
        groups.setdefault(record.group, []).append(record)
    if kept and len(groups) == 1:
        return kept
    problem = (
        f"Nothing matches only={dict(only or {})}" if not kept else f"Here are {len(groups)} volumes, not one"
    )
    listing = "\n".join(f"  {_describe(members)}" for members in groups.values())
    a, b = (members[0] for members in (list(groups.values()) * 2)[:2])
    telling = next((k for k in GROUP_KEYWORDS if a.get(k) != b.get(k)), GROUP_KEYWORDS[0])
    raise InputError(
        f"{problem}:\n{listing}\n",
        path=source,
        remedy=f"Choose one, for example read_volume(..., only={{{telling!r}: {str(a.get(telling))!r}}}).",
    )


def _matches(value: Any, wanted: Any) -> bool:
    values = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return str(value) == str(wanted) or str(wanted) in [str(v) for v in values]


def _describe(members: Sequence[Slice]) -> str:
    first = members[0]
    words = [f"{k}={first.get(k)}" for k in GROUP_KEYWORDS if first.get(k)]
    size = f"{first.rows} x {first.columns}"
    return f"{len(members)} {first.modality} {planestr_(first)} slices of {size}: {', '.join(words)}"


def planestr_(record: Slice) -> str:
    """``axial``, ``coronal``, ``sagittal`` or ``oblique``, by the patient axis that the normal is closest to.

    The limit of 0.8 on the cosine (37 degrees) leaves room for a tilted gantry or head.
    """
    cosines = np.abs(record.normal)
    axis = int(np.argmax(cosines))
    return ("sagittal", "coronal", "axial")[axis] if cosines[axis] >= 0.8 else "oblique"


def sort_and_check(
    slices: Sequence[Slice], source: str | os.PathLike[str], uniform: bool
) -> tuple[list[Slice], float]:
    """Sort along the slice normal, feet to head; return the slices and the spacing between them in mm.

    File names and InstanceNumber say nothing reliable about the order, positions do. Raises `InputError` for
    a stack that is not axial, for two slices at one position and, if ``uniform``, for a gap.
    """
    if planestr_(slices[0]) != "axial":
        raise InputError(
            f"The slices are {planestr_(slices[0])}; the model wants axial ones.",
            path=source,
            remedy="Choose the axial series of the study, or reformat this one to axial first.",
        )
    normal = slices[0].normal
    heights = np.array([s.position @ normal for s in slices])
    order = np.argsort(heights, kind="stable")
    ordered, heights = [slices[i] for i in order], heights[order]
    gaps = np.diff(heights)
    if not len(gaps):
        return ordered, slices[0].thickness or 1.0
    spacing = float(np.median(gaps))
    for k in np.flatnonzero(gaps < 0.01):
        below, above = ordered[k], ordered[k + 1]
        differing = [a for a in REPEAT_KEYWORDS if below.get(a) != above.get(a)]
        remedy = (
            f"Choose one, for example read_volume(..., only={{{differing[0]!r}: {below.get(differing[0])}}})."
            if differing
            else "Remove the one that does not belong."
        )
        raise InputError(
            f"Two slices lie at the same position ({heights[k]:.2f} mm): this and {below.name}.",
            path=above.name,
            remedy=remedy,
        )
    uneven = np.flatnonzero(np.abs(gaps - spacing) > max(0.05 * spacing, 0.02))
    if uniform and len(uneven):
        k = int(uneven[np.argmax(gaps[uneven])])
        absent = round(gaps[k] / spacing) - 1
        what = f"{absent} missing" if absent > 0 else "no whole slice"
        raise InputError(
            f"Slices are unevenly spaced: {gaps[k]:.2f} mm from this one to {Path(ordered[k + 1].path).name}, "
            f"where {spacing:.2f} mm is usual ({what}; {len(uneven)} such places in all).",
            path=ordered[k].name,
            remedy="Fetch the series again, or take it as it is: read_volume(..., uniform=False).",
        )
    return ordered, spacing
