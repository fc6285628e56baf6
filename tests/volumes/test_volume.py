"""Volumes: from files in any order and encoding to values in the layout that radiologists see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from helpers.data import fetch
from helpers.errors import InputError
from helpers.volumes import ct_to_rgb, mri_to_rgb, read_volume, select_slices
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


def test_an_offset_is_added_once_and_never_to_what_the_file_rescales(write_series) -> None:
    values = np.random.default_rng(0).integers(-900, 900, (5, 4, 4))
    stored = read_volume(write_series(values + 1024, folder="stored", PixelPaddingValue=24), offset=-1024)
    assert np.array_equal(stored.slices(range(5)), values) and stored.padding == (-1000, -1000)
    rescaled = write_series(values + 1024, folder="rescaled", RescaleIntercept=-1024)
    assert np.array_equal(read_volume(rescaled, offset=0).slices(range(5)), values)
    with pytest.raises(InputError, match=r"itself adds -1024 .*Leave the offset out"):
        read_volume(rescaled, offset=-1024)


def test_padding_is_never_resampled_into_what_was_measured(write_series) -> None:
    values = np.full((8, 9, 10), 400)
    values[:, :2] = 3000
    places = {k: [0.7 * k, 0, 0] for k in range(8)}
    turned = np.cos(np.radians(30)), np.sin(np.radians(30))
    tilted = {"ImageOrientationPatient": [0, turned[0], turned[1], 0, turned[1], -turned[0]]}
    about = {"modality": "MR", "PixelSpacing": [0.7, 0.7], "ImagePositionPatient": places, **tilted}
    volume = read_volume(write_series(values, PixelPaddingValue=3000, **about), reformat="axial")
    seen = volume.slices(range(volume.shape[0]))
    assert seen[volume.measured(seen)] == pytest.approx(400) and volume.padding is None
    assert 0.2 < volume.measured(seen).mean() < 0.8


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(0.01, 5), st.floats(-100, 100), st.sampled_from([0, 1, 4095, 32767, -2000]))
def test_padding_is_never_counted_whatever_its_rescale(
    write_series, slope: float, intercept: float, padding: int
) -> None:
    values = np.random.default_rng(0).integers(100, 900, (3, 4, 4))
    values[:, 0] = padding
    rescale = {"RescaleSlope": round(slope, 7), "RescaleIntercept": round(intercept, 5)}
    volume = read_volume(write_series(values, modality="MR", PixelPaddingValue=padding, **rescale))
    assert volume.measured(volume.slices(range(3))).sum() == 3 * 12
