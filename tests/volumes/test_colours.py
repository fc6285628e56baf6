"""Which slices the model gets, and in which colours: windows, ranges, square pixels, blank ends, units."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import ndimage

from helpers.data import fetch
from helpers.errors import InputError
from helpers.prompts import CT_WINDOWS, CT_WINDOWS_1
from helpers.volumes import (
    Volume,
    apply_window,
    ct_to_rgb,
    measured_range,
    mri_to_rgb,
    read_volume,
    select_slices,
    tissue_slices,
    volume_to_rgb,
)


def volume_of(
    voxels: np.ndarray, modality: str = "MR", pixel: tuple[float, float] = (1, 1), **facts: Any
) -> Volume:
    settled = {"path": Path("made"), "units": "HU" if modality == "CT" else None, "affine": np.eye(4)}
    settled |= {"description": "", "_decode": lambda indices: voxels[list(indices)]}
    return Volume(modality=modality, shape=voxels.shape, spacing=(2, *pixel), **settled | facts)


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


def test_the_windows_of_medgemma_1_have_a_wider_red(write_series) -> None:
    """By hand, width 2,250 and level -100: from -1,225 to 1,025 HU."""
    red = {-1225: 0, -1000: 26, -100: 128, 0: 139, 1024: 255, 1025: 255}
    values = np.resize(np.array(list(red), np.int16), (5, 3, 2))
    volume = read_volume(write_series(values))
    old, new = (ct_to_rgb(volume, [0], windows=windows)[0].reshape(6, 3) for windows in (CT_WINDOWS_1, CT_WINDOWS))
    assert dict(zip(red, map(int, old[:, 0]), strict=True)) == red
    assert np.array_equal(old[:, 1:], new[:, 1:]) and np.array_equal(new, ct_to_rgb(volume, [0])[0].reshape(6, 3))
    for wrong in ({"wide": (0, 80)}, {**CT_WINDOWS, "brain": (80, 0)}):
        with pytest.raises(InputError, match="does not hold three windows"):
            ct_to_rgb(volume, windows=wrong)


def test_mri_is_scaled_by_the_whole_volume_not_by_slice(write_series) -> None:
    values = np.zeros((6, 4, 4))
    values[1], values[4] = 50, 200
    volume = read_volume(write_series(values, modality="MR"), modality="MR")
    rgb = mri_to_rgb(volume, [0, 1, 4])
    assert [int(s.max()) for s in rgb] == [0, 64, 255]
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


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


# What was not measured


@pytest.mark.parametrize(
    ("absent", "padding"),
    [(-32768, (-32768, -32768)), (32767, (32000, 32767)), (np.nan, None), (np.inf, None), (-np.inf, None)],
)
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_padding_and_nan_never_count_and_are_black(absent: float, padding: Any, modality: str) -> None:
    measured = np.linspace(-900, 1100, 6 * 8 * 8).reshape(6, 8, 8).round()
    spoiled = measured.astype(np.float32)
    spoiled[1:, :2] = absent
    volume = volume_of(spoiled.astype(np.int16) if padding else spoiled, modality, padding=padding)
    assert measured_range(volume) == (-900, 1100)
    expected = volume_to_rgb(volume_of(measured.astype(np.int16), modality))
    expected[1:, :2] = 0
    assert np.array_equal(volume_to_rgb(volume), expected)


@pytest.mark.parametrize("modality", ["MR", "CT"])
@pytest.mark.parametrize(("value", "said"), [(np.nan, "no voxel was measured"), (7, "all values are 7")])
def test_a_volume_without_contrast_is_refused(modality: str, value: float, said: str) -> None:
    with pytest.raises(InputError, match=f"made.*no contrast: {said}"):
        volume_to_rgb(volume_of(np.full((6, 4, 4), value, np.float32), modality))


# Square pixels


@pytest.mark.parametrize("pixel", [(1, 1.33), (1.33, 1), (0.5, 1), (1, 0.5)])
@pytest.mark.parametrize("longer", [266, 798])
def test_a_ball_is_round_whatever_the_pixels(pixel: tuple[float, float], longer: int) -> None:
    """Of 0.6 of the picture in millimetres, so that it must be so many pixels high and wide."""
    dy, dx = pixel
    ny, nx = round(longer / dy * min(pixel)), round(longer / dx * min(pixel))
    y, x = ((np.arange(n) - (n - 1) / 2) * d for n, d in ((ny, dy), (nx, dx)))
    ball = np.hypot(y[:, None], x) < 0.3 * longer * min(pixel)
    rgb = mri_to_rgb(volume_of(np.stack([ball * 900] * 5).astype(np.int16), "MR", pixel))[2, ..., 0]
    side = min(longer, 512)
    assert rgb.shape == pytest.approx((side, side), abs=1)
    inside = np.argwhere(rgb > 127)
    # Within one pixel as stored.
    assert np.ptp(inside, axis=0) + 1 == pytest.approx(0.6 * side, abs=max(pixel) / min(pixel))
    assert inside.mean(0) == pytest.approx((np.array(rgb.shape) - 1) / 2, abs=0.1)


@pytest.mark.parametrize("pixel", [(0.7, 0.7), (0.7, 0.704)])
def test_square_pixels_are_shown_as_they_are(pixel: tuple[float, float]) -> None:
    voxels = np.random.default_rng(0).integers(0, 900, (5, 30, 20)).astype(np.int16)
    expected = np.rint((voxels - voxels.min()) / np.ptp(voxels) * 255)
    assert np.array_equal(mri_to_rgb(volume_of(voxels, "MR", pixel))[..., 1], expected)


# Blank ends


@pytest.fixture(scope="module")
def brain() -> tuple[Volume, np.ndarray]:
    """The bundled brain; in its slices from 155 on there is nothing."""
    volume = read_volume(fetch("mri-t1"), modality="MR")
    return volume, volume.slices(range(volume.shape[0])).astype(np.float32)


def test_blank_slices_are_left_out_on_request(brain: tuple[Volume, np.ndarray]) -> None:
    volume, voxels = brain
    assert [voxels[k].max() > 0 for k in (0, 154, 155, 188)] == [True, True, False, False]
    chosen = select_slices(volume)
    assert chosen == select_slices(189) and sum(k > 154 for k in chosen) == 15
    lean = select_slices(volume, leave_out_blank=True)
    assert (len(lean), lean[0], lean[-1]) == (85, 0, 154)
    with pytest.raises(InputError, match="Give select_slices the volume"):
        select_slices(189, leave_out_blank=True)


def test_tissue_is_never_left_out_whatever_lies_around_it(brain: tuple[Volume, np.ndarray]) -> None:
    volume, voxels = brain
    rng, bright = np.random.default_rng(0), float(np.percentile(voxels, 99.5))

    def found(made: np.ndarray, **facts: Any) -> range:
        return tissue_slices(replace(volume, shape=made.shape, _decode=lambda ks: made[list(ks)], **facts))

    assert found(np.where(voxels > 0, voxels, np.nan)) == range(155)
    assert found(np.where(voxels > 0, voxels, -999).astype(np.int16), padding=(-999, -999)) == range(155)
    assert found(voxels[60:120]) == range(60)  # nothing blank
    assert found(voxels * 0) == range(189)  # nothing else
    for sigma in (0.02, 0.05, 0.2):  # Rician noise; through the last, nobody sees where the brain ends
        noisy = np.hypot(*(rng.normal(0, sigma * bright, (2, *voxels.shape)) + [[[[1]]], [[[0]]]] * voxels))
        assert found(noisy.astype(np.float32)) == (range(155) if sigma < 0.1 else range(189))


def test_of_a_head_ct_only_the_air_above_is_blank(head_ct: Path) -> None:
    volume = read_volume(head_ct)
    assert tissue_slices(volume) == range(107)
    assert volume.slices([107]).max() < -500 < volume.slices([106]).max()


# Hounsfield units, or not


@pytest.fixture(scope="module")
def head(head_ct: Path) -> np.ndarray:
    """Hounsfield units of the bundled head, some of its slices at half the size."""
    return read_volume(head_ct).slices(range(20, 100, 8))[:, ::2, ::2].astype(np.float32)


def unit(hu: np.ndarray) -> np.ndarray:
    return (hu - hu.min()) / np.ptp(hu)


def eight_bits(hu: np.ndarray) -> np.ndarray:
    return ((hu.clip(-160, 240) + 160) / 400 * 255).round()


def brain_only(hu: np.ndarray, around: float) -> np.ndarray:
    return np.where(ndimage.binary_erosion(np.abs(hu - 35) < 45), hu, around)


def inner(hu: np.ndarray) -> np.ndarray:
    """The round field of view of a scanner, in which there is air around the head."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in hu.shape[1:])
    return np.broadcast_to(np.hypot(y[:, None], x) <= len(y) / 2, hu.shape)


NO_UNITS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "as stored": (lambda hu: (hu + 1024).clip(0, 4095).astype(np.uint16), "offset=-1024"),
    "as stored, interpolated": (
        lambda hu: ndimage.zoom((hu + 1024).clip(0, 4095), (1, 0.9, 0.9), order=3),
        "offset=-1024",
    ),
    "as stored, air taken out": (lambda hu: np.where(hu > -300, hu + 1024, np.nan), "offset=-1024"),
    "as stored, -2000 around": (lambda hu: np.where(inner(hu), hu + 1024, -2000), "offset=-1024"),
    "as stored, NaN around": (lambda hu: np.where(inner(hu), hu + 1024, np.nan), "offset=-1024"),
    "0 to 1": (unit, "again"),
    "-1 to 1": (lambda hu: 2 * unit(hu) - 1, "again"),
    "z-scores": (lambda hu: (hu - hu.mean()) / hu.std(), "again"),
    "16 bits": (lambda hu: (unit(hu) * 65535).astype(np.uint16), "again"),
    "8 bits": (lambda hu: eight_bits(hu).astype(np.uint8), "again"),
    "8 bits, signed": (lambda hu: (eight_bits(hu) - 128).astype(np.int8), "again"),
    "8 bits, air taken out": (lambda hu: np.where(hu > -300, eight_bits(hu), np.nan), "again"),
    "clipped to the brain": (lambda hu: hu.clip(0, 80), "again"),
}
UNITS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as they are": lambda hu: hu.astype(np.int16),
    "with fractions": lambda hu: hu + 0.25,
    "interpolated": lambda hu: ndimage.zoom(hu, (1, 0.9, 0.9), order=3),
    "clipped": lambda hu: hu.clip(-100, 1500),
    "air taken out": lambda hu: np.where(hu > -300, hu, np.nan),
    "-2000 around": lambda hu: np.where(inner(hu), hu, -2000),
    "-3024 around a head without air": lambda hu: np.where(hu > -300, hu, -3024),
    "the brain in NaN": lambda hu: brain_only(hu, np.nan),
    "the brain in NaN, clipped": lambda hu: brain_only(hu, np.nan).clip(0, 80),
    "the brain in 0": lambda hu: brain_only(hu, 0),
    "bone": lambda hu: np.where(hu > 300, hu, np.nan),
}


@pytest.mark.parametrize("name", NO_UNITS)
def test_a_ct_that_is_not_in_hounsfield_units_is_refused_with_a_remedy_that_works(
    head: np.ndarray, name: str
) -> None:
    made, remedy = NO_UNITS[name]
    volume = volume_of(made(head).astype(np.float32), "CT")
    with pytest.raises(InputError, match=r"made: .*cannot be Hounsfield units") as caught:
        ct_to_rgb(volume)
    assert remedy in caught.value.remedy and "offset=0" in caught.value.remedy
    assert ct_to_rgb(replace(volume, offset=0.0)).any()
    known = re.search(r"offset=(-1024)", caught.value.remedy)
    if not known and name != "16 bits":  # a wrong offset does not make them Hounsfield units
        wrong = volume_of(made(head).astype(np.float32) - 1024, "CT", offset=-1024.0)
        with pytest.raises(InputError, match="with -1024 added"):
            ct_to_rgb(wrong)
    if name == "as stored":
        given = volume_of(made(head).astype(np.float32) - 1024, "CT", offset=-1024.0)
        assert np.array_equal(ct_to_rgb(given), ct_to_rgb(volume_of(head, "CT")))


@pytest.mark.parametrize("name", UNITS)
def test_hounsfield_units_are_read_whatever_was_done_to_them(head: np.ndarray, name: str) -> None:
    assert ct_to_rgb(volume_of(UNITS[name](head).astype(np.float32), "CT")).any()


def test_one_slice_of_air_does_not_tell_what_the_volume_is(head: np.ndarray) -> None:
    voxels = np.concatenate([np.full_like(head[:1], -1000), np.full_like(head[:1], np.nan), head])
    assert np.array_equal(np.unique(ct_to_rgb(volume_of(voxels, "CT"), [0])), [0, 3])
    assert not ct_to_rgb(volume_of(voxels, "CT"), [1]).any()
