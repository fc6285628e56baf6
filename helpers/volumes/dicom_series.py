"""Slice records to one volume's stack: choose the volume, sort along the normal, check that it is whole."""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword

from helpers.errors import InputError
from helpers.volumes.axes import plane_of
from helpers.volumes.dicom_choices import TELLING, choices
from helpers.volumes.dicom_files import whole_header
from helpers.volumes.dicom_slices import GROUP_KEYWORDS, Slice
from helpers.volumes.header_values import header_text, same

COSINE_TOLERANCE = 1e-4
SPACING_TOLERANCE = 1e-3  # mm, and as a share
SAME_POSITION = 0.01  # mm


class NothingMatchesError(InputError):
    """No volume is the one that was chosen."""


def choose(slices: Sequence[Slice], only: Mapping[str, Any] | None, source: str | os.PathLike[str]) -> list[Slice]:
    """Keep the slices that match ``only``, and make sure that they are one volume.

    ``only`` takes any DICOM keyword. A value matches when it is equal as text or as a number, or is one of the
    values of an attribute that has several (ImageType). Raises `InputError` that lists the volumes found, each
    with the words that choose it and no other.
    """
    for record in slices:
        if "MOSAIC" in record.image_type:
            raise InputError(
                "The image is a mosaic: all slices of a time point, tiled in one picture.",
                path=record.path,
                remedy="Convert the series, for example with dcm2niix, and give the NIfTI file.",
            )
    kept = [s for s in slices if all(same(s.look_up(k), v) for k, v in (only or {}).items())]
    groups = [part for group in volumes_in(kept or slices) for part in split(group)]
    if kept and len(groups) == 1:
        return kept
    problem = f"Nothing matches {_said(only or {})}" if not kept else f"Here are {len(groups)} volumes, not one"
    chosen_by = choices(groups, dict(only or {}) if kept else {})
    whole_header.cache_clear()
    listing = "".join(
        f"\n  {_describe(members)}: {_said(by) if by else 'nothing but its files tells it apart'}"
        for members, by in zip(groups, chosen_by, strict=True)
    )
    example = next((by for by in chosen_by if by), None)
    if example is None:
        remedy = "Give read_volume the files of one of them, or a folder with those alone."
    else:
        flags = " ".join(f"--only {_quoted(f'{k}={header_text(v)}')}" for k, v in example.items())
        remedy = f"Choose one, for example read_volume(..., only={example!r}), or {flags} on the command line."
    kind = InputError if kept else NothingMatchesError
    raise kind(f"{problem}:{listing}\n", path=source, remedy=remedy)


def check_keywords(only: Mapping[str, Any]) -> None:
    """Raise `InputError` for a name that is no DICOM keyword."""
    for key in only:
        if tag_for_keyword(key) is None:
            close = difflib.get_close_matches(key, TELLING, n=1, cutoff=0.5)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise InputError(f"There is no DICOM keyword {key!r}.{meant}", remedy="Write it as PS3.6 does.")


def _quoted(text: str) -> str:
    return f"'{text}'" if any(c in text for c in " \\*;&()") else text


def _said(only: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={header_text(value)}" for key, value in only.items()) or "everything"


def _describe(members: Sequence[Slice]) -> str:
    first = members[0]
    about = [f"{k} {header_text(first.get(k))}" for k in GROUP_KEYWORDS[1:3] if first.get(k)]
    size = f"{first.rows} x {first.columns}"
    return " ".join([f"{len(members)} {first.modality} {plane_of(first.normal)} slices of {size}", *about])


def volumes_in(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The volumes that the slices make: each of one series, size and orientation, no two slices in one place.

    Orientations and spacings are equal within a tolerance. Acquisitions split a series only where their slices
    would lie at the same positions, or among each other at uneven distances.
    """
    groups: list[list[Slice]] = []
    found: dict[tuple, list[Slice]] = {}
    for record in slices:
        exact = (record.series, record.modality, record.rows, record.columns)
        key = (*exact, record.along_row.tobytes(), record.down_column.tobytes(), record.pixel_spacing)
        if key not in found:
            alike = (group for group in groups if _exact(group[0]) == exact and _alike(group[0], record))
            if (group := next(alike, None)) is None:
                groups.append(group := [])
            found[key] = group
        found[key].append(record)
    return [volume for group in groups for volume in _by_acquisition(group)]


def _exact(record: Slice) -> tuple:
    return record.series, record.modality, record.rows, record.columns


def _alike(a: Slice, b: Slice) -> bool:
    turned = max(np.abs(a.along_row - b.along_row).max(), np.abs(a.down_column - b.down_column).max())
    spacings = zip(a.pixel_spacing, b.pixel_spacing, strict=True)
    return turned <= COSINE_TOLERANCE and all(
        abs(x - y) <= max(SPACING_TOLERANCE, SPACING_TOLERANCE * x) for x, y in spacings
    )


def _by_acquisition(group: list[Slice]) -> list[list[Slice]]:
    parts: dict[str, list[Slice]] = {}
    for record in group:
        parts.setdefault(record.acquisition, []).append(record)
    if len(parts) == 1 or is_even(heights_of(group)):
        return [group]
    spans = sorted((h.min(), h.max()) for h in map(heights_of, parts.values()))
    apart = all(after[0] > before[1] + SAME_POSITION for before, after in itertools.pairwise(spans))
    return [group] if apart else list(parts.values())


def split(group: list[Slice]) -> list[list[Slice]]:
    """A volume of which several slices lie in one place, by what tells those apart: echoes, b-values, stacks ...

    The volume itself, where none lie in one place or nothing tells them apart.
    """
    if not _overlaps(group):
        return [group]
    values = {k: [header_text(s.look_up(k)) for s in group] for k in TELLING}
    telling = [k for k in TELLING if len(set(values[k])) > 1]
    for count in (1, 2):
        for keys in itertools.combinations(telling, count):
            parts: dict[tuple, list[Slice]] = {}
            for row, record in zip(zip(*(values[k] for k in keys), strict=True), group, strict=True):
                parts.setdefault(row, []).append(record)
            if max(map(len, parts.values())) > 1 and not any(map(_overlaps, parts.values())):
                return list(parts.values())
    return [group]


def _overlaps(group: Sequence[Slice]) -> bool:
    return bool((np.diff(np.sort(heights_of(group))) < SAME_POSITION).any())


def heights_of(slices: Sequence[Slice]) -> np.ndarray:
    """Positions along the normal of the first slice in mm, (n,), in the order given."""
    return np.array([s.position for s in slices]) @ slices[0].normal


def is_even(heights: np.ndarray) -> bool:
    """Whether slices follow one another at one distance, judged from the whole stack.

    Each lies within a tenth of the distance of where it should be, or within 0.06 mm, which is what positions
    written with one decimal are off by.
    """
    if len(heights) < 2:
        return True
    ordered = np.sort(heights)
    spacing = (ordered[-1] - ordered[0]) / (len(ordered) - 1)
    off = np.abs(ordered - ordered[0] - spacing * np.arange(len(ordered))).max()
    gaps = np.diff(ordered)
    if spacing < SAME_POSITION or gaps.min() < SAME_POSITION:
        return False
    near = off <= max(0.1 * spacing, min(0.06, 0.3 * spacing))
    usual = float(np.median(gaps))
    return bool(near or (np.abs(gaps - usual) <= max(0.05 * usual, 0.02)).all())


def sort_and_check(
    slices: Sequence[Slice], source: str | os.PathLike[str], uniform: bool
) -> tuple[list[Slice], float]:
    """Sort along the slice normal; return the slices and the spacing between them in mm.

    File names and InstanceNumber say nothing reliable about the order, positions do. Raises `InputError` for two
    slices at one position and, if ``uniform``, for a gap.
    """
    heights = heights_of(slices)
    order = np.argsort(heights, kind="stable")
    ordered, heights = [slices[i] for i in order], heights[order]
    gaps = np.diff(heights)
    if not len(gaps):
        return ordered, slices[0].thickness or 1.0
    for k in np.flatnonzero(gaps < SAME_POSITION):
        raise _two_in_one_place(ordered, k, heights[k], source)
    if is_even(heights):
        return ordered, float(heights[-1] - heights[0]) / len(gaps)
    spacing = float(np.median(gaps))
    if uniform:
        uneven = np.flatnonzero(np.abs(gaps - spacing) > max(0.05 * spacing, 0.02))
        k = int(uneven[np.argmax(gaps[uneven])])
        absent = round(gaps[k] / spacing) - 1
        what = f"{absent} missing" if absent > 0 else "no whole slice"
        raise InputError(
            f"Slices are unevenly spaced: {gaps[k]:.2f} mm from this one to {Path(ordered[k + 1].path).name}, "
            f"where {spacing:.2f} mm is usual ({what}; {len(uneven)} such places in all).",
            path=ordered[k].name,
            remedy="Fetch the series again, or take it as it is: read_volume(..., uniform=False), on the command "
            "line --uneven.",
        )
    return ordered, spacing


def _two_in_one_place(
    ordered: Sequence[Slice], k: int, height: float, source: str | os.PathLike[str]
) -> InputError:
    below, above = ordered[k], ordered[k + 1]
    problem = f"Two slices lie at the same position ({height:.2f} mm): this and {below.name}."
    return InputError(problem, path=above.name, remedy="Remove the one that does not belong.")
