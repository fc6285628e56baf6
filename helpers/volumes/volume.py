"""A CT or MR volume, from DICOM or NIfTI, to the RGB slices that MedGemma 1.5 reads.

The numbers (85 slices, the three CT windows) are in `helpers.prompts.protocol`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers.errors import InputError
from helpers.prompts import CT_WINDOWS, MAX_SLICE_SIDE, MAX_SLICES, MIN_SLICES
from helpers.volumes.dicom_series import choose, sort_and_check
from helpers.volumes.dicom_slices import decode_slices, find_dicom_files, scan


@dataclass(frozen=True)
class Volume:
    """An axial volume whose header is read and whose voxels are decoded when asked for.

    Array axes are (z, y, x): z from inferior to superior, y from anterior to posterior, x from the patient's
    right to left, so that a slice shown with row 0 on top has the radiological layout.
    """

    path: Path | str  # str: the address of a DICOMweb series
    modality: str | None  # "CT", "MR", or None where the file does not say (NIfTI)
    units: str | None  # "HU" for CT
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]  # mm, (z, y, x)
    affine: np.ndarray  # (4, 4), index (z, y, x, 1) -> patient position (x, y, z, 1) in mm, LPS
    description: str
    _decode: Callable[[Sequence[int]], np.ndarray] = field(repr=False, compare=False)
    patient: str | None = field(default=None, repr=False)  # PatientID; None where the file does not say
    frame_of_reference: str | None = None  # UID: volumes with the same one lie in the same coordinates

    def slices(self, indices: Iterable[int]) -> np.ndarray:
        """Decode the slices at ``indices`` (0 is the lowest): array (n, y, x), int16 or float32."""
        wanted = [int(i) for i in indices]
        outside = [i for i in wanted if not 0 <= i < self.shape[0]]
        if outside:
            raise InputError(
                f"There is no slice {outside[0]}.", path=self.path, remedy=f"Use 0 to {self.shape[0] - 1}."
            )
        return self._decode(wanted) if wanted else np.empty((0, *self.shape[1:]), np.int16)

    def batches(self, size: int = 16) -> Iterator[np.ndarray]:
        """Decode the whole volume in order, ``size`` slices at a time."""
        for start in range(0, self.shape[0], size):
            yield self.slices(range(start, min(start + size, self.shape[0])))


def read_volume(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    modality: str | None = None,
    only: Mapping[str, Any] | None = None,
    uniform: bool = True,
    token: str | None = None,
) -> Volume:
    """Read the headers of a volume and check that it can be shown to the model slice by slice.

    Args:
        path: a folder of DICOM files, a list of files, one multi-frame (Enhanced) file, a NIfTI file, or the
            address of a DICOMweb series, https://HOST/.../studies/STUDY_UID/series/SERIES_UID: its slices are
            downloaded when they are decoded, each once.
        modality: "CT" or "MR". A check for DICOM; for NIfTI, which does not record it, the answer.
        only: chooses one of several volumes by DICOM keyword, e.g. ``{"AcquisitionNumber": 2}``.
        uniform: False takes a stack with gaps or changing spacing as it is.
        token: bearer token for a DICOMweb server; default: that in the environment variable DICOMWEB_TOKEN.

    Returns:
        A `Volume`. No pixel is decoded yet.

    Raises:
        InputError: files that are missing, cut off or not images; several volumes; another modality; slices
            that are not axial, not evenly spaced, or at the same position. It names the file and the remedy.
    """
    if isinstance(path, (str, os.PathLike)) and str(path).endswith((".nii", ".nii.gz")):
        from helpers.volumes.nifti import read_nifti

        facts = read_nifti(Path(path), modality)
    else:
        facts = _read_dicom(path, only, uniform, token)
    volume = Volume(**facts)
    if modality and volume.modality != modality:
        raise InputError(
            f"This is {volume.modality or 'of no known modality'}, where {modality} was asked for.",
            path=volume.path,
            remedy="Choose another series, or prompt it as what it is (CT and MR are scaled differently).",
        )
    return volume


def _read_dicom(path: Any, only: Mapping[str, Any] | None, uniform: bool, token: str | None) -> dict[str, Any]:
    if isinstance(path, str) and "://" in path:
        from helpers.volumes.dicomweb import RemoteSeries

        remote = RemoteSeries(path, token)
        source, records, file_of = str(remote.url), remote.slices(), remote.file
    else:
        files = find_dicom_files(path)
        source = Path(path) if isinstance(path, (str, os.PathLike)) else files[0].parent
        records, file_of = scan(files), None
    found = choose(records, only, source)
    stack, spacing = sort_and_check(found, source, uniform)
    first = stack[0]

    # Rows run from anterior to posterior and columns from right to left, as radiologists see axial slices.
    transposed = abs(first.along_row[0]) < abs(first.down_column[0])
    down, along = (first.along_row, first.down_column) if transposed else (first.down_column, first.along_row)
    dy, dx = first.pixel_spacing[::-1] if transposed else first.pixel_spacing
    ny, nx = (first.columns, first.rows) if transposed else (first.rows, first.columns)
    flips = tuple(axis for axis, backwards in ((1, down[1] < 0), (2, along[0] < 0)) if backwards)

    step = (stack[-1].position - first.position) / (len(stack) - 1) if len(stack) > 1 else first.normal * spacing
    affine = np.eye(4)
    affine[:3, :3] = np.stack([step, down * dy, along * dx], axis=1)
    affine[:3, 3] = first.position
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * ((ny, nx)[axis - 1] - 1)
        affine[:3, axis] *= -1

    def decode(indices: Sequence[int]) -> np.ndarray:
        pixels = decode_slices([stack[i] for i in indices], file_of=file_of)
        return np.flip(pixels.swapaxes(1, 2) if transposed else pixels, flips)

    # PS3.3 C.11.1.1.2: for CT a missing Rescale Type means Hounsfield units; maps of perfusion say another.
    rescale_type = first.get("RescaleType") or "HU"
    return {
        "path": source,
        "modality": first.modality,
        "units": rescale_type if first.modality == "CT" else None,
        "shape": (len(stack), ny, nx),
        "spacing": (spacing, dy, dx),
        "affine": affine,
        "description": str(first.get("SeriesDescription") or ""),
        "_decode": decode,
        "patient": str(first.get("PatientID") or "") or None,
        "frame_of_reference": str(first.get("FrameOfReferenceUID") or "") or None,
    }


def select_slices(n: int, limit: int = MAX_SLICES) -> list[int]:
    """Indices of at most ``limit`` of ``n`` slices, equidistant, the first and the last included.

    ``n`` up to ``limit`` gives all of them. Raises `InputError` below the 5 slices that the model expects.
    """
    if n < MIN_SLICES:
        raise InputError(
            f"A volume prompt needs at least {MIN_SLICES} slices; there are {n}.",
            remedy="Ask about single slices with image_messages.",
        )
    if limit < 2:
        raise InputError(f"The limit is {limit} slices.", remedy="Use 2 or more.")
    return np.linspace(0, n - 1, min(n, limit)).round().astype(int).tolist()


def apply_window(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Clip ``values`` to low..high and scale to 0..255, rounded to nearest: uint8 of the same shape."""
    scaled = np.clip(values, low, high).astype(np.float32)
    scaled -= low
    scaled /= high - low
    scaled *= 255
    return np.rint(scaled, out=scaled).astype(np.uint8)


def ct_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices of a CT with three windows as colours: wide in red, soft tissue in green, brain in blue.

    Returns uint8 (n, y, x, 3), all slices unless ``indices`` are given, sides shrunk to 512 where larger.
    Raises `InputError` for anything that is not CT in Hounsfield units.
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
    return _colours(volume, indices, list(CT_WINDOWS.values()))


def mri_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices of an MR volume in grey, scaled by the minimum and maximum of the whole volume.

    MR intensities have no unit, so there is no window to apply; scaling each slice by itself would make the
    same tissue look different from slice to slice. Returns uint8 (n, y, x, 3), as `ct_to_rgb`.
    """
    if volume.modality == "CT":
        raise InputError("This is CT.", path=volume.path, remedy="Use ct_to_rgb, which keeps Hounsfield units.")
    if volume.modality not in ("MR", None):
        raise InputError(f"This is {volume.modality}, not MR.", path=volume.path, remedy="Choose an MR series.")
    ends = [(float(b.min()), float(b.max())) for b in volume.batches()]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if not np.isfinite([low, high]).all() or low == high:
        raise InputError(
            f"The volume has no contrast (values from {low} to {high}).",
            path=volume.path,
            remedy="Check that it was exported with its pixels.",
        )
    return _colours(volume, indices, [(low, high)])


def volume_to_rgb(volume: Volume, indices: Iterable[int] | None = None) -> np.ndarray:
    """Slices as the model is shown them: `ct_to_rgb` of a CT, `mri_to_rgb` of all else.

    Returns uint8 (n, y, x, 3). Raises `InputError` as they do.
    """
    return (ct_to_rgb if volume.modality == "CT" else mri_to_rgb)(volume, indices)


def _colours(volume: Volume, indices: Iterable[int] | None, windows: Sequence[tuple[float, float]]) -> np.ndarray:
    wanted = list(range(volume.shape[0]) if indices is None else indices)
    height, width = volume.shape[1:]
    shrink = min(1.0, MAX_SLICE_SIDE / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    rgb = np.empty((len(wanted), size[1], size[0], 3), np.uint8)

    def fill(k: int) -> None:
        values = volume.slices([wanted[k]])[0]
        channels = [apply_window(values, *window) for window in windows]
        colours = np.stack(channels * (3 // len(channels)), axis=-1)
        if shrink < 1:
            colours = np.asarray(Image.fromarray(colours).resize(size, Image.Resampling.BOX))
        rgb[k] = colours

    # Slice by slice, so that the decoded values of all of them never stand beside the colours.
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(fill, range(len(wanted))):
            pass
    return rgb
