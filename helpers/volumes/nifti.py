"""NIfTI files as axial volumes in the patient coordinates of DICOM (LPS)."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from helpers.errors import InputError


def read_nifti(path: Path, modality: str | None) -> dict[str, Any]:
    """Facts of a 3D NIfTI file for `helpers.volumes.Volume`; voxels are loaded when first asked for.

    NIfTI axes run to the patient's right or left as the affine says; they are reordered and flipped, never
    resampled. Raises `InputError` for a damaged file, no orientation, 4D data, or slices that are not axial.
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
    if len(image.shape) == 4 and image.shape[3] == 1:
        image = image.slicer[..., 0]
    if len(image.shape) != 3:
        raise InputError(
            f"The file has {len(image.shape)} dimensions {tuple(image.shape)}; a volume has 3.",
            path=path,
            remedy="Save one of its volumes (echo, time point, b-value) as a file of its own.",
        )
    if not (image.header["sform_code"] or image.header["qform_code"]):
        raise InputError(
            "The file does not say how its axes lie in the patient (sform and qform codes are 0).",
            path=path,
            remedy="Convert it again from DICOM, for example with dcm2niix.",
        )
    image = nibabel.as_closest_canonical(image)  # axes to the right, anterior, superior
    dx, dy, dz = (float(s) for s in nibabel.affines.voxel_sizes(image.affine))
    leaning = abs(image.affine[2, 2]) / dz
    if leaning < 0.8 or dz < 0.67 * max(dx, dy):
        raise InputError(
            f"The slices are not axial (spacing {dx:.2f} x {dy:.2f} x {dz:.2f} mm along x, y, z).",
            path=path,
            remedy="Choose the axial series of the study, or resample this one to axial slices.",
        )

    nx, ny, nz = image.shape
    ras = image.affine
    # index (z, y, x) with x and y flipped -> RAS -> LPS
    affine = np.eye(4)
    affine[:3, :3] = np.stack([ras[:3, 2], -ras[:3, 1], -ras[:3, 0]], axis=1)
    affine[:3, 3] = ras[:3, 3] + ras[:3, 0] * (nx - 1) + ras[:3, 1] * (ny - 1)
    affine[:2] *= -1

    lock = threading.Lock()  # slices are asked for from several threads, and the file is to be read once

    @functools.cache
    def voxels() -> np.ndarray:
        try:
            data = np.asanyarray(image.dataobj)
        except Exception as error:
            raise InputError(
                f"The voxels cannot be read ({error}).", path=path, remedy="Copy or convert the file again."
            ) from error
        exact = data.dtype.kind in "iu" and data.dtype.itemsize <= 2 and data.dtype != np.uint16
        data = data.astype(np.int16 if exact else np.float32, copy=False)
        return data.transpose(2, 1, 0)[:, ::-1, ::-1]

    def decode(indices: Sequence[int]) -> np.ndarray:
        with lock:
            whole = voxels()
        return whole[list(indices)]

    return {
        "path": path,
        "modality": modality,
        "units": "HU" if modality == "CT" else None,
        "shape": (nz, ny, nx),
        "spacing": (dz, dy, dx),
        "affine": affine,
        "description": bytes(image.header["descrip"]).split(b"\0")[0].decode("latin-1"),
        "_decode": decode,
    }
