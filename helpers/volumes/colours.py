"""Which slices of a volume the model gets, and in which colours: RGB as MedGemma 1.5 reads it.

The numbers (85 slices, the three CT windows) are in `helpers.prompts.protocol`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from helpers.errors import InputError
from helpers.prompts import CT_WINDOWS, MAX_SLICE_SIDE, MAX_SLICES, MIN_SLICES
from helpers.volumes.volume import Volume

# Measured values of a CT span air, fat and bone; below this span they are shares, or counts of something.
LEAST_SPAN = 20.0  # HU
SQUARE = 1.01  # a pixel that is at most so many times as long as wide is shown as it is


def select_slices(n: int | Volume, limit: int = MAX_SLICES, *, leave_out_blank: bool = False) -> list[int]:
    """Indices of at most ``limit`` of ``n`` slices, equidistant, the first and the last included.

    Args:
        n: the number of slices, or the volume itself. Up to ``limit`` gives all of them.
        limit: the most slices.
        leave_out_blank: of a volume, take no slices without tissue from either end (`tissue_slices`). The report
            on MedGemma 1.5 takes all, so False is the default.

    Raises:
        InputError: fewer slices than the 5 that the model expects.
    """
    first = 0
    if leave_out_blank:
        if not isinstance(n, Volume):
            raise InputError(
                "Only a volume shows which slices are blank.", remedy="Give select_slices the volume."
            )
        within = tissue_slices(n)
        first, n = within.start, len(within)
    elif isinstance(n, Volume):
        n = n.shape[0]
    if n < MIN_SLICES:
        raise InputError(
            f"A volume prompt needs at least {MIN_SLICES} slices; there are {n}.",
            remedy="Ask about single slices with image_messages.",
        )
    if limit < 2:
        raise InputError(f"The limit is {limit} slices.", remedy="Use 2 or more.")
    return (first + np.linspace(0, n - 1, min(n, limit)).round().astype(int)).tolist()


def tissue_slices(volume: Volume, share: float = 0.005) -> range:
    """From the first to the last slice with tissue, where more than ``share`` of the pixels are brighter than air.

    That is more than -500 HU in CT, and more than a tenth of the volume's range in MR (up to its 99.5th
    percentile, since a few bright vessels say nothing). All slices where none has tissue.
    """
    if volume.modality == "CT":
        bright = -500.0
    else:
        sample = np.concatenate([v[volume.measured(v)] for v in (b[:, ::4, ::4] for b in volume.batches())])
        if not len(sample):
            return range(volume.shape[0])
        low, high = np.percentile(sample, [0.5, 99.5])
        bright = float(low + 0.1 * (high - low))
    shares = np.concatenate([(volume.measured(b) & (b > bright)).mean(axis=(1, 2)) for b in volume.batches()])
    shown = np.flatnonzero(shares > share)
    return range(int(shown[0]), int(shown[-1]) + 1) if len(shown) else range(volume.shape[0])


def apply_window(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Clip ``values`` to low..high and scale to 0..255, rounded to nearest: uint8 of the same shape; NaN is 0."""
    scaled = np.clip(values, low, high).astype(np.float32)
    scaled -= low
    scaled /= high - low
    scaled *= 255
    if values.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def ct_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices of a CT with three windows as colours: wide in red, soft tissue in green, brain in blue.

    Returns uint8 (n, y, x, 3), all slices unless ``indices`` are given. Pixels that are not square become square;
    sides are shrunk to 512 where larger. Raises `InputError` for anything that is not CT in Hounsfield units, by
    its header or by its values.
    """
    if volume.modality != "CT":
        raise InputError(
            f"CT windows need Hounsfield units; this is {volume.modality or 'of no known modality'}.",
            path=volume.path,
            remedy="Use mri_to_rgb for MR; for a CT in NIfTI give read_volume(..., modality='CT').",
        )
    if volume.units != "HU":
        raise InputError(
            f"The values are not Hounsfield units (Rescale Type {volume.units!r}): a derived map?",
            path=volume.path,
            remedy="Choose the series with the original images.",
        )
    rgb, low, high, masked = _colours(volume, indices, list(CT_WINDOWS.values()))
    if volume.offset is None and len(rgb):
        _check_hounsfield(volume, low, high, masked)
    return rgb


def _check_hounsfield(volume: Volume, low: float, high: float, masked: bool) -> None:
    """Raise `InputError` where the values cannot be Hounsfield units, in which air is -1000 and fat -100.

    Of a ``masked`` volume, air and fat may have been taken out.
    """
    if (low < 0 or masked) and high - low >= LEAST_SPAN:
        return
    known = "-1024" if 1 < high <= 4095 + 1024 and low >= 0 and high > 255 else ""
    where_known = f"read_volume(..., offset={known}), on the command line --offset {known}" if known else ""
    raise InputError(
        f"The values, from {low:g} to {high:g}, cannot be Hounsfield units: none is below 0, as air and fat are."
        if low >= 0
        else f"The values, from {low:g} to {high:g}, cannot be Hounsfield units.",
        path=volume.path,
        remedy=(f"If 1024 was added to them: {where_known}. " if known else "Convert the original again. ")
        + "If they are Hounsfield units all the same: offset=0 (--offset 0).",
    )


def mri_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices of an MR volume in grey, scaled by the minimum and maximum of the whole volume.

    MR intensities have no unit, so there is no window to apply; scaling each slice by itself would make the
    same tissue look different from slice to slice. Padding and NaN do not count, and are black. Returns uint8
    (n, y, x, 3), as `ct_to_rgb`.
    """
    if volume.modality == "CT":
        raise InputError("This is CT.", path=volume.path, remedy="Use ct_to_rgb, which keeps Hounsfield units.")
    if volume.modality not in ("MR", None):
        raise InputError(f"This is {volume.modality}, not MR.", path=volume.path, remedy="Choose an MR series.")
    return _colours(volume, indices, [measured_range(volume)])[0]


def measured_range(volume: Volume) -> tuple[float, float]:
    """The lowest and the highest measured value of the whole volume. Raises `InputError` where they are equal."""
    ends = []
    for batch in volume.batches():
        if batch.dtype.kind == "f" or volume.padding is not None:
            batch = batch[volume.measured(batch)]
        if batch.size:
            ends.append((float(batch.min()), float(batch.max())))
    low, high = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 0.0)
    if low == high:
        raise InputError(
            f"The volume has no contrast (values from {low} to {high}).",
            path=volume.path,
            remedy="Check that it was exported with its pixels.",
        )
    return low, high


def volume_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices as the model is shown them: `ct_to_rgb` of a CT, `mri_to_rgb` of all else.

    Returns uint8 (n, y, x, 3). Raises `InputError` as they do.
    """
    return (ct_to_rgb if volume.modality == "CT" else mri_to_rgb)(volume, indices)


def shown_size(volume: Volume) -> tuple[int, int]:
    """Width and height of a slice as the model gets it: square pixels, sides of 512 at most."""
    height, width = volume.shape[1:]
    _, dy, dx = volume.spacing
    if max(dy, dx) / min(dy, dx) > SQUARE:  # the finer of the two is kept
        height, width = height * dy / min(dy, dx), width * dx / min(dy, dx)
    shrink = min(1.0, MAX_SLICE_SIDE / max(height, width))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _colours(
    volume: Volume, indices: Iterable[int] | None, windows: Sequence[tuple[float, float]]
) -> tuple[np.ndarray, float, float, bool]:
    """Colours of slices, the lowest and highest value that they measured, and whether any is no measurement."""
    wanted = list(range(volume.shape[0]) if indices is None else indices)
    height, width = volume.shape[1:]
    size = shown_size(volume)
    whole = size == (width, height)
    # Shrunk alone, a pixel is the mean of those that it stands for; stretched too, it lies between them.
    plain = max(volume.spacing[1:]) / min(volume.spacing[1:]) <= SQUARE
    filter_ = Image.Resampling.BOX if plain else Image.Resampling.BILINEAR
    rgb = np.empty((len(wanted), size[1], size[0], 3), np.uint8)
    ends = np.empty((len(wanted), 3))

    def fill(k: int) -> None:
        values = volume.slices([wanted[k]])[0]
        channels = [apply_window(values, *window) for window in windows]
        measured = values
        if volume.padding is not None or values.dtype.kind == "f":
            found = volume.measured(values)
            measured = values[found]
            for channel in channels:
                channel[~found] = 0
        ends[k] = (measured.min(), measured.max(), 0) if measured.size else np.nan
        ends[k, 2] = measured.size < values.size
        colours = np.stack(channels * (3 // len(channels)), axis=-1)
        if not whole:
            colours = np.asarray(Image.fromarray(colours).resize(size, filter_))
        rgb[k] = colours

    # Slice by slice, so that the decoded values of all of them never stand beside the colours.
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(wanted))):
            pass
    known = ends[~np.isnan(ends[:, 0])]
    low, high = (float(known[:, 0].min()), float(known[:, 1].max())) if len(known) else (0.0, 0.0)
    return rgb, low, high, bool(ends[:, 2].any())
