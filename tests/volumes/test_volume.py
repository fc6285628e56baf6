"""Volumes: from files in any order and encoding to the slices that the model sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
