"""A stack of slices: sorted, checked, and chosen among several; spoiled series are one clear error."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest

from helpers.errors import InputError
from helpers.volumes import read_volume


def test_order_comes_from_positions_alone(head_ct: Path, head_ct_copy: Path) -> None:
    """File names shuffled and InstanceNumber reversed give the same volume."""
    files = sorted(head_ct_copy.iterdir())
    names = [f"{k:05d}.dcm" for k in range(len(files))]
    random.Random(0).shuffle(names)
    for file, name in zip(files, names, strict=True):
        ds = pydicom.dcmread(file)
        ds.InstanceNumber = 1000 - ds.InstanceNumber
        ds.save_as(file)
        file.rename(file.with_name(name + "x"))
    for file in head_ct_copy.iterdir():
        file.rename(file.with_suffix(".dcm"))
    original, shuffled = read_volume(head_ct), read_volume(head_ct_copy)
    assert np.array_equal(original.affine, shuffled.affine)
    picked = [0, 1, 53, 107]
    assert np.array_equal(original.slices(picked), shuffled.slices(picked))


def test_several_acquisitions_are_listed_and_one_can_be_chosen(write_series) -> None:
    values = np.arange(10).reshape(10, 1, 1) * np.ones((10, 2, 2))
    where = {k: [0, 0, 2.5 * (k % 5)] for k in range(10)}
    folder = write_series(values, ImagePositionPatient=where, AcquisitionNumber={k: 1 + k // 5 for k in range(10)})
    with pytest.raises(InputError, match=r"(?s)2 volumes.*AcquisitionNumber=1.*AcquisitionNumber=2.*only="):
        read_volume(folder)
    assert read_volume(folder, only={"AcquisitionNumber": 2}).slices([0]).max() == 5
    with pytest.raises(InputError, match="Nothing matches"):
        read_volume(folder, only={"AcquisitionNumber": 3})


def test_uneven_series_can_be_taken_as_it_is(head_ct_copy: Path) -> None:
    sorted(head_ct_copy.iterdir())[50].unlink()
    assert read_volume(head_ct_copy, uniform=False).shape[0] == 107


def spoil_cut(folder: Path) -> str:
    file = sorted(folder.iterdir())[7]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return f"{file.name}.*cut off"


def spoil_header(folder: Path) -> str:
    file = sorted(folder.iterdir())[7]
    file.write_bytes(file.read_bytes()[:600])
    return file.name


def spoil_missing(folder: Path) -> str:
    file = sorted(folder.iterdir())[30]
    file.unlink()
    return r"unevenly spaced: 3\.00 mm.*1 missing"


def spoil_duplicate(folder: Path) -> str:
    file = sorted(folder.iterdir())[30]
    (folder / "again.dcm").write_bytes(file.read_bytes())
    return f"same position.*({file.name}|again.dcm)"


def spoil_mixed(folder: Path) -> str:
    for k, file in enumerate(sorted(folder.iterdir())):
        if k % 2:
            ds = pydicom.dcmread(file)
            ds.SeriesInstanceUID = ds.SeriesInstanceUID + ".9"
            ds.save_as(file)
    return r"(?s)2 volumes.*54 CT axial slices.*54 CT axial slices.*SeriesInstanceUID"


def spoil_spacing(folder: Path) -> str:
    file = sorted(folder.iterdir())[30]
    ds = pydicom.dcmread(file)
    ds.PixelSpacing = [0.5, 0.5]
    ds.save_as(file)
    return "2 volumes"


def spoil_rescale(folder: Path) -> str:
    file = sorted(folder.iterdir())[30]
    ds = pydicom.dcmread(file)
    del ds.RescaleIntercept
    ds.save_as(file)
    return f"{file.name}.*not Hounsfield units"


def spoil_empty(folder: Path) -> str:
    for file in folder.iterdir():
        file.unlink()
    return "holds no DICOM files"


def spoil_text(folder: Path) -> str:
    (folder / "notes.dcm").write_text("Dear colleague, " * 50)
    return "notes.dcm.*not a DICOM file"


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_cut,
        spoil_header,
        spoil_missing,
        spoil_duplicate,
        spoil_mixed,
        spoil_spacing,
        spoil_rescale,
        spoil_empty,
        spoil_text,
    ],
)
def test_a_spoiled_series_is_one_clear_error(head_ct_copy: Path, spoil) -> None:
    expected = spoil(head_ct_copy)
    with pytest.raises(InputError, match=expected) as caught:
        read_volume(head_ct_copy)
    assert caught.value.remedy
