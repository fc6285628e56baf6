"""NIfTI files as axial volumes in the patient coordinates of DICOM (LPS)."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from helpers.errors import InputError
from helpers.volumes.axial import axial_slices

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI counts to the right and to the front


def read_nifti(
    path: Path, modality: str | None, only: Mapping[str, Any] | None = None, reformat: str | None = None
) -> dict[str, Any]:
    """Facts of a 3D NIfTI file for `helpers.volumes.Volume`; voxels are loaded when first asked for.

    Where the axes lie is said by the affine, never by the voxel sizes. ``only={"volume": k}`` takes volume k of a
    4D file. Complex voxels are read as magnitudes; NaN and infinity are no measurements. Raises `InputError` for a
    damaged file, colours, no orientation, and slices that cannot be shown axially.
    """
    if not path.is_file():
        raise InputError("There is no such file.", path=path, remedy="Check the path.")
    try:
        image = nibabel.load(path)
        image.header.get_zooms()
    except Exception as error:  # nibabel, gzip and zlib each raise their own
        raise InputError(
            f"This is not a readable NIfTI file ({error}).", path=path, remedy="Copy or convert it again."
        ) from error
    if image.get_data_dtype().names:
        raise InputError(
            "The voxels are colours; a CT or MR volume has one value a voxel.",
            path=path,
            remedy="Give the volume that the colours were made from.",
        )
    image = _one_volume(image, path, only)
    ras = _affine(image, path)
    # Stored (i, j, k) is read as (k, j, i): slices first, as in DICOM.
    affine = (_TO_LPS @ ras)[:, [2, 1, 0, 3]]
    voxels = _voxels(image, path)
    nx, ny, nz = image.shape
    made = axial_slices(affine, (nz, ny, nx), lambda indices: voxels()[list(indices)], path, reformat)
    description = bytes(image.header["descrip"]).split(b"\0")[0].decode("latin-1")
    return {
        "path": path,
        "modality": modality,
        "units": "HU" if modality == "CT" else None,
        "shape": made.shape,
        "spacing": made.spacing,
        "affine": made.affine,
        "description": f"{description} ({made.note})".strip() if made.note else description,
        "_decode": made.decode,
        "notes": (f"The volume was {made.note}.",) if made.note else (),
    }


def volumes_in_nifti(path: Path) -> int:
    """How many volumes a file holds; 1 where it cannot be read, which its reader tells."""
    try:
        shape = nibabel.load(path).shape
    except Exception:
        return 1
    return int(np.prod(shape[3:]))


def _one_volume(image: Any, path: Path, only: Mapping[str, Any] | None) -> Any:
    if unknown := [key for key in only or {} if key != "volume"]:
        raise InputError(
            f"NIfTI has no {', '.join(unknown)}.",
            path=path,
            remedy='Leave it out; of a 4D file a volume is chosen by number: only={"volume": 0}.',
        )
    count = image.shape[3] if len(image.shape) == 4 else 1
    if len(image.shape) not in (3, 4) or (count > 1 and not only):
        choose = f' or choose one of its {count}: only={{"volume": 0}}, on the command line --only volume=0.'
        raise InputError(
            f"The file has {len(image.shape)} dimensions {tuple(image.shape)}; a volume has 3.",
            path=path,
            remedy="Save one of its volumes (echo, time point, b-value) as a file of its own"
            + (choose if len(image.shape) == 4 else "."),
        )
    if len(image.shape) == 3:
        return image
    number = str((only or {}).get("volume", 0))
    if not number.isdigit() or int(number) >= count:
        raise InputError(f"There is no volume {number}.", path=path, remedy=f"Use 0 to {count - 1}.")
    return image.slicer[..., int(number)]


def _affine(image: Any, path: Path) -> np.ndarray:
    """Index to RAS mm: the sform where it is valid, else the qform."""
    header = image.header
    for code, read in ((header["sform_code"], header.get_sform), (header["qform_code"], header.get_qform)):
        if not code:
            continue
        try:
            affine = np.array(read(), float)
        except Exception:  # a quaternion that is none
            continue
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        # A degenerate matrix, all zeros most often, lays two axes along one line.
        if not np.isfinite(affine).all() or lengths.min() < 1e-4:
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


def _voxels(image: Any, path: Path) -> Any:
    """Gives all voxels as (k, j, i), int16 where that is exact, read once."""
    lock = threading.Lock()  # slices are asked for from several threads

    @functools.cache
    def load() -> np.ndarray:
        try:
            data = np.asanyarray(image.dataobj)
        except Exception as error:
            raise InputError(
                f"The voxels cannot be read ({error}).", path=path, remedy="Copy or convert the file again."
            ) from error
        if data.dtype.kind == "c":
            data = np.abs(data)
        exact = data.dtype.kind in "iu" and data.dtype.itemsize <= 2 and data.dtype != np.uint16
        data = data.astype(np.int16 if exact else np.float32, copy=False)
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            data = np.where(np.isfinite(data), data, np.nan)
        return data.transpose(2, 1, 0)

    def voxels() -> np.ndarray:
        with lock:
            return load()

    return voxels
