"""Slices that are not axial: turned voxel for voxel, resampled on request, or refused with what works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.ndimage import affine_transform

from helpers.data import fetch
from helpers.errors import InputError
from helpers.volumes import read_volume, volume_to_rgb
from helpers.volumes.axial import axial_slices
from tests.volumes.test_axes import turned

FIRST = np.array([3.0, -7.0, 11.0])  # where voxel (0, 0, 0) lies, LPS


def restacked(voxels: np.ndarray, spacing: tuple[float, float, float], plane: str) -> tuple[np.ndarray, dict]:
    """Axial ``voxels`` as slices of another plane, head up, and the attributes that say so."""
    dz, dy, dx = spacing
    top = FIRST + np.array([0, 0, dz * (len(voxels) - 1)])
    if plane == "sagittal":
        planes, along, step, spacings = voxels[::-1].transpose(2, 0, 1), [0, 1, 0], [dx, 0, 0], [dz, dy]
    else:
        planes, along, step, spacings = voxels[::-1].transpose(1, 0, 2), [1, 0, 0], [0, dy, 0], [dz, dx]
    places = {k: list(top + k * np.array(step)) for k in range(len(planes))}
    return planes, {
        "ImageOrientationPatient": [*along, 0, 0, -1],
        "ImagePositionPatient": places,
        "PixelSpacing": spacings,
    }


@pytest.mark.parametrize("plane", ["sagittal", "coronal"])
@pytest.mark.parametrize(("name", "modality"), [("mri-t1", "MR"), ("ct-head", "CT")])
def test_a_turned_head_gives_the_same_axial_slices(
    write_series: Callable[..., Path], plane: str, name: str, modality: str
) -> None:
    whole = read_volume(fetch(name), modality=modality)
    voxels = whole.slices(range(0, whole.shape[0], 3))[:, ::4, ::4]
    spacing = (3 * whole.spacing[0], *(4 * s for s in whole.spacing[1:]))
    axial = read_volume(
        write_series(
            voxels,
            folder="axial",
            modality=modality,
            PixelSpacing=list(spacing[1:]),
            ImagePositionPatient={k: [*FIRST[:2], FIRST[2] + k * spacing[0]] for k in range(len(voxels))},
        )
    )
    planes, said = restacked(voxels, spacing, plane)
    volume = read_volume(write_series(planes, modality=modality, **said))
    assert volume.notes == (f"The volume was turned from {plane} to axial, without resampling.",)
    assert volume.spacing == pytest.approx(axial.spacing)
    assert volume.affine == pytest.approx(axial.affine)
    assert np.array_equal(volume.slices(range(len(voxels))), voxels)
    assert np.array_equal(volume_to_rgb(volume), volume_to_rgb(axial))


@pytest.mark.parametrize("stored_as", ["sagittal", "axial"])
def test_thick_sagittal_slices_are_refused_however_they_are_stored(tmp_path: Path, stored_as: str) -> None:
    voxels = np.random.default_rng(0).integers(0, 900, (10, 40, 30)).astype(np.int16)  # x, y, z
    image = nibabel.Nifti1Image(voxels, np.diag([5, 1, 1, 1]))
    if stored_as == "sagittal":
        image = image.as_reoriented(nibabel.orientations.axcodes2ornt("PSR"))
    nibabel.save(image, tmp_path / "thick.nii")
    with pytest.raises(InputError, match=r"thick.nii.*pixels of 1 x 5 mm.*--reformat axial"):
        read_volume(tmp_path / "thick.nii", modality="MR")
    volume = read_volume(tmp_path / "thick.nii", modality="MR", reformat="axial")
    assert volume.shape == (30, 40, 46) and volume.spacing == (1, 1, 1)
    # Every fifth column is one that was taken; those between lie on a line. R to L and A to P, as always.
    taken = voxels[::-1, ::-1].transpose(2, 1, 0)
    assert volume.slices(range(30))[..., ::5] == pytest.approx(taken)
    assert volume.slices([4])[0, :, 1] == pytest.approx(0.8 * taken[4, :, 0] + 0.2 * taken[4, :, 1], abs=1e-3)


def phantom(places: np.ndarray) -> np.ndarray:
    """Something smooth in the patient: two blobs that are not alike, at places (..., 3) in mm."""
    left = np.exp(-(((places - [12, -5, 8]) / [9, 12, 10]) ** 2).sum(-1))
    return 100 + 800 * left + 500 * np.exp(-(((places - [-10, -8, -6]) / 8) ** 2).sum(-1))


@pytest.mark.parametrize(("degrees", "axis"), [(25, 0), (40, 1), (45, 2)])
def test_an_oblique_volume_is_resampled_to_what_lies_there(degrees: float, axis: int) -> None:
    shape, affine = (50, 60, 56), np.eye(4)
    sagittal = np.diag([1.2, 1.0, 1.0])[:, [0, 2, 1]]
    affine[:3, :3] = turned(degrees, axis) @ sagittal
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    index = np.moveaxis(np.indices(shape), 0, -1)
    stored = phantom(index @ affine[:3, :3].T + affine[:3, 3]).astype(np.float32)
    with pytest.raises(InputError, match=rf"{degrees} degrees off.*--reformat axial"):
        axial_slices(affine, shape, stored.__getitem__, "oblique")
    made = axial_slices(affine, shape, lambda ks: stored[list(ks)], "oblique", "axial")
    values = made.decode(range(made.shape[0]))
    there = np.moveaxis(np.indices(made.shape), 0, -1) @ made.affine[:3, :3].T + made.affine[:3, 3]
    known = np.isfinite(values)
    assert 0.3 < known.mean() < 0.95  # the corners were not taken
    assert np.abs(values - phantom(there))[known].max() < 12  # of 800: trilinear, 1.2 mm
    back = np.linalg.inv(affine) @ made.affine
    by_scipy = affine_transform(stored, back[:3, :3], back[:3, 3], made.shape, order=1, cval=np.nan)
    both = known & np.isfinite(by_scipy)
    assert values[both] == pytest.approx(by_scipy[both], abs=0.01) and both.sum() > 0.99 * known.sum()


@pytest.mark.parametrize("absent", [-32768, np.nan])
def test_what_was_not_measured_is_never_mixed_into_what_was(absent: float) -> None:
    stored = np.full((10, 20, 20), 50, np.float32)
    stored[:, :6] = absent
    affine = np.eye(4)
    affine[:3, :3] = turned(40, 1) @ np.eye(3)[:, [0, 2, 1]]
    made = axial_slices(affine, stored.shape, lambda ks: stored[list(ks)], "padded", "axial", (-32768, -32768))
    values = made.decode(range(made.shape[0]))
    assert np.nanmin(values) == pytest.approx(50) and np.nanmax(values) == pytest.approx(50)
    assert np.isnan(values).any()


def test_an_unknown_reformat_is_refused() -> None:
    def never(_: Any) -> np.ndarray:
        raise AssertionError("decoded")

    with pytest.raises(InputError, match="coronal"):
        axial_slices(np.eye(4), (5, 5, 5), never, "x", "coronal")
