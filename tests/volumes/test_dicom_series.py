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
from helpers.volumes.dicom_series import is_even


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
    with pytest.raises(InputError, match="No volume matches"):
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


def at(heights: np.ndarray, tilt: float = 0.0, decimals: int = 9) -> dict[str, dict[int, list[float]]]:
    """Attributes of slices at ``heights`` along a normal that leans back by ``tilt`` degrees."""
    sine, cosine = np.sin(np.radians(tilt)), np.cos(np.radians(tilt))
    places = [[0, -sine * h, cosine * h] for h in heights]
    return {
        "ImagePositionPatient": {k: [round(float(x), decimals) for x in place] for k, place in enumerate(places)},
        "ImageOrientationPatient": {k: [1, 0, 0, 0, float(cosine), float(sine)] for k in range(len(heights))},
    }


@pytest.mark.parametrize("spacing", [0.25, 0.3, 1 / 3, 0.5, 0.625, 0.7, 1.25, 2.5])
@pytest.mark.parametrize("first", [0, 0.03, -17.37])
@pytest.mark.parametrize("tilt", [0, 25])
def test_positions_with_one_decimal_are_even_and_a_gap_among_them_is_not(
    spacing: float, first: float, tilt: float
) -> None:
    for count in (5, 12, 80):
        if spacing < 0.5 and (count == 5 or (tilt and spacing < 0.3)):
            continue  # rounding and a gap look the same
        heights = first + spacing * np.arange(count)
        for missing, expected in ((None, True), (1, False), (count // 2, False), (count - 2, False)):
            kept = heights if missing is None else np.delete(heights, missing)
            places = np.array(list(at(kept, tilt, 1)["ImagePositionPatient"].values()))
            normal = np.array([0, -np.sin(np.radians(tilt)), np.cos(np.radians(tilt))])
            assert is_even(places @ normal, 0.05 * np.abs(normal).sum()) is expected


@pytest.mark.parametrize(
    "heights", [[0, 0.3, 0.9], [0, 2.5, 7.5], [0, 5, 10, 20], [0, 2.5, 5, 10, 15], [0, 1, 1, 2]]
)
def test_what_is_not_even(heights: list[float]) -> None:
    assert not is_even(np.array(heights))


def test_rounded_positions_give_the_spacing_of_the_whole_stack(write_series) -> None:
    where = at(0.625 * np.arange(41), decimals=1)
    folder = write_series(np.arange(41).reshape(41, 1, 1) * np.ones((41, 4, 4)), **where)
    assert read_volume(folder).spacing[0] == pytest.approx(0.625)
    (folder / "0020.dcm").unlink()
    with pytest.raises(InputError, match=r"0019\.dcm.*unevenly spaced: 1\.[23]0 mm.*1 missing; 1 such places"):
        read_volume(folder)


def test_tolerances_have_no_edges(write_series) -> None:
    """Values on both sides of where rounding would part them."""
    turned = {k: [1, (-1) ** k * 4e-5, 0, 0, 1, 0] for k in range(6)}
    spaced = {k: [0.7995, 0.7995] if k % 2 else [0.8005, 0.8005] for k in range(6)}
    values = np.zeros((6, 3, 3))
    volume = read_volume(write_series(values, ImageOrientationPatient=turned, PixelSpacing=spaced))
    assert volume.shape[0] == 6
    for folder, attributes in {
        "turned": {"ImageOrientationPatient": {k: [1, 2e-4 * (k % 2), 0, 0, 1, 0] for k in range(6)}},
        "spaced": {"PixelSpacing": {k: [0.8 + 0.003 * (k % 2)] * 2 for k in range(6)}},
    }.items():
        with pytest.raises(InputError, match="2 volumes"):
            read_volume(write_series(values, folder=folder, **attributes))


def test_a_slice_that_lies_aside_is_named_and_a_tilted_gantry_is_none(write_series) -> None:
    tilted = {k: [-10, -20 + 0.9 * k, 2.5 * k] for k in range(8)}
    volume = read_volume(write_series(np.zeros((8, 4, 4)), folder="tilted", ImagePositionPatient=tilted))
    assert volume.affine[:3, 0] == pytest.approx([0, 0.9, 2.5])
    for aside in ({7}, {0, 1, 2}, {3}):
        places = {k: [20 if k in aside else -10, -20, 2.5 * k] for k in range(8)}
        folder = write_series(np.zeros((8, 4, 4)), folder=f"aside{min(aside)}", ImagePositionPatient=places)
        for uniform in (True, False):
            with pytest.raises(InputError, match=f"000{min(aside)}.dcm.*30.0 mm to the side"):
                read_volume(folder, uniform=uniform)


def test_uneven_slices_keep_their_places_and_are_not_turned(write_series) -> None:
    heights = [0, 1, 2, 3, 8, 9]
    places = {k: [0, 0, heights[k]] for k in range(6)}
    about = {"ImagePositionPatient": places, "PixelSpacing": [1, 1]}
    volume = read_volume(write_series(np.zeros((6, 8, 8)), **about), uniform=False)
    assert (volume.affine @ [volume.z_places, *np.zeros((2, 6)), np.ones(6)])[2] == pytest.approx(heights)
    assert volume.notes == ("The slices are unevenly spaced: 1.00 to 5.00 mm lie between them.",)
    upside_down = {"ImageOrientationPatient": [1, 0, 0, 0, -1, 0]}
    volume = read_volume(write_series(np.zeros((6, 8, 8)), folder="down", **about, **upside_down), uniform=False)
    assert (volume.affine @ [volume.z_places, *np.zeros((2, 6)), np.ones(6)])[2] == pytest.approx(heights)
    sagittal = {
        "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
        "ImagePositionPatient": {k: [heights[k], 0, 0] for k in range(6)},
    }
    folder = write_series(np.zeros((6, 8, 8)), folder="sagittal", **about | sagittal)
    with pytest.raises(InputError, match="unevenly spaced and would have to be turned"):
        read_volume(folder, uniform=False)


@pytest.mark.parametrize("of_slice", [lambda k: 1 + k // 3, lambda k: k, lambda k: k % 2])
def test_acquisitions_along_the_table_are_one_volume(write_series, of_slice) -> None:
    numbers = {k: of_slice(k) for k in range(6)}
    assert read_volume(write_series(np.zeros((6, 3, 3)), AcquisitionNumber=numbers)).shape[0] == 6


def test_acquisitions_among_each_other_at_uneven_distances_are_several(write_series) -> None:
    where = {k: [0, 0, 5 * (k // 2) + 1.5 * (k % 2)] for k in range(8)}
    numbers = {k: 1 + k % 2 for k in range(8)}
    folder = write_series(np.zeros((8, 3, 3)), ImagePositionPatient=where, AcquisitionNumber=numbers)
    with pytest.raises(InputError, match=r"(?s)2 volumes.*AcquisitionNumber=1.*AcquisitionNumber=2"):
        read_volume(folder)
    assert read_volume(folder, only={"AcquisitionNumber": 2}).spacing[0] == pytest.approx(5)
