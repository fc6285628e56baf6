"""Check whether the values of a CT can be Hounsfield units, by the air, fat and soft tissue of a head or body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from helpers.errors import InputError
from helpers.volumes.volume import Volume

# The values of a CT reach from air over fat to bone. A smaller range than this means shares or counts.
LEAST_SPAN = 20.0  # HU
# Lower values (in HU) are put where nothing was measured, such as -2000 outside a round field of view.
PADDED = -1100.0
AIR = -200.0  # HU; lungs and the air around a patient are below it, all tissue is above
LEAST_AIR = 0.01  # as a share, because resampling makes a few values this low beside bone
STORED = 1024  # many scanners add this to stored values, so soft tissue is at 924 to 1124
LARGEST_STORED = 4095 + STORED
GLANCE = 128  # rows or columns


@dataclass(frozen=True)
class Look:
    """Statistics of values: the lowest and highest, and how many are in the ranges of tissues."""

    low: float = np.inf
    high: float = -np.inf
    measured: int = 0
    absent: int = 0  # values that are padding, NaN or infinity, or below `PADDED`
    air: int = 0
    # Counted only in slices with little air:
    fat: int = 0  # below -50
    dense: int = 0  # over 300: bone, or soft tissue with 1024 added
    shifted: int = 0  # of the dense values, those in the range of soft tissue with 1024 added

    def __add__(self, other: Look) -> Look:
        ends = min(self.low, other.low), max(self.high, other.high)
        counts = ("measured", "absent", "air", "fat", "dense", "shifted")
        return Look(*ends, *(getattr(self, name) + getattr(other, name) for name in counts))


def look_at(values: np.ndarray, found: np.ndarray | None) -> Look:
    """Statistics of decoded ``values``. Only values where ``found`` is true were measured (None: all)."""
    absent = 0
    if found is not None:
        size, values = values.size, values[found]
        absent = size - values.size
    low, high = (float(values.min()), float(values.max())) if values.size else (np.inf, -np.inf)
    if low < PADDED:
        size, values = values.size, values[values >= PADDED]
        absent += size - values.size
    if not values.size:
        return Look(low, high, absent=absent)
    air = np.count_nonzero(values <= AIR)
    if air > LEAST_AIR * values.size:
        return Look(low, high, values.size, absent, air)
    dense = values[values > 300]
    shifted = np.count_nonzero((dense > STORED - 124) & (dense < STORED + 126))
    return Look(low, high, values.size, absent, air, np.count_nonzero(values < -50), dense.size, shifted)


def glance_at(values: np.ndarray, found: np.ndarray | None) -> Look:
    """The same statistics of some rows and columns of a slice, because all of them would take longer."""
    step = max(1, min(values.shape) // GLANCE)
    values = np.ascontiguousarray(values[::step, ::step])
    return look_at(values, None if found is None else found[::step, ::step])


def which_measured(volume: Volume, values: np.ndarray) -> np.ndarray | None:
    """A mask of the decoded ``values`` that were measured; None if all were measured."""
    if volume.padding is None and values.dtype.kind != "f":
        return None
    found = volume.measured(values)
    return None if found.all() else found


def check_hounsfield(volume: Volume, looks: Iterable[Look | None]) -> None:
    """Raise `InputError` if the values cannot be Hounsfield units.

    ``looks`` are statistics of some slices. If these cannot be Hounsfield units, all slices are read, because a
    single slice may hold only air.
    """
    if _can_be(_together(looks)):
        return
    seen = _together(look_at(values, which_measured(volume, values)) for values in volume.batches())
    if _can_be(seen):
        return
    if seen.low >= seen.high:
        raise no_contrast(volume, seen.low if np.isfinite(seen.low) else None)
    added = f" (with {volume.offset:g} added)" if volume.offset else ""
    why = ": none is below 0, as air and fat are" if seen.low >= 0 else ""
    if _is_shifted(seen):
        why = f": soft tissue lies near {STORED}"
    known = not volume.offset and (_is_shifted(seen) or (seen.low >= 0 and 255 < seen.high <= LARGEST_STORED))
    remedy = (
        "If 1024 was added to the values, use read_volume(..., offset=-1024), or --offset -1024 on "
        "the command line."
        if known
        else "Convert the original images again."
    )
    raise InputError(
        f"The values, from {seen.low:g} to {seen.high:g}{added}, cannot be Hounsfield units{why}.",
        path=volume.path,
        remedy=f"{remedy} If the values are Hounsfield units after all, use offset=0 (--offset 0).",
    )


def no_contrast(volume: Volume, value: float | None) -> InputError:
    """The error for a volume whose voxels all have one ``value``, or in which no voxel was measured."""
    said = "no voxel was measured" if value is None else f"all values are {value:g}"
    return InputError(
        f"The volume has no contrast: {said}.",
        path=volume.path,
        remedy="Check that the volume was exported with its pixels.",
    )


def _together(looks: Iterable[Look | None]) -> Look:
    return reduce(Look.__add__, (look for look in looks if look is not None), Look())


def _can_be(seen: Look) -> bool:
    if seen.high - seen.low < LEAST_SPAN or seen.high <= AIR:
        return False
    if _has_air(seen):
        return True
    # If there is no air, somebody removed it, or the values are not Hounsfield units.
    eight_bits = (seen.low, seen.high) == (-128, 127) or (seen.low >= 0 and seen.high == 255)
    return (seen.low < 0 or seen.absent > 0) and not eight_bits and not _is_shifted(seen)


def _has_air(seen: Look) -> bool:
    return seen.air > LEAST_AIR * seen.measured


def _is_shifted(seen: Look) -> bool:
    """Whether the soft tissue is in the range where it would be after adding 1024."""
    if _has_air(seen):
        return False
    if seen.absent and seen.shifted > seen.measured / 2:  # the air was removed, so most of the rest is soft tissue
        return True
    # With 1024 added, air is near 0. Resampling makes some of it negative, but not as low as fat. Bone has a wider
    # range.
    return seen.fat < 0.02 * seen.measured < seen.shifted > seen.dense / 2
