"""Choices of how a volume is read: the same words, and the same volume, in Python, ask, prepare and tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import SegmentationStorage

from helpers import InputError, read_cases, read_volume
from helpers.cli import main
from helpers.images import Reading, find_study, read_images
from helpers.models.ask import study_messages
from helpers.preparing import prepare, prepared_images
from helpers.prompts import images_of
from helpers.volumes import volume_to_rgb

HEAD = np.pad(np.full((8, 20, 20), 40), ((0, 0), (6, 6), (6, 6)), constant_values=-1000)


@pytest.fixture
def echoes(write_series: Callable[..., Path]) -> Path:
    """One MR series with two echoes at the same positions, which only EchoTime tells apart."""
    values = np.random.default_rng(0).integers(0, 500, (6, 24, 24))
    for echo, contrast in ((20, 1), (90, -1)):
        folder = write_series(
            contrast * values,
            folder=f"made{echo}",
            modality="MR",
            EchoTime=echo,
            SeriesNumber=7,
            PixelSpacing=[1, 1],
        )
        target = folder.parent / "series"
        target.mkdir(exist_ok=True)
        for file in folder.iterdir():
            header = pydicom.dcmread(file)
            header.SeriesInstanceUID, header.FrameOfReferenceUID = "1.2.3", "1.2.4"
            header.save_as(target / f"{echo}-{file.name}")
    return target


def shown(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def test_one_choice_gives_one_volume_in_every_way(echoes: Path, tmp_path: Path, capsys) -> None:
    wanted = volume_to_rgb(read_volume(echoes, only={"EchoTime": 90}))
    assert np.array_equal(255 - wanted, volume_to_rgb(read_volume(echoes, only={"EchoTime": 20})))
    reading = Reading.of(["EchoTime=90"])
    assert np.array_equal(shown(read_images(echoes, "mri", reading=reading)), wanted)
    messages = study_messages(find_study(echoes), "What is this?", reading)
    assert np.array_equal(shown(images_of(messages)), wanted)
    prepare(echoes, tmp_path / "out", only=["EchoTime=90"])
    assert np.array_equal(shown(prepared_images(tmp_path / "out", ".")), wanted)
    table = tmp_path / "cases.csv"
    table.write_text(f"path,modality,condition,answer,only\n{echoes.name},mri,dark lesion,yes,EchoTime=90\n")
    (case,) = read_cases(table)
    assert np.array_equal(shown(images_of(case.messages)), wanted)
    assert main(["ask", str(echoes), "What is this?", "--only", "EchoTime=90", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 6


def test_without_a_choice_every_way_refuses_with_the_same_words(echoes: Path, tmp_path: Path, capsys) -> None:
    said = r"2 volumes.*EchoTime=20.*EchoTime=90.*only=\{'EchoTime': 20\}.*--only EchoTime=20"
    with pytest.raises(InputError, match=f"(?s){said}"):
        read_volume(echoes)
    with pytest.raises(InputError, match=f"(?s){said}"):
        read_images(echoes, "mri")
    table = tmp_path / "cases.csv"
    table.write_text(f"path,modality,condition,answer\n{echoes.name},mri,dark lesion,yes\n")
    with pytest.raises(InputError, match=f"(?s)line 2.*{said}"):
        read_cases(table)
    assert main(["ask", str(echoes), "What is this?"]) == 2
    assert "--only EchoTime=20" in capsys.readouterr().err
    prepare(echoes, tmp_path / "out")
    assert "EchoTime=20" in (tmp_path / "out" / "_quarantine.jsonl").read_text()


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("only", "EchoTime", "chooses nothing"),
        ("only", "EchoTim=20", "Did you mean EchoTime"),
        ("uneven", "maybe", "not yes or no"),
        ("offset", "much", "not a number"),
        ("reformat", "coronal", "not axial"),
    ],
)
def test_a_slip_in_a_choice_is_named_with_its_line(
    echoes: Path, tmp_path: Path, column: str, value: str, problem: str
) -> None:
    table = tmp_path / "cases.csv"
    table.write_text(f"path,modality,condition,answer,{column}\n{echoes.name},mri,dark lesion,yes,{value}\n")
    with pytest.raises(InputError, match=f"(?s)line 2.*{problem}"):
        read_cases(table)


def test_gaps_and_offsets_are_taken_where_asked_for(write_series, tmp_path: Path) -> None:
    gap = write_series(HEAD, folder="gap")
    (gap / "0003.dcm").unlink()
    with pytest.raises(InputError, match=r"1 missing.*uniform=False\), or --uneven on the command line"):
        read_images(gap, "ct")
    assert len(read_images(gap, "ct", reading=Reading.of(uniform=False))) == 7
    stored = write_series(HEAD + 1024, folder="stored")
    with pytest.raises(InputError, match=r"cannot be Hounsfield units.*--offset -1024"):
        read_images(stored, "ct")
    whole = read_images(write_series(HEAD, folder="whole"), "ct")
    assert np.array_equal(shown(read_images(stored, "ct", reading=Reading.of(offset=-1024))), shown(whole))


def test_what_is_no_image_of_the_series_is_named_and_the_rest_read(write_series, tmp_path: Path) -> None:

    folder = write_series(HEAD, folder="study/ct", SeriesNumber=2)
    mask = pydicom.dcmread(folder / "0000.dcm")
    mask.SOPClassUID = mask.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    mask.Modality, mask.SeriesInstanceUID = "SEG", "1.2.3.4"
    mask.save_as(tmp_path / "study" / "mask.dcm")
    (tmp_path / "study" / "LOCKFILE").write_text("x")
    study = find_study(tmp_path / "study")
    assert {one.path.name: one.what for one in study.passed_over} == {
        "mask.dcm": "Segmentation Storage",
        "LOCKFILE": "not a medical image",
    }
    assert "passed over: mask.dcm (Segmentation Storage)" in str(study)
    volume = read_volume(tmp_path / "study")
    assert volume.shape[0] == len(HEAD)
    assert volume.notes[0] == "Files that were passed over: mask.dcm (Segmentation Storage)."


def test_label_maps_and_4d_files_are_left_out_of_a_case_folder(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 900, (20, 24, 6)).astype(np.int16)
    lies = np.diag([0.8, 0.8, 5, 1])
    for name in ("case_001_t1", "case_001_t1ce", "case_001_seg"):
        nibabel.save(nibabel.Nifti1Image(values, lies), tmp_path / f"{name}.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.stack([values] * 3, -1), lies), tmp_path / "case_001_dwi.nii.gz")
    study = find_study(tmp_path, modality="mri")
    assert [part.files[0].name for part in study.parts] == ["case_001_t1.nii.gz", "case_001_t1ce.nii.gz"]
    assert {one.path.name: one.what for one in study.passed_over} == {
        "case_001_seg.nii.gz": "a label map, judging by its name",
        "case_001_dwi.nii.gz": "a 4D file of 3 volumes",
    }
    labels = [p["text"] for p in study_messages(study, "q")[0]["content"] if p["type"] == "text"]
    assert labels[1] == "SLICE 1 (T1)" and labels[-1].startswith("SLICE 12 (T1 with contrast)")
    assert prepare(tmp_path, tmp_path / "out", modality="mri").prepared == 2
    four = tmp_path / "case_001_dwi.nii.gz"
    with pytest.raises(InputError, match=r"only=\{\"volume\": 0\}, or --only volume=0 on the command line"):
        read_volume(four, modality="MR")
    assert np.array_equal(
        read_volume(four, modality="MR", only={"volume": "2"}).slices([0]),
        read_volume(tmp_path / "case_001_t1.nii.gz", modality="MR").slices([0]),
    )


def test_a_choice_that_would_change_nothing_is_refused(echoes: Path, tmp_path: Path, capsys) -> None:
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.png")
    assert main(["ask", str(tmp_path / "red.png"), "What is this?", "--offset", "0"]) == 2
    assert "a 2D image, so offset would have no effect" in capsys.readouterr().err
    assert main(["ask", str(echoes), "What is this?", "--magnification", "20", "--page", "1"]) == 2
    assert "(--magnification, --page)" in capsys.readouterr().err
    table = tmp_path / "cases.csv"
    table.write_text("path,modality,question,answer,uneven\nred.png,image,Is it red?,yes,yes\n")
    with pytest.raises(InputError, match="line 2: uneven would have no effect on a row of modality image"):
        read_cases(table)
    prepare(echoes, tmp_path / "out", only=["EchoTime=90"])
    table.write_text("path,modality,condition,answer,only\n.,mri,dark lesion,yes,EchoTime=20\n")
    with pytest.raises(InputError, match="was chosen when it was prepared"):
        read_cases(table, tmp_path / "out")
