"""NIfTI: the same layout as DICOM, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from helpers.data import fetch
from helpers.errors import InputError
from helpers.volumes import read_volume


def test_nifti_gives_the_layout_of_dicom() -> None:
    volume = read_volume(fetch("mri-t1"), modality="MR")
    image = nibabel.load(fetch("mri-t1"))
    assert volume.shape == (189, 233, 197)
    x, y, z = 120, 40, 90
    k, j, i = z, 232 - y, 196 - x
    assert volume.slices([k])[0, j, i] == np.asarray(image.dataobj)[x, y, z]
    assert (volume.affine @ [k, j, i, 1])[:3] == pytest.approx((image.affine @ [x, y, z, 1])[:3] * [-1, -1, 1])


def test_damaged_and_unsuitable_nifti_is_refused(tmp_path: Path) -> None:
    whole = fetch("mri-t1").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii").write_text("no image")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), np.eye(4)), tmp_path / "four.nii.gz")
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.diag([1, 5, 1, 1])), tmp_path / "coronal.nii"
    )
    for name in ("cut.nii.gz", "text.nii", "four.nii.gz", "coronal.nii", "absent.nii"):
        with pytest.raises(InputError, match=name):
            read_volume(tmp_path / name, modality="MR").slices([0])
