"""Read a CT or MR volume from DICOM, NIfTI or a DICOMweb server: headers first, voxels when they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.volumes.axes import square_note
from helpers.volumes.axial import Axial, axial_slices
from helpers.volumes.dicom_files import NoDicomError, PassedOver, is_hidden, names_by_kind
from helpers.volumes.dicom_pixels import decode_slices, padding_of
from helpers.volumes.dicom_series import (
    check_keywords,
    choose,
    heights_of,
    is_even,
    rounding_of,
    sort_and_check,
)
from helpers.volumes.dicom_slices import Slice, scan

_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Volume:
    """An axial volume. Its header is read at once; its voxels are decoded when they are needed.

    Array axes are (z, y, x): z from inferior to superior, y from anterior to posterior, x from the patient's
    right to left, so that a slice shown with row 0 on top has the radiological layout.
    """

    path: Path | str  # str: the address of a DICOMweb series
    modality: str | None  # "CT", "MR", or None if the file does not say (NIfTI)
    units: str | None  # "HU" for CT
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]  # mm, (z, y, x)
    affine: np.ndarray  # (4, 4), index (z, y, x, 1) -> patient position (x, y, z, 1) in mm, LPS
    description: str
    _decode: Callable[[Sequence[int]], np.ndarray] = field(repr=False, compare=False)
    patient: str | None = field(default=None, repr=False)  # PatientID; None if the file does not say
    frame_of_reference: str | None = None  # UID: volumes with the same one lie in the same coordinates
    padding: tuple[float, float] | None = None  # the range of values that are not measurements
    offset: float | None = None  # a number that was added to the stored values on request
    # Where unevenly spaced slices lie: the index z at which the affine has the place of each; None if even.
    places: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()  # sentences about everything that was changed or left out

    @property
    def z_places(self) -> np.ndarray:
        """The index z at which the affine has the place of each slice: 0, 1, 2, ... if they are evenly spaced."""
        return np.arange(self.shape[0], dtype=float) if self.places is None else np.array(self.places)

    def slices(self, indices: Iterable[int]) -> np.ndarray:
        """Decode the slices at ``indices`` (0 is the lowest): array (n, y, x), int16 or float32."""
        wanted = [int(i) for i in indices]
        outside = [i for i in wanted if not 0 <= i < self.shape[0]]
        if outside:
            raise InputError(
                f"The volume has no slice {outside[0]}.", path=self.path, remedy=f"Use 0 to {self.shape[0] - 1}."
            )
        return self._decode(wanted) if wanted else np.empty((0, *self.shape[1:]), np.int16)

    def batches(self, size: int = 16) -> Iterator[np.ndarray]:
        """Decode the whole volume in order, ``size`` slices at a time."""
        for start in range(0, self.shape[0], size):
            yield self.slices(range(start, min(start + size, self.shape[0])))

    def measured(self, values: np.ndarray) -> np.ndarray:
        """Which of the decoded ``values`` were measured, so are not padding, NaN or infinity: bool of the same
        shape.
        """
        found = np.isfinite(values)
        if self.padding is not None:
            low, high = self.padding
            slack = 4 * float(np.spacing(np.float32(max(abs(low), abs(high))))) if values.dtype.kind == "f" else 0
            found &= (values < low - slack) | (values > high + slack)
        return found


def read_volume(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    modality: str | None = None,
    only: Mapping[str, Any] | None = None,
    uniform: bool = True,
    token: str | None = None,
    offset: float | None = None,
    reformat: str | None = None,
) -> Volume:
    """Read the headers of a volume and check that it can be shown to the model slice by slice.

    A sagittal or coronal acquisition becomes axial by turning its axes, if they lie within 20 degrees of the
    patient's axes. Files that are not images of the series (a segmentation, a report, a localizer) are passed
    over. The ``notes`` of the volume tell of both.

    Args:
        path: a folder of DICOM files, a list of files, one multi-frame (Enhanced) file, a NIfTI file (or a folder
            that holds one), or the address of a DICOMweb series,
            https://HOST/.../studies/STUDY_UID/series/SERIES_UID. Each of its slices is downloaded once, when it is
            decoded.
        modality: "CT" or "MR". A DICOM series is checked against it. A NIfTI file does not record its modality, so
            this gives it.
        only: chooses one of several volumes by any DICOM keyword, e.g. ``{"EchoTime": 20}``, or in a 4D NIfTI file
            by its number, ``{"volume": 0}``.
        uniform: False accepts a stack with gaps or changing spacing.
        token: bearer token for a DICOMweb server; default: the value of the environment variable DICOMWEB_TOKEN.
        offset: a number that is added to the values of a CT that was stored without its rescale: -1024 for values
            from 0 to 4095, or 0 if they are Hounsfield units already.
        reformat: "axial" resamples slices that are oblique, or too thick to be turned.

    Returns:
        A `Volume`. No pixel is decoded yet.

    Raises:
        InputError: files are missing, cut off or not images; there are several volumes (the error lists the words
            that choose each); the modality is another; or slices cannot be shown axially, are not evenly spaced,
            or lie in one place. The error names the file and the remedy.
    """
    if isinstance(path, (str, os.PathLike)) and is_nifti(path) and not Path(path).is_dir():
        facts = _read_nifti(path, modality, only, reformat)
    else:
        try:
            facts = _read_dicom(path, only, uniform, token, offset, reformat)
        except NoDicomError:
            if (nifti := _only_nifti(path)) is None:
                raise
            facts = _read_nifti(nifti, modality, only, reformat)
    volume = Volume(**facts)
    if modality and volume.modality != modality:
        raise InputError(
            f"The modality of this volume is {volume.modality or 'not known'}, but {modality} was asked for.",
            path=volume.path,
            remedy="Choose another series, or give its own modality (CT and MR are scaled differently).",
        )
    return volume if offset is None else _with_offset(volume, offset)


def is_nifti(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name is one of NIfTI."""
    return os.fspath(path).lower().endswith(_NIFTI)


def _only_nifti(folder: Any) -> Path | None:
    """The NIfTI file of a folder without DICOM; None if there is none. Raises `InputError` for more than one."""
    where = Path(folder)
    files = [p for p in sorted(where.rglob("*")) if is_nifti(p) and p.is_file() and not is_hidden(p)]
    if len(files) > 1:
        listed = "".join(f"\n  {p.relative_to(where)}" for p in files[:20])
        raise InputError(
            f"The folder holds {len(files)} NIfTI files:{listed}\n", path=where, remedy="Give one of these files."
        )
    return files[0] if files else None


def _read_nifti(path: Any, modality: str | None, only: Mapping[str, Any] | None, reformat: str | None) -> Any:
    from helpers.volumes.nifti import read_nifti  # loads nibabel, which DICOM does not need

    return read_nifti(Path(path), modality, only, reformat)


def _with_offset(volume: Volume, offset: float) -> Volume:
    def decode(indices: Sequence[int]) -> np.ndarray:
        values = volume.slices(indices)
        return values.astype(np.float32) + np.float32(offset) if offset else values

    padding = volume.padding and (volume.padding[0] + offset, volume.padding[1] + offset)
    units = "HU" if volume.modality == "CT" else volume.units
    return replace(volume, _decode=decode, padding=padding, offset=offset, units=units)


def _read_dicom(
    path: Any,
    only: Mapping[str, Any] | None,
    uniform: bool,
    token: str | None,
    offset: float | None,
    reformat: str | None,
) -> dict[str, Any]:
    check_keywords(only or {})
    passed: Sequence[PassedOver] = ()
    if isinstance(path, str) and "://" in path:
        from helpers.volumes.dicomweb import RemoteSeries

        remote = RemoteSeries(path, token)
        source, records, file_of = str(remote.url), remote.slices(), remote.file
        passed = remote.passed_over
    else:
        records, passed = scan(path, list(only or ()))
        source = Path(path) if isinstance(path, (str, os.PathLike)) else Path(records[0].path).parent
        file_of = None
    found = choose(records, only, source)
    _check(found, offset)
    stack, spacing = sort_and_check(found, source, uniform)
    first = stack[0]
    step = (stack[-1].position - first.position) / (len(stack) - 1) if len(stack) > 1 else first.normal * spacing
    dy, dx = first.pixel_spacing
    affine = np.eye(4)
    affine[:3, :3] = np.stack([step, first.down_column * dy, first.along_row * dx], axis=1)
    affine[:3, 3] = first.position
    made = axial_slices(
        affine,
        (len(stack), first.rows, first.columns),
        lambda indices: decode_slices([stack[i] for i in indices], file_of=file_of),
        source,
        reformat,
        padding_of(stack),
    )
    places = _places(stack, made, source)
    description = str(first.get("SeriesDescription") or "")
    return {
        "path": source,
        "modality": first.modality or None,
        "units": first.units,
        "shape": made.shape,
        "spacing": made.spacing if made.note else (spacing, *made.spacing[1:]),
        "affine": made.affine,
        "description": f"{description} ({made.note})".strip() if made.note else description,
        "_decode": made.decode,
        "patient": str(first.get("PatientID") or "") or None,
        "frame_of_reference": str(first.get("FrameOfReferenceUID") or "") or None,
        "padding": made.padding,
        "places": places,
        "notes": tuple(_notes(made, stack, passed, uneven=places is not None)),
    }


def _places(stack: Sequence[Slice], made: Axial, source: Path | str) -> tuple[float, ...] | None:
    """The index z at which the affine has the place of each axial slice; None if the slices are evenly spaced."""
    heights = heights_of(stack)
    if is_even(heights, rounding_of(stack)):
        return None
    if made.note:
        raise InputError(
            f"The slices are unevenly spaced and would have to be {made.note.split()[0]}, so that axial slices "
            "would be distorted.",
            path=source,
            remedy="Fetch the series again, or choose an axial series of the study.",
        )
    share = (heights - heights[0]) / (heights[-1] - heights[0])
    if made.affine[:3, 0] @ (stack[-1].position - stack[0].position) < 0:
        share = 1 - share[::-1]
    return tuple((share * (len(stack) - 1)).tolist())


def _check(stack: Sequence[Slice], offset: float | None) -> None:
    """Raise `InputError` for slices whose values do not have the meaning that they seem to have."""
    for record in stack:
        if record.modality == "CT" and not record.rescaled and offset is None:
            raise InputError(
                "The CT image has no RescaleIntercept, so its values are not Hounsfield units.",
                path=record.path,
                remedy="Export the image again from the original, or give the number to add: "
                "read_volume(..., offset=-1024), or --offset -1024 on the command line. If the values "
                "are Hounsfield units, give 0.",
            )
        if offset and record.intercept:
            raise InputError(
                f"The file itself adds {record.intercept:g} to the values (RescaleIntercept), so "
                f"adding {offset:g} too would be wrong.",
                path=record.path,
                remedy="Leave the offset out.",
            )


def _notes(made: Axial, stack: Sequence[Slice], passed: Sequence[PassedOver], *, uneven: bool) -> Iterator[str]:
    if made.note:
        yield f"The volume was {made.note}."
    if uneven:
        gaps = np.diff(heights_of(stack))
        yield f"The slices are unevenly spaced: {gaps.min():.2f} to {gaps.max():.2f} mm lie between them."
    if len({record.private_scale for record in stack}) > 1:
        yield "Philips' own scale differs between the slices, so the values are those of the standard's rescale."
    for words in names_by_kind(passed, 3):
        yield f"Files that were passed over: {words}."
    if square := square_note(made.spacing):
        yield square
