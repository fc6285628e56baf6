"""The volume viewer: moving a control changes the picture; letters and millimetres follow the affine."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.viewers import VolumeViewer, still
from helpers.viewers.volume import THREE
from helpers.viewers.volume_pictures import PLANES, PRESETS, letters, only_measured, projections
from helpers.volumes import Volume

SHAPE = (6, 8, 10)
AFFINE = np.array([[0.0, 0, 2, -9], [0, 1, 0, -3], [5, 0, 0, 100], [0, 0, 0, 1]])  # z, y, x -> LPS


def volume(modality: str = "CT") -> tuple[Volume, list[list[int]]]:
    """A volume of noise, and the list of what was decoded of it."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)
    asked: list[list[int]] = []

    def decode(indices):
        asked.append(list(indices))
        return voxels[list(indices)]

    units = "HU" if modality == "CT" else None
    return Volume(Path("noise"), modality, units, SHAPE, (5, 1, 2), AFFINE, "", decode), asked


def opened(value: bytes) -> Image.Image:
    return Image.open(io.BytesIO(value))


def test_letters_follow_the_affine() -> None:
    assert letters(AFFINE, "axial") == ("R", "L", "A", "P")
    assert letters(AFFINE, "coronal") == ("R", "L", "S", "I")
    assert letters(AFFINE, "sagittal") == ("A", "P", "S", "I")
    mirrored = AFFINE @ np.diag([1, -1, -1, 1])
    assert letters(mirrored, "axial") == ("L", "R", "P", "A")


def test_moving_changes_the_picture_and_reads_one_slice() -> None:
    made, asked = volume()
    viewer = VolumeViewer(made, [0, 3, 5], start=2)
    seen = [viewer.picture.value]
    assert "axial 3 of 6, 110.0 mm superior to the origin; not in the prompt" in viewer.caption.value
    assert viewer.caption.value in viewer.picture.alt
    viewer.slider.value = 3
    viewer.picture.turned += 2
    assert viewer.slider.value == 5 and "in the prompt as SLICE 3" in viewer.caption.value
    viewer.picture.turned += 9
    assert viewer.slider.value == 5
    seen.append(viewer.picture.value)
    viewer.before.click()
    assert viewer.slider.value == 3
    viewer.strip.clicked = [0.0, 0.5, 1]
    assert viewer.slider.value == 0
    assert seen[0] != seen[1]
    assert asked == [[2], [3], [5], [3], [0]]
    with pytest.raises(InputError, match="Slice 6"):
        VolumeViewer(made, [6])


def test_other_planes_have_their_proportions_and_read_the_volume_once() -> None:
    made, asked = volume()
    viewer = VolumeViewer(made, side=120)
    viewer.preset.value = "bone"
    sizes = {}
    for name in PLANES:
        viewer.plane.value = name
        sizes[name] = opened(viewer.picture.value).size
    # 20 x 8, 20 x 30 and 8 x 30 mm
    assert sizes == {"axial": (120, 48), "coronal": (80, 120), "sagittal": (32, 120)}
    assert sum(len(indices) for indices in asked) == 2 + SHAPE[0]  # the first picture, the window, then all once
    viewer.plane.value = "coronal"
    viewer.slider.value = 1
    assert "2.0 mm anterior" in viewer.caption.value


def test_a_preset_sets_the_window_and_a_slider_makes_it_ones_own() -> None:
    viewer = VolumeViewer(volume()[0])
    pictures = {viewer.picture.value}
    assert viewer.preset.value == THREE and viewer.centre.layout.display == "none"
    for name, (low, high) in PRESETS.items():
        viewer.preset.value = name
        assert abs(viewer.centre.value - (low + high) / 2) <= 0.5 and viewer.width.value == high - low
        pictures.add(viewer.picture.value)
    assert viewer.centre.layout.display == ""
    viewer.width.value = 77
    assert viewer.preset.value == "own"
    pictures.add(viewer.picture.value)
    assert len(pictures) == len(PRESETS) + 2


def test_mr_has_the_range_of_the_whole_volume() -> None:
    made, asked = volume("MR")
    viewer = VolumeViewer(made)
    assert viewer.preset not in viewer.children
    assert opened(viewer.picture.value).convert("L").getextrema()[1] > 200
    assert [k for indices in asked for k in indices] == list(range(SHAPE[0]))


def test_what_stands_in_for_widgets_is_a_picture_with_words() -> None:
    made, _ = volume()
    data, metadata = VolumeViewer(made)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert opened(data["image/jpeg"]).size[0] > 100 and "axial" in metadata["image/jpeg"]["alt"]
    shown = still(made)
    assert opened(shown.data).size[0] > 300 and "noise" in shown.alt


def test_projections_are_not_white_all_over() -> None:
    """Every line of sight through the body meets a bright voxel, and a few meet a brighter vessel."""
    rng = np.random.default_rng(0)
    voxels = np.zeros((40, 50, 60), np.int16)
    voxels[5:35, 5:45, 5:55] = rng.integers(100, 800, (30, 40, 50))
    voxels[20, 25, 10:50] = 805
    found = projections(voxels, 50)
    assert {name: grey.shape for name, grey in found.items()} == {
        "axial": (50, 60),
        "coronal": (40, 60),
        "sagittal": (40, 50),
    }
    body = np.concatenate([grey[grey > 0] for grey in found.values()])
    assert 120 <= np.median(body) <= 130 and (body == 255).mean() < 0.03
    assert (found["axial"][25, 10:50] == 255).all() and (found["axial"][:5] == 0).all()
    assert found["coronal"][19, 20] == 255, "the top row is the last slice"
    assert (projections(np.zeros((3, 3, 3), np.int16), 50)["axial"] == 0).all()


def test_slices_with_scales_of_their_own_keep_their_values() -> None:
    """The first ones are whole numbers and the last ones are not, as where only those have a rescale slope."""

    def decode(indices):
        planes = np.stack([np.full(SHAPE[1:], 0.9 * (k == 17), np.float32) for k in indices])
        return planes if max(indices) >= 16 else planes.astype(np.int16)

    viewer = VolumeViewer(Volume(Path("scaled"), "MR", None, (20, *SHAPE[1:]), (5, 1, 2), AFFINE, "", decode))
    grey = []
    for viewer.slider.value in (17, 18):
        grey.append(np.asarray(opened(viewer.picture.value).convert("L")).mean())
    assert grey[0] > 200 > 50 > grey[1]


@pytest.mark.parametrize(("absent", "padding"), [(np.nan, None), (np.inf, None), (32767, (32000, 32767))])
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_what_was_not_measured_spoils_no_range_and_is_black(modality: str, absent: float, padding: Any) -> None:
    """The right half of every slice; the rest is as it would be without it."""
    measured = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)
    spoiled = measured.astype(np.int16 if padding else np.float32)
    spoiled[..., 5:] = absent
    viewers = []
    for voxels, pad in ((measured[..., :5], None), (spoiled, padding)):
        made = replace(
            volume(modality)[0],
            shape=voxels.shape,
            padding=pad,
            _decode=lambda indices, voxels=voxels: voxels[list(indices)],
        )
        viewers.append(VolumeViewer(made, side=40 * voxels.shape[2]))
        viewers[-1].preset.value = "bone" if modality == "CT" else None
        tile = np.asarray(opened(still(made).data).convert("L"))[25:40, 20:40]  # of the middle axial slice
        assert np.ptp(tile) > 60
    clean, whole = (np.asarray(opened(viewer.picture.value).convert("L")).astype(int) for viewer in viewers)
    assert whole.shape[1] == 2 * clean.shape[1]
    part = np.s_[30:60, 30:80]  # clear of the letters
    assert np.abs(clean[part] - whole[part]).max() <= 1 < np.ptp(clean[part])
    assert whole[30:60, 225:375].max() == 0


def test_only_what_was_measured_goes_to_viewers_that_know_no_padding() -> None:
    values = np.array([[[5, 7], [-2000, 9]]], np.int16)
    made = replace(volume()[0], padding=(-2000, -2000))
    assert only_measured(made, values).tolist() == [[[5, 7], [5, 9]]]
    assert only_measured(volume()[0], values) is values
    assert only_measured(volume()[0], np.array([np.nan, 3, np.inf])).tolist() == [3, 3, 3]
