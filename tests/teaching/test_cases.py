"""Teaching cases: what their seed says is what is in their pixels, also after a way through files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.images import read_image
from helpers.prompts import parse_boxes, prompt_key
from helpers.slides import open_slide, read_patches, sample_patches
from helpers.standin.scoring import removed, swapped, wide_window
from helpers.teaching import (
    ABSENCE,
    CHANGES,
    EFFUSION,
    HELD_OUT,
    RECIPES,
    VENTRICLES,
    Effusion,
    Finding,
    cases as cases_file,
    chest_with,
    generate,
    picture_with_box,
    teaching_volume,
    write_case,
)
from helpers.teaching.anatomies import brain_mri, head_ct
from helpers.teaching.cases import CASES
from helpers.teaching.findings import (
    BRIGHT,
    DARK,
    HAEMORRHAGE,
    HYPOXIA,
    KINDS,
    MASS,
    OEDEMA,
    STAINING,
)
from helpers.teaching.slides import MIN_TISSUE
from helpers.volumes import ct_to_rgb, mri_to_rgb, read_volume

# Of the middle of a finding: HU, or values of the MRI as it is shown.
VALUES = {
    HAEMORRHAGE: (42, 85),
    OEDEMA: (-5, 20),
    MASS: (38, 250),
    DARK: (0, 45),
    BRIGHT: (140, 256),  # less where fat is brighter still
    VENTRICLES: (2, 110),
}


@pytest.mark.parametrize("kind", CASES)
def test_cases_follow_from_their_seed_alone(kind: str) -> None:
    first, again = generate(kind, 1, HELD_OUT + 7)[0], generate(kind, 3, HELD_OUT + 5)[2]
    assert (first.id, first.answer, first.record) == (again.id, again.answer, again.record)
    assert [np.asarray(i).tobytes() for i in first.images] == [np.asarray(i).tobytes() for i in again.images]


@pytest.mark.parametrize("kind", ["ct", "mri", "ct-staining"])
def test_a_list_of_volume_cases_holds_no_voxels(kind: str) -> None:
    case = next(c for c in generate(kind, 40, HELD_OUT + 40) if c.record["finding"])
    assert case.record["finding"]["condition"] == case.condition
    assert len(pickle.dumps(case)) < 3000


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="xray"):
        generate("xray", 1, 0)
    with pytest.raises(InputError, match="seed is -1"):
        generate("ct", 1, -1)


@pytest.mark.parametrize("kind", ["ct", "mri"])
def test_a_finding_is_where_the_mask_says(kind: str) -> None:
    seen = set()
    for case in generate(kind, 16, HELD_OUT + 40):
        mask, k = case.mask(), case.slice_of_finding()
        assert mask.any() == (case.record["finding"] is not None) == (k is not None) == (case.truth == "yes")
        if k is not None:
            inside = mask[case.record["slices"][k]]
            value = np.median(case.volume().slices([case.record["slices"][k]])[0][inside])
            low, high = VALUES[case.condition]
            assert low < value < high, case.condition
            seen.add(case.condition)
    assert seen == set(RECIPES[kind].conditions)


def test_two_slices_of_the_prompt_touch_each_finding() -> None:
    for number in range(250_010, 250_020):
        made = teaching_volume("ct", number)
        assert all(len(set(made.chosen) & set(f.slices)) >= 2 for f in made.findings.values())


def test_questions_about_a_volume_share_its_group_and_no_seed_is_on_both_sides() -> None:
    cases = generate("ct", 8, HELD_OUT)
    assert len({case.group for case in cases}) == 2
    assert len({case.condition for case in cases[:4]}) == 4  # three conditions, and one to decline
    assert not {case.group for case in cases} & {case.group for case in generate("ct", 4, HELD_OUT - 4)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_finding_stays_in_its_box_and_keeps_what_is_around(kind: str) -> None:
    original, spacing = (
        head_ct() if kind in RECIPES["ct"].conditions or kind in (HYPOXIA, STAINING) else brain_mri()
    )
    values = original.astype(np.float32)
    finding = Finding.draw(kind, spacing, np.random.default_rng(3))
    finding.put_into(values)
    changed = values != original
    assert changed[finding.box][finding.mask].any()
    changed[finding.box] = False
    assert not changed.any()


def test_a_box_holds_what_it_names() -> None:
    picture, target, box = picture_with_box("head CT", HAEMORRHAGE, np.random.default_rng(1))
    y0, x0, y1, x1 = (round(v * picture.width) for v in box)
    brain_window = np.asarray(picture)[..., 2].astype(float)
    assert target == HAEMORRHAGE
    assert np.median(brain_window[y0:y1, x0:x1]) > 130 > np.median(brain_window)  # 0 to 80 HU as 0 to 255
    for case in generate("box", 4, HELD_OUT + 1):
        assert parse_boxes(case.answer)[0] == pytest.approx(parse_boxes(case.truth)[0], abs=10)


def test_an_effusion_is_drawn_as_its_case_says() -> None:
    cases = generate("change", 40, HELD_OUT)
    assert {case.truth for case in cases} == set(CHANGES)
    for case in cases:
        levels = [effusion.level if effusion else 1 for effusion in case.record["effusions"]]
        assert case.truth == CHANGES[1 + int(np.sign(round(levels[0] - levels[1], 1)))]  # higher up is a smaller y
    effusion = Effusion("left", 0.5)
    (picture, where), (without, _) = (chest_with(e, np.random.default_rng(1)) for e in (effusion, None))
    inside, outside = np.asarray(where[EFFUSION]) > 127, np.asarray(where[EFFUSION]) == 0
    brighter = np.asarray(picture.convert("L"), float) - np.asarray(without.convert("L"))
    assert brighter[inside].mean() > 30 and abs(brighter[outside].mean()) < 3
    assert np.argwhere(inside)[:, 1].mean() > picture.width / 2  # the patient's left, on the viewer's right


def test_an_effusion_is_asked_for_and_so_is_its_absence() -> None:
    cases = generate("effusion", 60, HELD_OUT)
    negated = [case.answer.startswith(ABSENCE) for case in cases]
    for case, absence in zip(cases, negated, strict=True):
        assert case.options == ("yes", "no") and case.truth == case.answer.rpartition(" ")[2]
        assert (case.truth == "yes") == ((case.record["effusion"] is not None) != absence)
    # Neither the words of a question nor the picture tells the answer alone.
    assert {(case.truth, absence) for case, absence in zip(cases, negated, strict=True)} == {
        (truth, absence) for truth in ("yes", "no") for absence in (True, False)
    }


def test_a_haemorrhage_keeps_the_noise_of_the_brain() -> None:
    drawn = generate("ct", 40, HELD_OUT + 40)
    case = next(c for c in drawn if c.condition == HAEMORRHAGE and c.record["finding"])
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
    pair = generate("change", 1, HELD_OUT + 3)[0]
    folder = write_case(pair, tmp_path)
    for name, image in zip(("prior", "current"), pair.images, strict=True):
        assert np.array_equal(np.asarray(read_image(folder / f"{name}.png")), np.asarray(image))
    with pytest.raises(InputError, match="case without images has no files"):
        write_case(generate("text", 1, 5)[0], tmp_path)


def test_controls_change_the_images_and_not_the_words() -> None:
    case, *_, other = generate("ct", 5, HELD_OUT)
    usual = case.messages[0]["content"]
    for control in (swapped, wide_window):
        spoilt = control(case, other)[0]["content"]
        assert [part.get("text") for part in usual] == [part.get("text") for part in spoilt]
        assert not np.array_equal(np.asarray(usual[41]["image"]), np.asarray(spoilt[41]["image"]))
    words = removed(case, other)[0]["content"]
    assert [part["text"] for part in words] == [part["text"] for part in usual if part["type"] == "text"]
    wide = np.asarray(wide_window(case, other)[0]["content"][41]["image"])
    assert np.array_equal(wide[..., 0], np.asarray(usual[41]["image"])[..., 0])
    assert np.ptp(wide, axis=-1).max() == 0


def test_threads_that_ask_for_slices_draw_the_volume_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put, drawn = Finding.put_into, []

    def counted(finding: Finding, values: np.ndarray) -> None:
        drawn.append(finding.condition)
        put(finding, values)

    monkeypatch.setattr(Finding, "put_into", counted)
    made = next(m for k in range(HELD_OUT, HELD_OUT + 99) if (m := teaching_volume("ct-staining", k)).findings)
    assert len(ct_to_rgb(made.volume, range(20, 32))) == 12
    assert drawn == [*made.findings]


@pytest.mark.parametrize(("kind", "drawing"), [("image", "image_of"), ("effusion", "chest_with")])
def test_an_image_is_drawn_once_and_only_if_it_is_asked_about(kind: str, drawing: str, monkeypatch):
    drawn, draw = [], getattr(cases_file, drawing)
    monkeypatch.setattr(cases_file, drawing, lambda *given: drawn.append(given) or draw(*given))
    first, second = generate(kind, 2, 40)
    assert not drawn
    assert second.messages is second.messages
    assert len(drawn) == 1
    (again,) = generate(kind, 1, 41)
    assert prompt_key(again.messages) == prompt_key(second.messages) != prompt_key(first.messages)
