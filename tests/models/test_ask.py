"""``medgemma-tutorials ask``: from a path and a question to an answer, or to one clear error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import BasicTextSRStorage

from helpers.data import fetch
from helpers.images import find_study
from helpers.models import opening as models
from helpers.models.ask import study_messages
from helpers.prompts import Reply, images_of
from helpers.teaching import generate, write_case
from helpers.volumes import prompt_names
from tests.models.conftest import refused
from tests.slide_files import real_tissue, write_dicom_slide

ROOT = Path(__file__).parents[2]
FAR = "endpoint:https://models.example.org/v1#m"  # nothing is sent there
VOXELS = np.random.default_rng(0).integers(0, 900, (6, 8, 8))


def words(messages: list) -> list[str]:
    return [part["text"] for part in messages[0]["content"] if part["type"] == "text"]


@pytest.mark.parametrize(
    ("name", "kind", "images"),
    [("ct-head", "ct", 85), ("mri-t1", "mri", 85), ("slide-he", "slide", 2), ("chest-radiograph", "image", 1)],
)
def test_every_kind_of_bundled_image_is_answered(asked: Callable[..., tuple], name: str, kind: str, images: int):
    options = ["--modality", "mri"] if kind == "mri" else []
    code, out, err = asked(fetch(name), "What is this?", "--json", *options)
    answer = json.loads(out)
    assert (code, out.count("\n")) == (0, 1)
    assert (answer["kind"], answer["images"], answer["model"], answer["is_standin"]) == (
        kind, images, "standin", True
    )  # fmt: skip
    assert answer["answer"] and answer["prompt_tokens"] > 16 * images and answer["seconds"] > 0
    assert 1 <= answer["completion_tokens"] <= 12
    assert all(Path(file).is_file() for file in answer["files"])
    assert f"{images} image{'' if images == 1 else 's'} x 16" in err


def test_a_person_sees_what_is_there_the_cost_and_the_answer(asked: Callable[..., tuple]) -> None:
    code, out, _ = asked("fundus", 'Is this {"an eye"}?', "--options", "yes", "no")
    assert code == 0
    assert "2D image, retina.jpg" in out and "of 32,768" in out and "tokens in" in out
    assert "not for diagnosis" in out


def test_a_final_answer_is_read_by_its_options(
    asked: Callable[..., tuple], standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = []

    class Sure:
        name, is_standin, context, count_tokens = "sure", False, 32_768, staticmethod(standin.count_tokens)

        def generate(self, messages: list, max_new_tokens: int) -> object:
            prompts.append(words(messages)[-1])
            text = "Final Answer: B" if "Options: A, B" in prompts[-1] else "It may be. Final Answer: Yes."
            return Reply(text, "", 20, 4, 0.1, finished=True)

    monkeypatch.setattr(models, "load_model", lambda name, **_: Sure())
    said = [json.loads(asked("fundus", "Which?", "--json", *o)[1]) for o in ((), ("--options", "A", "B"))]
    assert [answer["final_answer"] for answer in said] == ["yes", "B"]
    assert prompts[0] == "Which?" and 'in the format "Final Answer: X"' in prompts[1]


def test_a_folder_of_sequences_becomes_one_prompt(
    asked: Callable[..., tuple], write_series, tmp_path: Path
) -> None:
    for number, text in ((7, "DOE JANE AX FLAIR"), (2, "T1 AX"), (9, "T1 AX POST GD")):
        write_series(VOXELS, folder=f"study/{number}", modality="MR", SeriesNumber=number, SeriesDescription=text)
    (tmp_path / "study" / "notes.txt").write_text("none")
    study = find_study(tmp_path / "study")
    assert [part.series for part in study.parts] == ["2", "7", "9"]
    assert [one.path.name for one in study.passed_over] == ["notes.txt"]
    messages = study_messages(study, "What is it?")
    assert words(messages)[1] == "SLICE 1 (T1)" and words(messages)[7] == "SLICE 7 (FLAIR)"
    assert words(messages)[-1] == "SLICE 18 (T1 with contrast)\n\nWhat is it?"
    assert "DOE" not in str(words(messages))  # a description may name a patient, and a prompt may leave
    answer = json.loads(asked(tmp_path / "study", "What is it?", "--json", "--series", "7", "2")[1])
    assert answer["images"] == 12 and len(answer["files"]) == 12


def test_nifti_files_beside_one_another_are_sequences_too(tmp_path: Path) -> None:
    for name in ("sub-1_T2w.nii.gz", "sub-1_T1w.nii.gz"):
        image = nibabel.Nifti1Image(VOXELS.T.astype(np.int16), np.eye(4))
        nibabel.save(image, tmp_path / name)
    study = find_study(tmp_path, modality="mri")
    assert words(study_messages(study, "What?"))[1::6] == ["SLICE 1 (T1)", "SLICE 7 (T2)"]


def test_slides_of_a_folder_are_one_specimen_and_images_one_prompt(asked: Callable[..., tuple], tmp_path) -> None:
    for case in generate("slide", 2, seed=5):
        write_case(case, tmp_path / "slides")
    write_dicom_slide(tmp_path / "slides" / "dicom", real_tissue())
    answer = json.loads(asked(tmp_path / "slides", "Which stain?", "--json")[1])
    assert answer["kind"] == "slide"
    study = find_study(tmp_path / "slides")
    labels = words(study_messages(study, "Which stain?"))
    assert labels[0].startswith("Which stain?") and labels[0].endswith("SLIDE 1")
    assert labels[1:] == ["SLIDE 2", "SLIDE 3"]
    (tmp_path / "views").mkdir()
    for name in ("b.png", "a.PNG"):
        shutil.copy(fetch("ihc-patch"), tmp_path / "views" / name)
    study = find_study(tmp_path / "views")
    assert [file.name for file in study.files] == ["a.PNG", "b.png"]
    assert len(images_of(study_messages(study, "What?"))) == 2


def test_what_cannot_be_asked_is_one_error_before_a_model_is_loaded(
    asked: Callable[..., tuple], write_series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    assert "question is empty" in refused(asked, "ct-head", "  ")
    assert "nor the path of a file or folder" in refused(asked, tmp_path / "none")
    assert "Download it first" in refused(asked, "https://example.org/studies/1/series/2")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    assert "1 files were looked at: notes.txt (not a medical image)" in refused(asked, tmp_path / "empty")
    assert "not an image that can be read" in refused(asked, tmp_path / "empty" / "notes.txt")
    broken = tmp_path / "scan.svs"
    broken.write_bytes(fetch("slide-he").read_bytes()[:5000])
    assert "cut off" in refused(asked, broken)
    assert "--modality ct or --modality mri" in refused(asked, fetch("mri-t1"))
    assert "folder of the whole series" in refused(asked, fetch("ct-head") / "001.dcm")

    mixed = write_series(VOXELS, folder="mixed", SeriesNumber=1)
    shutil.copy(fetch("ihc-patch"), mixed)
    assert "hold only one kind of image" in refused(asked, mixed)
    write_series(VOXELS, folder="both/ct", PatientID="A-1")
    write_series(VOXELS, folder="both/more", PatientID="B-2")
    told = refused(asked, tmp_path / "both")
    assert "different patients (PatientID)" in told and "A-1" not in told


def test_a_series_that_is_not_axial_is_named_with_those_that_are(
    asked: Callable[..., tuple], write_series
) -> None:
    sagittal = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    places = {"ImagePositionPatient": {k: [2.5 * k, 0, 0] for k in range(6)}}
    alone = write_series(VOXELS, folder="s/1", modality="MR", SeriesNumber=1, **sagittal, **places)
    assert "The slices are sagittal" in refused(asked, alone)
    write_series(VOXELS, folder="s/4", modality="MR", SeriesNumber=4)
    told = refused(asked, alone.parent)
    assert "series 1: MR volume" in told and "sagittal" in told and "--series 4." in told
    assert asked(alone.parent, "What?", "--series", "4")[0] == 0
    assert "The study has no series 5" in refused(asked, alone.parent, "What?", "--series", "5")


def test_reports_and_pet_are_passed_over(write_series, tmp_path: Path) -> None:
    folder = write_series(VOXELS, folder="study/ct", SeriesNumber=2)
    pet = dcmread(folder / "0000.dcm")
    pet.SOPClassUID, pet.Modality = "1.2.840.10008.5.1.4.1.1.128", "PT"
    pet.save_as(tmp_path / "study" / "pet.dcm")
    report = dcmread(folder / "0000.dcm")
    del report.Rows, report.PixelData
    report.SOPClassUID, report.Modality = BasicTextSRStorage, "SR"
    report.save_as(tmp_path / "study" / "report.dcm")
    study = find_study(tmp_path / "study")
    assert [len(part.files) for part in study.parts] == [6]
    assert {one.path.name for one in study.passed_over} == {"pet.dcm", "report.dcm"}


@pytest.mark.parametrize("attributes", [{"PatientName": "Doe^Jane"}, {"BurnedInAnnotation": "YES"}])
def test_images_that_name_a_patient_do_not_leave(asked: Callable[..., tuple], write_series, attributes) -> None:
    told = refused(asked, write_series(VOXELS - 1000, **attributes), "What is this?", "--model", FAR)
    assert "not sent" in told and next(iter(attributes)) in told and "Doe" not in told


def test_a_picture_without_a_header_does_not_leave_unsaid(asked: Callable[..., tuple], tmp_path: Path) -> None:
    picture = shutil.copy(fetch("ihc-patch"), tmp_path / "patch.png")
    assert "This is not a DICOM file" in refused(asked, picture, "What is this?", "--model", FAR)


@pytest.mark.parametrize(
    ("descriptions", "names"),
    [
        (["AX T1", "ax_T2_FLAIR fs", "t2*"], ["T1", "T2 FLAIR", "T2*"]),
        (["T1", "T1", "T1 post"], ["T1", "T1 #2", "T1 with contrast"]),
        (["Miller, brain, bone", "", "Smith"], ["brain bone", "volume", "volume #2"]),
    ],
)
def test_names_in_a_prompt_are_known_words_alone(descriptions: Sequence[str], names: Sequence[str]) -> None:
    assert prompt_names(descriptions) == names


def test_the_command_itself_prints_one_object_and_its_help_loads_nothing() -> None:
    ask = [sys.executable, "-m", "helpers", "ask"]
    command = [*ask, "ihc-patch", "What is this?", "--json", "--max-new-tokens", "4"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["kind"] == "image"
    lines = "import sys; from helpers.cli import main\ntry: main(['ask', '--help'])\nexcept SystemExit: pass\n"
    lines += "print({'numpy', 'pydicom', 'openslide', 'torch'} & set(sys.modules) or 'light')"
    helped = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, cwd=ROOT)
    assert helped.stdout.strip().endswith("light"), helped.stderr


def test_a_localizer_in_a_series_leaves_the_series_and_what_only_leaves_out_is_said(
    asked: Callable[..., tuple], write_series
) -> None:
    places = {k: [0, 0, 100 if k == 0 else 2.5 * k] for k in range(6)}
    kinds = {k: ["ORIGINAL", "PRIMARY", "LOCALIZER" if k == 0 else "AXIAL"] for k in range(6)}
    about = {"modality": "MR", "SeriesNumber": 1, "ImageType": kinds, "ImagePositionPatient": places}
    folder = write_series(VOXELS, folder="two/1", EchoTime=20, **about).parent
    write_series(VOXELS, folder="two/2", modality="MR", SeriesNumber=2, EchoTime=90)
    study = find_study(folder)
    assert [part.series for part in study.parts] == ["1", "2"] and not study.passed_over
    code, out, _ = asked(folder, "What?", "--only", "EchoTime=20")
    assert (
        code == 0
        and "This part was left out, because nothing in it matches the choice: series 2: MR volume" in out
    )
    assert "(a localizer)" in out
