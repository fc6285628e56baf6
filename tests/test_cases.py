"""Teaching cases: what their seed says is what is in their pixels, also after a way through files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.case_files import write_case
from helpers.cases import CASES, HELD_OUT, generate, head_ct
from helpers.errors import InputError
from helpers.images import read_image
from helpers.slides import open_slide, read_patches, sample_patches
from helpers.standin_scores import swapped, wide_window
from helpers.teaching_slides import MIN_TISSUE
from helpers.volumes import ct_to_rgb, mri_to_rgb, read_volume


@pytest.mark.parametrize("kind", CASES)
def test_cases_follow_from_their_seed_alone(kind: str) -> None:
    first, again = generate(kind, 1, HELD_OUT + 7)[0], generate(kind, 3, HELD_OUT + 5)[2]
    assert (first.id, first.answer, first.record) == (again.id, again.answer, again.record)
    assert [np.asarray(i).tobytes() for i in first.images] == [np.asarray(i).tobytes() for i in again.images]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="xray"):
        generate("xray", 1, 0)


@pytest.mark.parametrize("kind", ["ct", "mri"])
def test_a_finding_is_where_the_mask_says(kind: str) -> None:
    cases = generate(kind, 4, HELD_OUT + 40)
    assert {case.record["finding"] is None for case in cases} == {True, False}
    for case in cases:
        mask, k = case.mask(), case.slice_of_finding()
        assert mask.any() == (case.record["finding"] is not None) == (k is not None)
        if k is not None:
            inside = mask[case.record["slices"][k]]
            values = np.median(case.volume().slices([case.record["slices"][k]])[0][inside])
            assert 50 < values < 90 if kind == "ct" else 50 < values < 125


def test_a_haemorrhage_keeps_the_noise_of_the_brain() -> None:
    case = next(c for c in generate("ct", 20, HELD_OUT + 40) if c.record["finding"])
    assert case.volume().slices(range(108))[case.mask()].std() > 2
    assert head_ct()[0].shape == case.volume().shape


@pytest.mark.parametrize(("kind", "modality", "to_rgb"), [("ct", "CT", ct_to_rgb), ("mri", "MR", mri_to_rgb)])
def test_a_volume_is_the_same_from_its_dicom_files(kind: str, modality: str, to_rgb, tmp_path: Path) -> None:
    case = generate(kind, 1, HELD_OUT + 3)[0]
    path = write_case(case, tmp_path)
    volume, made = read_volume(path, modality=modality), case.volume()
    everything = range(made.shape[0])
    assert np.array_equal(volume.slices(everything), made.slices(everything))
    assert np.allclose(volume.affine, made.affine, atol=1e-3)
    assert np.allclose(volume.spacing, made.spacing, atol=1e-3)
    written = [np.asarray(part["image"]) for part in case.messages[0]["content"] if part["type"] == "image"]
    from_files = to_rgb(volume, case.record["slices"])
    start = (written[0].shape[1] - from_files.shape[2]) // 2  # prompts pad to a square
    assert np.array_equal(np.stack(written)[:, :, start : start + from_files.shape[2]], from_files)
    with pytest.raises(InputError, match=rf"{case.id}.*already"):
        write_case(case, tmp_path)


def test_slides_and_pictures_are_the_same_from_their_files(tmp_path: Path) -> None:
    case = generate("slide", 1, HELD_OUT + 3)[0]
    with open_slide(write_case(case, tmp_path)) as slide:
        assert slide.mpp == pytest.approx(1, abs=0.01)
        assert len(slide.levels) == 2
        patches = list(read_patches(slide, sample_patches(slide, 1.0, min_tissue=MIN_TISSUE)))
    assert [p.tobytes() for p in patches] == [p.tobytes() for p in case.images]
    picture = generate("image", 1, HELD_OUT + 3)[0]
    read = read_image(write_case(picture, tmp_path))
    assert np.array_equal(np.asarray(read), np.asarray(picture.images[0]))
    with pytest.raises(InputError, match="words alone"):
        write_case(generate("text", 1, 5)[0], tmp_path)


def test_controls_change_the_images_and_not_the_words() -> None:
    case, other = generate("ct", 2, HELD_OUT + 3)
    usual = case.messages[0]["content"]
    for control in (swapped, wide_window):
        spoilt = control(case, other)[0]["content"]
        assert [part.get("text") for part in usual] == [part.get("text") for part in spoilt]
        assert not np.array_equal(np.asarray(usual[41]["image"]), np.asarray(spoilt[41]["image"]))
    wide = np.asarray(wide_window(case, other)[0]["content"][41]["image"])
    assert np.array_equal(wide[..., 0], np.asarray(usual[41]["image"])[..., 0])
    assert np.ptp(wide, axis=-1).max() == 0
