"""Read NIfTI files as axial volumes in the patient coordinates of DICOM (LPS)."""

from __future__ import annotations

import functools
import gzip
import logging
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np

from helpers.errors import InputError
from helpers.volumes.axes import square_note
from helpers.volumes.axial import axial_slices

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # the axes of NIfTI point to the right and to the front
_SILENT = logging.getLogger(f"{__name__}.header")  # hides nibabel's messages, which are also raised as errors
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
MOST_PACKED = 1100  # deflate shrinks data by at most 1,032 to 1
_UNIT_MM = {1: 1000.0, 3: 0.001}  # codes of metres and micrometres; everything else is in mm


def read_nifti(
    path: Path, modality: str | None, only: Mapping[str, Any] | None = None, reformat: str | None = None
) -> dict[str, Any]:
    """The fields of a `helpers.volumes.Volume` from a NIfTI file; voxels are loaded when they are first needed.

    The affine gives the directions of the axes; the voxel sizes are not used. ``only={"volume": k}`` takes volume
    k of a file with several. Complex voxels are read as magnitudes; NaN and infinity are not measurements. Raises
    `InputError` for a damaged file, colours, no orientation, and slices that cannot be shown axially.
    """
    if not path.is_file():
        raise InputError("This file does not exist.", path=path, remedy="Check the path.")
    header = _header(path)
    if header.get_data_dtype().names:
        raise InputError(
            "The voxels are colours, but a CT or MR volume has one value for each voxel.",
            path=path,
            remedy="Give the volume that the colours were made from.",
        )
    number = _number(header.get_data_shape(), path, only)
    nx, ny, nz = header.get_data_shape()[:3]
    # Voxels are stored as (i, j, k) and read as (k, j, i), with slices first, as in DICOM.
    affine = (_TO_LPS @ _affine(header, path))[:, [2, 1, 0, 3]]
    voxels = _voxels(path, number)
    made = axial_slices(affine, (nz, ny, nx), lambda indices: voxels()[list(indices)], path, reformat)
    turned = f"The volume was {made.note}." if made.note else ""
    description = bytes(header["descrip"]).split(b"\0")[0].decode("latin-1")
    return {
        "path": path,
        "modality": modality,
        "units": "HU" if modality == "CT" else None,
        "shape": made.shape,
        "spacing": made.spacing,
        "affine": made.affine,
        "description": f"{description} ({made.note})".strip() if made.note else description,
        "_decode": made.decode,
        "notes": tuple(filter(None, (turned, square_note(made.spacing)))),
    }


def volumes_in_nifti(path: Path) -> int:
    """The number of volumes in a file; 1 if it cannot be read, so that its reader reports the error."""
    try:
        return math.prod(_header(path).get_data_shape()[3:])
    except (InputError, OSError):
        return 1


def _is_packed(path: Path) -> bool:
    """Whether a file is gzip, by its first bytes, because its name may be wrong."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: Path) -> IO[bytes]:
    """Open the file, and unpack it if it is packed."""
    return gzip.GzipFile(path) if _is_packed(path) else path.open("rb")


def _header(path: Path) -> nibabel.Nifti1Header:
    try:
        with _open(path) as stream:
            start = stream.read(540)
        kinds = (nibabel.Nifti1Image, nibabel.Nifti2Image)
        kind = next((kind for kind in kinds if kind.header_class.may_contain_header(start)), None)
        if kind is None:
            raise InputError("it has no NIfTI header")
        with _open(path) as stream:
            header = kind.header_class.from_fileobj(stream, check=False)
        header.check_fix(logger=_SILENT, error_level=logging.ERROR)
        header.get_slope_inter()
        shape = header.get_data_shape()
        if len(shape) < 2 or min(shape) < 1:
            raise InputError(f"its dimensions are {shape}")
        begins = int(header["vox_offset"])
        if bytes(header["magic"]).startswith(b"n+") and begins < int(header["sizeof_hdr"]) + 4:
            raise InputError(f"its voxels would begin at byte {begins}, within the header")
        needed = math.prod(map(int, shape)) * header.get_data_dtype().itemsize
        if needed > path.stat().st_size * (MOST_PACKED if _is_packed(path) else 1):
            raise InputError(f"it ends before the {needed} bytes of its voxels")
    except Exception as error:  # nibabel, gzip and zlib raise errors of their own
        raise InputError(
            f"This is not a readable NIfTI file ({error}).", path=path, remedy="Copy or convert it again."
        ) from error
    return header


def _number(shape: tuple[int, ...], path: Path, only: Mapping[str, Any] | None) -> int | None:
    """The number of the volume to read; None if the file holds only one."""
    if unknown := [key for key in only or {} if key != "volume"]:
        raise InputError(
            f"A NIfTI file does not store {', '.join(unknown)}.",
            path=path,
            remedy='Leave it out. In a file with several volumes, choose one by its number: only={"volume": 0}.',
        )
    count = math.prod(shape[3:])
    if len(shape) < 3 or (count > 1 and not only):
        choose = (
            f' or choose one of its {count} volumes with only={{"volume": 0}}, or --only volume=0 on the '
            "command line."
        )
        raise InputError(
            f"The file has {len(shape)} dimensions, {tuple(map(int, shape))}, but a volume has 3.",
            path=path,
            remedy=f"Save one of its volumes (echo, time point, b-value) as a file of its own,{choose}"
            if count > 1
            else "Read the file as a 2D image, with read_image.",
        )
    number = str((only or {}).get("volume", 0))
    if not number.isdecimal() or int(number) >= count:
        raise InputError(
            f"The file has no volume {number}.",
            path=path,
            remedy=f"Use 0 to {count - 1}."
            if count > 1
            else "Leave the choice out, because the file holds one volume.",
        )
    return int(number) if count > 1 else None


def _affine(header: nibabel.Nifti1Header, path: Path) -> np.ndarray:
    """The affine from index to RAS mm: the sform if it is valid, else the qform."""
    scale = _UNIT_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    for code, read in ((header["sform_code"], header.get_sform), (header["qform_code"], header.get_qform)):
        if not code:
            continue
        try:
            affine = np.array(read(), float)
        except Exception:  # an invalid quaternion
            continue
        affine[:3] *= scale
        with np.errstate(over="ignore"):
            lengths = np.linalg.norm(affine[:3, :3], axis=0)
        # A degenerate matrix, most often all zeros, puts two axes on one line.
        if not np.isfinite(affine).all() or lengths.min() < 1e-4 or lengths.max() > 1e3:
            continue
        if abs(np.linalg.det(affine[:3, :3] / lengths)) > 0.1:
            return affine
    said = bool(header["sform_code"] or header["qform_code"])
    raise InputError(
        "The file does not say how its axes lie in the patient "
        + ("(neither its sform nor its qform is valid)." if said else "(sform and qform codes are 0)."),
        path=path,
        remedy="Convert it again from DICOM, for example with dcm2niix.",
    )


def _voxels(path: Path, number: int | None) -> Callable[[], np.ndarray]:
    """A function that returns all voxels as (k, j, i), as int16 if this is exact, and reads them once."""
    lock = threading.Lock()  # several threads ask for slices

    @functools.cache
    def load() -> np.ndarray:
        try:
            data = _stored(path, number)
        except Exception as error:
            raise InputError(
                f"The voxels cannot be read ({error}).", path=path, remedy="Copy or convert the file again."
            ) from error
        if data.dtype.kind == "c":
            data = np.abs(data)
        exact = np.can_cast(data.dtype, np.int16)
        with np.errstate(over="ignore"):  # no scanner measures 1e39, so it may become infinity
            data = data.astype(np.int16 if exact else np.float32, copy=False)
        if not exact and not np.isfinite(data).all():
            data = np.where(np.isfinite(data), data, np.float32(np.nan))
        return data.transpose(2, 1, 0)

    def voxels() -> np.ndarray:
        with lock:
            return load()

    return voxels


def _stored(path: Path, number: int | None) -> np.ndarray:
    """The voxels of one volume (i, j, k), scaled as the header says."""
    header = _header(path)
    kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    with _open(path) as stream:
        proxy = kind.ImageArrayProxy(stream, header)
        shape = header.get_data_shape()
        if number is not None:
            # The volumes follow one another, and the fourth dimension changes fastest.
            return np.asanyarray(proxy[(..., *np.unravel_index(number, shape[3:], order="F"))])
        data = np.asanyarray(proxy).reshape(shape[:3])
        while stream.read(1 << 20):  # gzip finds changed bytes only at the end of the file
            pass
    return data
