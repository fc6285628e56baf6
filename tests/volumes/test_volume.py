"""Volumes: from files in any order and encoding to the slices that the model sees."""

from __future__ import annotations

import random
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import given, strategies as st

from helpers.data import fetch
from helpers.errors import InputError
from helpers.volumes import apply_window, ct_to_rgb, mri_to_rgb, read_volume, select_slices
from tests.conftest import DATA


def test_head_ct_is_read_in_hounsfield_units_and_patient_coordinates(head_ct: Path) -> None:
    volume = read_volume(head_ct)
    assert (volume.modality, volume.units, volume.shape) == ("CT", "HU", (108, 256, 256))
    assert volume.spacing == pytest.approx((1.5, 0.957, 0.957), abs=1e-3)
    lowest, highest = volume.slices([0, 107])
    assert lowest.dtype == np.int16
    assert lowest.min() >= -1100 and 1000 < volume.slices([54]).max() < 4000  # air and bone
    step = volume.affine @ [1, 0, 0, 0]
    assert step[2] == pytest.approx(1.5)  # index 0 is the lowest slice
    assert not np.array_equal(lowest, highest)


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


def test_only_the_slices_asked_for_are_decoded(head_ct_copy: Path) -> None:
    """Pixel data of other slices may even be garbage of the right length."""
    volume = read_volume(head_ct_copy)
    before = volume.slices([3])
    files = {pydicom.dcmread(f).ImagePositionPatient[2]: f for f in head_ct_copy.iterdir()}
    ds = pydicom.dcmread(files[sorted(files)[4]])
    ds.PixelData = pydicom.encaps.encapsulate([b"\0" * 100])
    ds.save_as(files[sorted(files)[4]])
    assert np.array_equal(before, read_volume(head_ct_copy).slices([3]))
    with pytest.raises(InputError, match=files[sorted(files)[4]].name):
        read_volume(head_ct_copy).slices([4])


def test_windows_at_known_hounsfield_values(write_series) -> None:
    """Values computed by hand: clip, scale to 0..255, round to nearest."""
    by_hand = {-2000: (0, 0, 0), -1024: (0, 0, 0), 0: (128, 98, 0), 8: (128, 104, 26), 40: (132, 128, 128)}
    by_hand |= {80: (137, 157, 255), 215: (154, 255, 255), 1024: (255, 255, 255), 3000: (255, 255, 255)}
    values = np.zeros((5, 3, 3), np.int16)
    values[0] = np.array(list(by_hand)).reshape(3, 3)
    rgb = ct_to_rgb(read_volume(write_series(values)), [0])
    assert rgb.dtype == np.uint8
    # 8 HU in the brain window is 25.5, which rounds to the even neighbour 26
    assert {hu: tuple(map(int, c)) for hu, c in zip(by_hand, rgb[0].reshape(9, 3), strict=True)} == by_hand


def test_mri_is_scaled_by_the_whole_volume_not_by_slice(write_series) -> None:
    values = np.zeros((6, 4, 4))
    values[1], values[4] = 50, 200
    volume = read_volume(write_series(values, modality="MR"), modality="MR")
    rgb = mri_to_rgb(volume, [0, 1, 4])
    assert [int(s.max()) for s in rgb] == [0, 64, 255]
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


def test_rescale_of_each_slice_is_applied(write_series) -> None:
    values = np.full((5, 2, 2), 10)
    volume = read_volume(write_series(values, RescaleSlope={k: 1 + k for k in range(5)}, RescaleIntercept=-1024))
    assert volume.slices(range(5))[:, 0, 0].tolist() == [10 * (1 + k) - 1024 for k in range(5)]
    half = read_volume(write_series(values, folder="half", RescaleSlope=0.5, RescaleIntercept=0))
    assert half.slices([0]).dtype == np.float32 and half.slices([0]).max() == 5


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, -1, 0], [-1, 0, 0, 0, -1, 0], [0, 1, 0, 1, 0, 0]])
def test_slices_are_turned_to_the_radiological_layout(write_series, orientation: list[int]) -> None:
    """A point of the patient keeps its coordinates whichever way the rows were stored."""
    values = np.zeros((5, 4, 6))
    values[2, 1, 4] = 99
    first, along, down = np.array([-10, -20, 5]), np.array(orientation[:3]), np.array(orientation[3:])
    point = first + 4 * 0.7 * along + 1 * 0.8 * down
    volume = read_volume(write_series(values, ImageOrientationPatient=orientation))
    index = np.argwhere(volume.slices(range(5)) == 99)[0]
    assert (volume.affine @ [*index, 1])[:3] == pytest.approx(point)
    assert (np.diag(volume.affine[2::-1, :3]) > 0).all()  # z up, y to posterior, x to left


def test_nifti_gives_the_layout_of_dicom() -> None:
    volume = read_volume(fetch("mri-t1"), modality="MR")
    image = nibabel.load(fetch("mri-t1"))
    assert volume.shape == (189, 233, 197)
    x, y, z = 120, 40, 90
    k, j, i = z, 232 - y, 196 - x
    assert volume.slices([k])[0, j, i] == np.asarray(image.dataobj)[x, y, z]
    assert (volume.affine @ [k, j, i, 1])[:3] == pytest.approx((image.affine @ [x, y, z, 1])[:3] * [-1, -1, 1])


@pytest.mark.parametrize(
    "path", [DATA / "explicit_VR-UN.dcm", *map(pydicom.data.get_testdata_file, ("CT_small.dcm", "MR_small.dcm"))]
)
def test_single_slices_read_as_pydicom_reads_them(path: Path) -> None:
    ds = pydicom.dcmread(path)
    expected = pydicom.pixels.apply_modality_lut(ds.pixel_array, ds)
    plane = read_volume(path).slices([0])[0]
    steps = ds.ImageOrientationPatient[4], ds.ImageOrientationPatient[0]
    assert np.array_equal(plane, np.flip(expected, [axis for axis, step in enumerate(steps) if step < 0]))


def test_enhanced_multi_frame_is_read_by_frame() -> None:
    ds = pydicom.dcmread(DATA / "eCT_Supplemental.dcm")
    volume = read_volume(DATA / "eCT_Supplemental.dcm")
    assert volume.shape == (2, 512, 512) and volume.spacing[0] == pytest.approx(10)
    heights = [f.PlanePositionSequence[0].ImagePositionPatient[2] for f in ds.PerFrameFunctionalGroupsSequence]
    stored = ds.pixel_array[np.argsort(heights)].astype(np.float32) - 1024
    assert np.array_equal(volume.slices([0, 1]), stored[:, :, ::-1])  # its columns run to the right


@pytest.mark.parametrize(
    "name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_compressed_transfer_syntaxes_equal_the_uncompressed_file(name: str) -> None:
    plain = pydicom.data.get_testdata_file("MR_small.dcm")
    packed = pydicom.data.get_testdata_file(name)
    assert np.array_equal(read_volume(plain).slices([0]), read_volume(packed).slices([0]))


@given(n=st.integers(5, 3000), limit=st.integers(2, 200))
def test_selected_slices_are_equidistant_with_both_ends(n: int, limit: int) -> None:
    chosen = select_slices(n, limit)
    assert len(chosen) == min(n, limit) and chosen[0] == 0 and chosen[-1] == n - 1
    steps = np.diff(chosen)
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1


@given(low=st.integers(-2000, 100), width=st.integers(1, 3000), value=st.integers(-4000, 4000))
def test_a_window_is_monotone_and_within_half_a_step(low: int, width: int, value: int) -> None:
    got = apply_window(np.array([value, value + 1]), low, low + width)
    exact = 255 * (np.clip(value, low, low + width) - low) / width
    assert abs(int(got[0]) - exact) <= 0.5 + 1e-4 and got[1] >= got[0]


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


def spoil_coronal(folder: Path) -> str:
    for file in folder.iterdir():
        ds = pydicom.dcmread(file)
        ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        ds.save_as(file)
    return "coronal"


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
        spoil_coronal,
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


def test_the_wrong_modality_is_refused(write_series) -> None:
    mr = write_series(np.random.default_rng(0).integers(0, 9, (5, 2, 2)), folder="mr", modality="MR")
    ct = write_series(np.zeros((5, 2, 2)), folder="ct")
    perfusion = read_volume(DATA / "eCT_Supplemental.dcm")
    for call in (
        lambda: read_volume(mr, modality="CT"),
        lambda: ct_to_rgb(read_volume(mr)),
        lambda: mri_to_rgb(read_volume(ct)),
        lambda: ct_to_rgb(perfusion),
        lambda: ct_to_rgb(read_volume(fetch("mri-t1"))),
        lambda: read_volume(fetch("chest-radiograph")),
        lambda: select_slices(4),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.remedy


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
