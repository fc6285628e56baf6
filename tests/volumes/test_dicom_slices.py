"""Single slices: the pixels that pydicom reads, frames, compressed syntaxes, rescale of each slice."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import HealthCheck, given, reject, settings, strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from helpers.errors import InputError
from helpers.volumes import read_volume
from helpers.volumes.dicom_record import HEADER_KEYWORDS
from tests.conftest import DATA


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


def test_rescale_of_each_slice_is_applied(write_series) -> None:
    values = np.full((5, 2, 2), 10)
    volume = read_volume(write_series(values, RescaleSlope={k: 1 + k for k in range(5)}, RescaleIntercept=-1024))
    assert volume.slices(range(5))[:, 0, 0].tolist() == [10 * (1 + k) - 1024 for k in range(5)]
    half = read_volume(write_series(values, folder="half", RescaleSlope=0.5, RescaleIntercept=0))
    assert half.slices([0]).dtype == np.float32 and half.slices([0]).max() == 5


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


def edited(folder: Path, edit: Callable[[pydicom.Dataset, int], object]) -> Path:
    """``folder`` with its files changed by ``edit``, which is called with each data set and its number."""
    for k, file in enumerate(sorted(folder.iterdir())):
        read = pydicom.dcmread(file)
        ds = pydicom.Dataset(dict(read.items()))  # may be written in another encoding than it was read in
        ds.file_meta = read.file_meta
        edit(ds, k)
        ds.save_as(file, enforce_file_format=True)
    return folder


USED = [k for k in HEADER_KEYWORDS if not k.startswith(("PerFrame", "Shared", "ModalityLUT"))]
TEXTS = "|0|1|-1|0.5|0,5|5 mm|nan|inf|1e300|1e-300|1\\2|1\\1|x|1\\0\\0|0\\0\\0\\0\\0\\0|1\\0\\0\\0\\1\\0|65535"
TEXTS += "|CT\\MR|MONOCHROME1"
VALUES = st.one_of(
    st.sampled_from([text.encode() for text in TEXTS.split("|")]),
    st.binary(max_size=8),
    st.floats().map(lambda x: struct.pack("<d", x)),
)
CHANGE = st.tuples(
    st.sampled_from(USED),
    st.sampled_from(["DS", "IS", "US", "SS", "UL", "FD", "FL", "LO", "CS", "UI", "UN", "OB", "absent"]),
    VALUES,
)
FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def changed(ds: pydicom.Dataset, change: tuple[str, str, bytes]) -> None:
    """Make an attribute of a data set, wherever in it, one of another type, number or kind of values."""
    keyword, vr, value = change
    value += b" " * (len(value) % 2)
    for sequence in [ds[tag].value for tag in list(ds.keys()) if ds.get_item(tag).VR == "SQ"]:
        for item in sequence:
            changed(item, change)
    if keyword in ds:
        del ds[keyword]
        if vr != "absent":
            ds[keyword] = RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True, True)


def read_or_refused(folder: Path) -> None:
    try:
        volume = read_volume(folder)
        assert np.concatenate(list(volume.batches())).shape == volume.shape
        assert np.isfinite(volume.affine).all()
    except InputError as error:
        assert error.remedy and error.path


@FUZZ
@pytest.mark.filterwarnings("ignore")
@given(
    changes=st.lists(CHANGE, min_size=1, max_size=2), every=st.booleans(), modality=st.sampled_from(["CT", "MR"])
)
def test_any_attribute_of_another_kind_gives_a_volume_or_an_input_error(
    write_series, changes: list, every: bool, modality: str
) -> None:
    folder = write_series(np.arange(48).reshape(3, 4, 4), modality=modality, folder=modality)
    for file in sorted(folder.iterdir())[: None if every else 1]:
        ds = pydicom.dcmread(file)
        for change in changes:
            changed(ds, change)
        try:
            ds.save_as(file)
        except Exception:  # pydicom itself does not write it
            reject()
    read_or_refused(folder)


@FUZZ
@pytest.mark.filterwarnings("ignore")
@given(changes=st.lists(CHANGE, min_size=1, max_size=2))
def test_any_attribute_of_a_frame_of_another_kind_does_too(
    enhanced: pydicom.Dataset, tmp_path: Path, changes
) -> None:
    ds = pydicom.Dataset.from_json(enhanced.to_json())
    ds.file_meta = enhanced.file_meta
    for change in changes:
        changed(ds, change)
    try:
        ds.save_as(tmp_path / "e.dcm", enforce_file_format=True)
    except Exception:  # pydicom itself does not write it
        reject()
    read_or_refused(tmp_path)


@pytest.fixture(scope="module")
def enhanced() -> pydicom.Dataset:
    """The shipped Enhanced CT with small frames."""
    ds = pydicom.dcmread(DATA / "eCT_Supplemental.dcm")
    ds.Rows = ds.Columns = 4
    ds.PixelData = np.arange(32, dtype="<i2").tobytes()
    return ds


@pytest.mark.parametrize(
    "attributes",
    [
        {"PixelSpacing": ("DS", b"0,8\\0,8 ")},
        {"PixelSpacing": ("DS", b"0.8 mm\\0.8 mm ")},
        {"PixelSpacing": ("LO", b"0.8 ")},
        {"PixelSpacing": ("UN", b"0.8\\0.8 ")},
        {"PixelSpacing": ("FD", struct.pack("<dd", 0.8, 0.8))},
        {"SliceThickness": ("DS", b"2.5 mm")},
        {"Rows": ("UL", struct.pack("<L", 4)), "Columns": ("IS", b"4 ")},
        {"Rows": ("US", struct.pack("<HH", 4, 4))},
        {"RescaleSlope": ("DS", b"1,0 "), "RescaleIntercept": ("LO", b"0\\0 ")},
        {"AcquisitionNumber": ("IS", b"one "), "PatientID": ("US", b"\1\0\2\0")},
        {"NumberOfFrames": ("IS", b"")},
        {"PhotometricInterpretation": ("CS", b"monochrome2 "), "Modality": ("CS", b"ct")},
        {"SeriesInstanceUID": ("OB", b"\1\2\3\4"), "SOPClassUID": ("OB", b"\1\2\3\4")},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_values_of_the_wrong_kind_and_a_clear_meaning_are_read(write_series, attributes: dict) -> None:
    values = np.arange(48).reshape(3, 4, 4)

    def edit(ds: pydicom.Dataset, k: int) -> None:
        for keyword, (vr, value) in attributes.items():
            ds[keyword] = RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True, True)

    folder = write_series(values, PixelSpacing=[0.8, 0.8])
    volume = read_volume(edited(folder, edit))
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.8)) and np.array_equal(volume.slices(range(3)), values)
