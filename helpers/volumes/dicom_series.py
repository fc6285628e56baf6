"""Stack slice records to one volume: choose it, sort its slices, and check that none is missing."""

from __future__ import annotations

import difflib
import itertools
import os
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword

from helpers.errors import InputError
from helpers.volumes.axes import plane_of
from helpers.volumes.dicom_choices import TELLING, Values, choices, chosen
from helpers.volumes.dicom_files import whole_header
from helpers.volumes.dicom_record import GROUP_KEYWORDS, Slice
from helpers.volumes.header_values import header_text

COSINE_TOLERANCE = 1e-4
SPACING_TOLERANCE = 1e-3  # in mm, and also as a share of the spacing
SAME_POSITION = 0.01  # mm


class NothingMatchesError(InputError):
    """No volume matches the choice."""


def choose(slices: Sequence[Slice], only: Mapping[str, Any] | None, source: str | os.PathLike[str]) -> list[Slice]:
    """Keep the slices that match ``only``, and check that they form one volume.

    ``only`` may hold any DICOM keyword. A value matches if it is equal as text or as a number, or is one of the
    several values of an attribute such as ImageType. Raises `InputError` that lists the volumes found, each with
    the words that choose it and no other.
    """
    kept = [s for s in slices if all(map(chosen, only, s.look_up(*only), only.values()))] if only else list(slices)
    if kept and all("MOSAIC" in record.image_type for record in kept):
        raise InputError(
            "The image is a mosaic: one picture in which all slices of a time point lie side by side.",
            path=kept[0].path,
            remedy="Convert the series, for example with dcm2niix, and give the NIfTI file.",
        )
    groups = volumes_in(kept or slices)
    if kept and len(groups) == 1:
        whole_header.cache_clear()
        return kept
    problem = f"No volume matches {_said(only or {})}" if not kept else f"Here are {len(groups)} volumes, not one"
    chosen_by = choices(groups, dict(only or {}) if kept else {})
    whole_header.cache_clear()
    listing = "".join(
        f"\n  {_describe(members)}: {_said(by) if by else 'nothing but its files tells it apart'}"
        for members, by in zip(groups, chosen_by, strict=True)
    )
    example = next((by for by in chosen_by if by), None)
    if example is None:
        remedy = "Give read_volume the files of one volume, or a folder that holds only those files."
    else:
        flags = " ".join(f"--only {shlex.quote(f'{k}={header_text(v)}')}" for k, v in example.items())
        remedy = f"Choose one, for example read_volume(..., only={example!r}), or {flags} on the command line."
    kind = InputError if kept else NothingMatchesError
    raise kind(f"{problem}:{listing}\n", path=source, remedy=remedy)


def check_keywords(only: Mapping[str, Any]) -> None:
    """Raise `InputError` for a name that is not a DICOM keyword."""
    for key in only:
        if tag_for_keyword(key) is None:
            close = difflib.get_close_matches(key, TELLING, n=1, cutoff=0.5)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise InputError(
                f"There is no DICOM keyword {key!r}.{meant}",
                remedy="Write the keyword as in the DICOM standard, PS3.6, for example EchoTime.",
            )


def _said(only: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={header_text(value)}" for key, value in only.items()) or "everything"


def _describe(members: Sequence[Slice]) -> str:
    first = members[0]
    about = [f"{k} {header_text(first.get(k))}" for k in GROUP_KEYWORDS[1:3] if first.get(k)]
    size = f"{first.rows} x {first.columns}"
    places = " (several in one place)" if _overlaps(members) else ""
    return " ".join([f"{len(members)} {first.modality} {plane_of(first.normal)} slices of {size}{places}", *about])


def volumes_in(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The volumes that the slices form. Each has one series, size and orientation, and no two slices in one place.

    Orientations and spacings are equal within a tolerance. Other header fields split a series only if its slices
    would lie at the same positions. Acquisitions also split it if their slices would lie between each other at
    uneven distances.
    """
    groups: list[list[Slice]] = []
    found: dict[tuple, list[Slice]] = {}
    for record in slices:
        exact = _exact(record)
        key = (*exact, record.along_row.tobytes(), record.down_column.tobytes(), record.pixel_spacing)
        if key not in found:
            alike = (group for group in groups if _exact(group[0]) == exact and _alike(group[0], record))
            if (group := next(alike, None)) is None:
                groups.append(group := [])
            found[key] = group
        found[key].append(record)
    return [volume for group in groups for volume in _parted(group)]


def _parted(group: list[Slice]) -> list[list[Slice]]:
    """The volumes among slices of one series, size and orientation."""
    parts = _split(group) if _overlaps(group) else _by_acquisition(group)
    return parts if len(parts) == 1 else [volume for part in parts for volume in _parted(part)]


def _exact(record: Slice) -> tuple:
    return record.series, record.modality, record.rows, record.columns


def _alike(a: Slice, b: Slice) -> bool:
    turned = max(np.abs(a.along_row - b.along_row).max(), np.abs(a.down_column - b.down_column).max())
    spacings = zip(a.pixel_spacing, b.pixel_spacing, strict=True)
    return turned <= COSINE_TOLERANCE + 1e-9 and all(
        abs(x - y) <= max(SPACING_TOLERANCE, SPACING_TOLERANCE * x) + 1e-9 for x, y in spacings
    )


def _by_acquisition(group: list[Slice]) -> list[list[Slice]]:
    parts: dict[str, list[Slice]] = {}
    for record in group:
        parts.setdefault(record.acquisition, []).append(record)
    if len(parts) == 1 or is_even(heights_of(group), rounding_of(group)):
        return [group]
    spans = sorted((h.min(), h.max()) for h in (heights_of(part, group[0]) for part in parts.values()))
    apart = all(after[0] > before[1] + SAME_POSITION for before, after in itertools.pairwise(spans))
    return [group] if apart else list(parts.values())


def _split(group: list[Slice]) -> list[list[Slice]]:
    """Divide a volume with several slices in one place by attributes in which they differ (echo, b-value ...).

    The division with the fewest parts wins, best with as many parts as slices lie in one place. If no division
    separates all slices, the one that leaves the fewest slices in one place is taken. If the slices differ in no
    attribute, the volume itself is returned.
    """
    heights = heights_of(group)
    places = np.cumsum(np.diff(np.sort(heights), prepend=heights.min()) >= SAME_POSITION)
    place = np.empty(len(group), int)
    place[np.argsort(heights)] = places
    most = int(np.bincount(place).max())
    best, parting = (len(group), len(group)), None
    for part in Values(group).partings():
        count = int(part.max()) + 1
        # A value that is another one for each slice does not separate volumes.
        if 2 * count > len(group) and count != most:
            continue
        left = len(group) - len(np.unique(part * len(group) + place))
        if (left, count) < best:
            best, parting = (left, count), part
        if best == (0, most):
            break
    if parting is None or (best[0] and best[0] >= len(group) - len(np.unique(place))):
        return [group]
    parts: dict[int, list[Slice]] = {}
    for number, record in zip(parting, group, strict=True):
        parts.setdefault(int(number), []).append(record)
    return list(parts.values())


def _overlaps(group: Sequence[Slice]) -> bool:
    return bool((np.diff(np.sort(heights_of(group))) < SAME_POSITION).any())


def heights_of(slices: Sequence[Slice], first: Slice | None = None) -> np.ndarray:
    """The positions along the normal of the first slice in mm, (n,), in the given order."""
    return np.array([s.position for s in slices]) @ (first or slices[0]).normal


def rounding_of(slices: Sequence[Slice]) -> float:
    """The largest rounding error of a slice's height in mm, if its position is written with one decimal."""
    return 0.05 * float(np.abs(slices[0].normal).sum())


def is_even(heights: np.ndarray, rounding: float = 0.05) -> bool:
    """Whether the slices of a stack are evenly spaced.

    They are if each slice lies within a tenth of the spacing of its expected position, or, on the line that fits
    best, within the rounding error of positions with one decimal.
    """
    if len(heights) < 2:
        return True
    ordered = np.sort(heights)
    spacing = (ordered[-1] - ordered[0]) / (len(ordered) - 1)
    gaps = np.diff(ordered)
    if gaps.min() < SAME_POSITION:
        return False
    usual = statistics.median(gaps.tolist())  # np.median loads another package
    if (np.abs(gaps - usual) <= max(0.05 * usual, 0.02)).all():
        return True
    off = np.abs(ordered - ordered[0] - spacing * np.arange(len(ordered))).max()
    # If two of three slices lie twice as far apart as the others, none is off by more than a sixth.
    share = 0.15 if len(ordered) == 3 else 0.2
    return bool(off <= 0.1 * spacing or _off(ordered) <= min(1.02 * rounding, share * spacing))


def _off(ordered: np.ndarray) -> float:
    """The largest distance of heights from the evenly spaced heights that fit best."""
    count = np.arange(len(ordered))
    middle = (ordered[-1] - ordered[0]) / (len(ordered) - 1)
    low, high = 0.5 * middle, 1.5 * middle
    for _ in range(40):  # the function is convex, so a third without the minimum can be cut off
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if np.ptp(ordered - a * count) <= np.ptp(ordered - b * count) else (a, high)
    return float(np.ptp(ordered - low * count)) / 2


def sort_and_check(
    slices: Sequence[Slice], source: str | os.PathLike[str], uniform: bool
) -> tuple[list[Slice], float]:
    """Sort slices along their normal; return them and the spacing between them in mm.

    The order comes from the positions, because file names and InstanceNumber are not reliable. Raises `InputError`
    if two slices have one position and, if ``uniform`` is true, if there is a gap.
    """
    heights = heights_of(slices)
    order = np.argsort(heights, kind="stable")
    ordered, heights = [slices[i] for i in order], heights[order]
    gaps = np.diff(heights)
    if not len(gaps):
        return ordered, slices[0].thickness or 1.0
    for k in np.flatnonzero(gaps < SAME_POSITION):
        raise _two_in_one_place(ordered, k, heights[k], source)
    _check_straight(ordered, heights)
    if len({s.padding and (s.padding, s.slope, s.intercept, id(s.lut), s.inverted) for s in slices}) > 1:
        ordered = [replace(s, padding_is_nan=True) for s in ordered]
    if is_even(heights, rounding_of(slices)):
        return ordered, float(heights[-1] - heights[0]) / len(gaps)
    spacing = statistics.median(gaps.tolist())
    if uniform:
        off = np.abs(gaps - spacing)
        uneven = np.flatnonzero(off > max(0.05 * spacing, 0.02))
        if (far := np.flatnonzero(off > max(0.05 * spacing, 2.04 * rounding_of(slices)))).size:
            uneven = far  # rounding errors do not count
        k = int(uneven[np.argmax(gaps[uneven])])
        absent = round(gaps[k] / spacing) - 1
        what = f"{absent} missing" if absent > 0 else "no whole slice"
        raise InputError(
            f"The slices are unevenly spaced: {gaps[k]:.2f} mm lie between this slice and "
            f"{Path(ordered[k + 1].path).name}, but {spacing:.2f} mm between most others ({what}; "
            f"{len(uneven)} such places in all).",
            path=ordered[k].name,
            remedy="Fetch the series again. To accept the uneven slices, use read_volume(..., "
            "uniform=False), or --uneven on the command line.",
        )
    return ordered, spacing


def _check_straight(ordered: Sequence[Slice], heights: np.ndarray) -> None:
    """Raise `InputError` if a slice lies beside the line through the others, which a tilted gantry does not do.

    The line runs through the slices that fit it, so that one slice at the end of a stack does not move it.
    """
    positions = np.array([record.position for record in ordered])
    steps = np.diff(positions, axis=0) / np.diff(heights)[:, None]
    step = np.median(steps, axis=0)
    aside = positions - heights[:, None] * step
    off = np.linalg.norm(aside - np.median(aside, axis=0), axis=1)
    k = int(off.argmax())
    most = max(0.5 * min(ordered[k].pixel_spacing), 4 * rounding_of(ordered))
    if off[k] > most and not _leans(positions, heights, most):
        raise InputError(
            f"The slices do not lie straight above each other: this one lies {off[k]:.1f} mm to the side of most "
            "others.",
            path=ordered[k].name,
            remedy="Fetch the series again, or give a list of the files that were reconstructed together.",
        )


def _leans(positions: np.ndarray, heights: np.ndarray, most: float) -> bool:
    """Whether one straight line goes through all positions, so that small steps to the side add up evenly."""
    line = np.stack([heights, np.ones_like(heights)], axis=1)
    off = positions - line @ np.linalg.lstsq(line, positions, rcond=None)[0]
    return bool(np.linalg.norm(off, axis=1).max() <= most)


def _two_in_one_place(
    ordered: Sequence[Slice], k: int, height: float, source: str | os.PathLike[str]
) -> InputError:
    below, above = ordered[k], ordered[k + 1]
    again = int((np.diff(heights_of(ordered)) < SAME_POSITION).sum())
    problem = f"Two slices lie at the same position ({height:.2f} mm): this and {below.name}"
    copy = above.path != below.path and above.get("SOPInstanceUID") == below.get("SOPInstanceUID")
    if again == 1 or copy:
        remedy = "Remove the slice that does not belong to the volume."
    else:
        problem += f"; this is so for {again} slices in all, and no header field tells them apart"
        remedy = "Give read_volume a list of the files of one volume, or a folder that holds only those files."
    return InputError(f"{problem}.", path=above.name, remedy=remedy)
