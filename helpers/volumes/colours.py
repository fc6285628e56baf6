"""Choose the slices of a volume that the model gets, and turn them into RGB as MedGemma 1.5 reads it.

The numbers (85 slices, the three CT windows) are in `helpers.prompts.limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from helpers.errors import InputError
from helpers.prompts import CT_WINDOWS, MAX_SLICE_SIDE, MAX_SLICES, MIN_SLICES
from helpers.volumes.axes import SQUARE
from helpers.volumes.hounsfield import Look, check_hounsfield, glance_at, no_contrast, which_measured
from helpers.volumes.volume import Volume


def select_slices(n: int | Volume, limit: int = MAX_SLICES, *, leave_out_blank: bool = False) -> list[int]:
    """Choose at most ``limit`` of ``n`` slices at equal distances, with the first and the last; returns their
    indices.

    Args:
        n: the number of slices, or the volume itself. If it is at most ``limit``, all slices are chosen.
        limit: the largest number of slices.
        leave_out_blank: leave out slices without tissue at both ends of a volume (`tissue_slices`). The MedGemma
            1.5 report takes all slices, so the default is False.

    Raises:
        InputError: fewer slices than the 5 that the model expects.
    """
    first = 0
    if leave_out_blank:
        if not isinstance(n, Volume):
            raise InputError(
                "Blank slices can be left out only if select_slices gets the volume itself.",
                remedy="Give select_slices the volume, not its number of slices.",
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
        raise InputError(
            f"The limit is {limit} slices, which is too few for a volume.", remedy="Use a limit of 2 or more."
        )
    return (first + np.linspace(0, n - 1, min(n, limit)).round().astype(int)).tolist()


def tissue_slices(volume: Volume) -> range:
    """The range from the first to the last slice with tissue: with a square of 3 x 3 pixels that are brighter than
    air.

    Brighter than air means above -500 HU in CT. In MR it means above a tenth of the volume's range; the range ends
    at the 99.5th percentile, so that a few bright vessels do not matter. Noise is seldom bright in nine
    neighbours. If no slice has tissue, the range holds all slices.
    """
    brightest, sample = [], []
    for batch in volume.batches():
        values, found = batch.astype(np.float32), volume.measured(batch)
        sample.append(values[:, ::4, ::4][found[:, ::4, ::4]])
        values[~found] = -np.inf
        for axis in (1, 2):  # each pixel becomes the darkest one of its square
            length = values.shape[axis]
            width = min(3, length)
            values = np.minimum.reduce([values.take(range(i, length - width + 1 + i), axis) for i in range(width)])
        brightest.append(values.max(axis=(1, 2)))
    known = np.concatenate(sample)
    if not len(known):
        return range(volume.shape[0])
    low, high = np.percentile(known, [0.5, 99.5])
    low = min(float(low), 0.0)  # if the air was removed, the darkest value is tissue
    air = -500.0 if volume.modality == "CT" else low + 0.1 * (float(high) - low)
    shown = np.flatnonzero(np.concatenate(brightest) > air)
    return range(int(shown[0]), int(shown[-1]) + 1) if len(shown) else range(volume.shape[0])


def apply_window(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Clip ``values`` to low..high, scale to 0..255 and round, NaN to 0. Returns uint8 of the same shape."""
    with np.errstate(invalid="ignore"):  # NaN may become any number
        shown = _scaled(values, low, high).astype(np.uint8)
    if values.dtype.kind == "f":
        shown[np.isnan(values)] = 0
    return shown


def _scaled(values: np.ndarray, low: float, high: float, room: np.ndarray | None = None) -> np.ndarray:
    """The window before its conversion to uint8, float32 of the same shape; in ``room`` if that is given."""
    room = np.empty(values.shape, np.float32) if room is None else room
    np.clip(values, low, high, out=room)
    room -= low
    room /= high - low
    room *= 255
    return np.rint(room, out=room)


def ct_to_rgb(
    volume: Volume,
    indices: Iterable[int] | None = None,
    *,
    windows: Mapping[str, tuple[float, float]] = CT_WINDOWS,
) -> np.ndarray:
    """Slices of a CT with three windows as colours: wide in red, soft tissue in green, brain in blue.

    ``windows`` maps three names to the lowest and highest HU: the windows of MedGemma 1.5, or
    `helpers.prompts.CT_WINDOWS_1` of MedGemma 1.

    Returns uint8 (n, y, x, 3), of all slices unless ``indices`` are given. Pixels become square, and larger sides
    are shrunk to 512. Raises `InputError` if header or values show that the volume is not CT in Hounsfield units,
    and unless there are three windows.
    """
    if len(windows) != 3 or any(low >= high for low, high in windows.values()):
        raise InputError(
            f"{dict(windows)} does not hold three windows, each from a lower to a higher value.",
            remedy="Give CT_WINDOWS or CT_WINDOWS_1 of helpers.prompts.",
        )
    if volume.modality != "CT":
        raise InputError(
            "CT windows need Hounsfield units, but the modality of this volume is "
            f"{volume.modality or 'not known'}.",
            path=volume.path,
            remedy="Use mri_to_rgb for MR; for a CT in NIfTI give read_volume(..., modality='CT').",
        )
    if volume.units != "HU":
        raise InputError(
            f"The values are not Hounsfield units (Rescale Type {volume.units!r}). The series may be a "
            "derived map.",
            path=volume.path,
            remedy="Choose the series with the original images.",
        )
    wanted = _wanted(volume, indices)
    looks: list[Look | None] = [None] * len(wanted)
    rgb = _colours(volume, wanted, list(windows.values()), None if volume.offset == 0 else looks)
    if wanted and volume.offset != 0:
        check_hounsfield(volume, looks)
    return rgb


def mri_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices of an MR volume in grey, scaled by the minimum and maximum of the whole volume.

    MR intensities have no unit, so no window can be applied. If each slice were scaled separately, the same tissue
    would look different from slice to slice. Padding and NaN do not count for the scale, and become black. Returns
    uint8 (n, y, x, 3), as `ct_to_rgb` does.
    """
    if volume.modality == "CT":
        raise InputError(
            "This volume is CT.", path=volume.path, remedy="Use ct_to_rgb, which uses Hounsfield units."
        )
    if volume.modality not in ("MR", None):
        raise InputError(
            f"This volume is {volume.modality}, not MR.", path=volume.path, remedy="Choose an MR series."
        )
    return _colours(volume, _wanted(volume, indices), [measured_range(volume)])


def measured_range(volume: Volume, batches: Iterable[np.ndarray] | None = None) -> tuple[float, float]:
    """The lowest and the highest measured value of the whole volume. Raises `InputError` if they are equal.

    ``batches`` are the decoded slices, if the caller has them; otherwise they are read.
    """
    ends = []
    for values in volume.batches() if batches is None else batches:
        low, high = float(values.min()), float(values.max())
        if volume.padding is not None or not np.isfinite([low, high]).all():  # with NaN, both would be NaN
            values = values[volume.measured(values)]
            if not values.size:
                continue
            low, high = float(values.min()), float(values.max())
        ends.append((low, high))
    low, high = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 0.0)
    if low == high:
        raise no_contrast(volume, low if ends else None)
    return low, high


def volume_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices as the model sees them: `ct_to_rgb` for CT, `mri_to_rgb` for any other volume.

    Returns uint8 (n, y, x, 3). Raises `InputError` as they do.
    """
    return (ct_to_rgb if volume.modality == "CT" else mri_to_rgb)(volume, indices)


def shown_size(volume: Volume) -> tuple[int, int]:
    """Width and height of a slice as the model gets it, with square pixels and sides of 512 at most."""
    height, width = volume.shape[1:]
    _, dy, dx = volume.spacing
    if max(dy, dx) / min(dy, dx) > SQUARE:  # the finer spacing is kept
        height, width = height * dy / min(dy, dx), width * dx / min(dy, dx)
    shrink = min(1.0, MAX_SLICE_SIDE / max(height, width))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _wanted(volume: Volume, indices: Iterable[int] | None) -> list[int]:
    return list(range(volume.shape[0]) if indices is None else indices)


def _colours(
    volume: Volume,
    wanted: Sequence[int],
    windows: Sequence[tuple[float, float]],
    looks: list[Look | None] | None = None,
) -> np.ndarray:
    """The colours of slices. Statistics of their values are added to ``looks``."""
    height, width = volume.shape[1:]
    size = shown_size(volume)
    whole = size == (width, height)
    # If a slice only shrinks, a new pixel is the mean of the pixels that it replaces. If it also stretches, the
    # new pixel is interpolated.
    plain = max(volume.spacing[1:]) / min(volume.spacing[1:]) <= SQUARE
    filter_ = Image.Resampling.BOX if plain else Image.Resampling.BILINEAR
    rgb = np.empty((len(wanted), size[1], size[0], 3), np.uint8)
    rooms: list[np.ndarray] = []  # used again, because new arrays take longer than the arithmetic

    def fill(k: int) -> None:
        values = volume.slices([wanted[k]])[0]
        found = which_measured(volume, values)
        if looks is not None:
            looks[k] = glance_at(values, found)
        colours = rgb[k] if whole else np.empty((*values.shape, 3), np.uint8)
        room = rooms.pop() if rooms else np.empty(values.shape, np.float32)
        with np.errstate(invalid="ignore"):  # NaN may become any number
            for channel, window in enumerate(windows):
                colours[..., channel] = _scaled(values, *window, room)
        rooms.append(room)
        colours[..., len(windows) :] = colours[..., :1]  # one window gives grey
        if found is not None:
            colours[~found] = 0
        if not whole:
            rgb[k] = np.asarray(Image.fromarray(colours).resize(size, filter_))

    # Slice by slice, so that memory never holds the decoded values of all slices beside the colours.
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(wanted))):
            pass
    return rgb
