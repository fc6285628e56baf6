"""Single slices: the pixels that pydicom reads, frames, compressed syntaxes, rescale of each slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest

from helpers.errors import InputError
from helpers.volumes import read_volume
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
