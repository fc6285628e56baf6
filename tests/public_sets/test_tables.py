"""Each public set's own layout, made small, becomes a table that the evaluation reads and asks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.cli import main
from helpers.errors import InputError
from helpers.evaluation import LabelledCase, read_cases, run_evaluation
from helpers.prompts import CT_RATE_QUESTION, Message, Reply, parse_final_answer
from helpers.public_sets import PUBLISHED, SETS, about, published_lines, write_table
from tests.public_sets.conftest import volume

REPORTS_WORDS = "very short, definitive, and concise"


def cases_of(name: str, folder: Path, **options: object) -> list[LabelledCase]:
    written = write_table(name, folder, folder.parent / "tables" / f"{name}.csv", **options)
    cases = read_cases(written.path)
    assert (len(cases), len({case.group for case in cases})) == (written.rows, written.groups)
    return cases


def test_patches_are_asked_by_class_and_each_alone(nct_crc: Path) -> None:
    cases = cases_of("nct-crc", nct_crc)
    assert len(cases) == len({case.group for case in cases}) == 18
    by_name = {case.path.name: case for case in cases}
    assert by_name["TUM-AAAFLCLY.tif"].truth == "colorectal adenocarcinoma epithelium"
    assert by_name["MUS-TCGA-X.tif"].truth == "smooth muscle"
    assert len(cases[0].options) == 9 and "What is the most likely tissue type" in cases[0].question
    # The folder of the split itself can be given too.
    assert len(cases_of("NCT-CRC", nct_crc / "CRC-VAL-HE-7K")) == 18


def test_a_balanced_split_and_cases_as_groups(vqa_rad: Path) -> None:
    written = write_table("vqa-rad", vqa_rad, vqa_rad / "test.csv")
    cases = read_cases(written.path)
    assert [(c.id, c.truth, c.options, c.group) for c in cases] == [
        ("vqa-rad-0", "yes", ("yes", "no"), "case/1"),
        ("vqa-rad-3", "Left", (), "case/2"),
        ("vqa-rad-4", "1", (), "case/2"),
    ]
    assert not written.notes
    assert all(REPORTS_WORDS in case.question for case in cases)
    # The original test split: two images, of one case of MedPix.
    first, second = cases_of("vqa-rad", vqa_rad, split="test")
    assert (first.id, first.truth, first.group) == ("vqa-rad-1", "left upper lobe", "case/1")
    assert (second.truth, second.group) == ("no", "case/1") and '"heart", here, large?' in second.question
    (vqa_rad / "vqa_rad_balanced_split_and_human_eval_inclusions.tsv").unlink()
    with pytest.raises(InputError, match="Google-Health"):
        write_table("vqa-rad", vqa_rad, vqa_rad / "balanced.csv")


def test_english_questions_by_image(slake: Path) -> None:
    written = write_table("slake", slake, slake / "test.csv")
    cases = read_cases(written.path)
    assert [(c.id, c.truth, c.options) for c in cases] == [
        ("slake-1", "MRI", ()),
        ("slake-2", "yes", ("yes", "no")),
        ("slake-3", "Liver", ()),
    ]
    assert [c.group for c in cases] == ["xmlab1/source.jpg", "xmlab1/source.jpg", "xmlab2/source.jpg"]
    assert written.notes == ("left out: 1 questions that are not in English",)
    assert len(cases_of("slake", slake, split="validation")) == 3  # named validate.json there
    (slake / "Slake1.0/imgs/xmlab2/source.jpg").unlink()
    with pytest.raises(InputError, match=r"xmlab2/source\.jpg"):
        write_table("slake", slake, slake / "again.csv")


def test_companion_files_of_macos_are_no_patches(nct_crc: Path) -> None:
    (nct_crc / "CRC-VAL-HE-7K/ADI/._ADI-0.tif").write_bytes(b"\0\5")
    assert len(cases_of("nct-crc", nct_crc)) == 18


def test_questions_without_an_answer_are_left_out_and_named(slake: Path) -> None:
    listed = slake / "Slake1.0/test.json"
    records = json.loads(listed.read_text(encoding="utf-8"))
    for record, answer in zip(records, (None, float("nan"), " "), strict=False):
        record["answer"] = answer
    more = [records[0] | {"qid": 9, "answer": "Spleen"}, records[0] | {"qid": 10, "answer": "NA"}]
    listed.write_text(json.dumps([*records, *more]), encoding="utf-8")
    written = write_table("slake", slake, slake / "test.csv")
    assert [case.truth for case in read_cases(written.path)] == ["Spleen"]
    assert written.notes[0].startswith("left out: 4 questions") and "slake-2" in written.notes[0]


def test_eighteen_questions_about_the_first_reconstruction_of_each_scan(ct_rate: Path) -> None:
    written = write_table("ct-rate", ct_rate, ct_rate / "valid.csv")
    cases = read_cases(written.path)
    files = list(dict.fromkeys(case.path.name for case in cases))
    assert files == ["valid_1_a_1.nii.gz", "valid_1_b_1.nii.gz", "valid_2_a_2.nii.gz"]
    assert len(cases) == 3 * 18 and {case.group for case in cases} == {"valid_1", "valid_2"}
    emphysema = next(case for case in cases if case.condition == "Emphysema")
    assert emphysema.question == CT_RATE_QUESTION.format(condition="Emphysema")
    # Label k of volume i is set where (i + k) % 3 is 0: Emphysema is the eighth.
    assert [c.truth for c in cases if c.condition == "Emphysema"] == ["no", "yes", "no"]
    assert any("not showing the chest" in note for note in written.notes)
    assert "4 scans are here" in written.notes[0]


def test_volumes_without_their_scale_are_refused(ct_rate: Path) -> None:
    (ct_rate / "dataset/valid_fixed").rename(ct_rate / "dataset/valid")
    with pytest.raises(InputError, match="Hounsfield") as error:
        write_table("ct-rate", ct_rate, ct_rate / "valid.csv")
    assert "dataset/valid_fixed" in error.value.remedy


def test_pairs_are_asked_prior_first(ms_cxr_t: Path) -> None:
    cases = cases_of("ms-cxr-t", ms_cxr_t)
    assert [(c.condition, c.truth, c.group) for c in cases] == [
        ("edema", "improved", "10002428"),
        ("pneumonia", "stable", "10002428"),
        ("edema", "worsened", "10046166"),
    ]
    assert [len([p for p in c.messages[0]["content"] if p["type"] == "image"]) for c in cases] == [2, 2, 2]


def test_pairs_are_found_in_the_folders_of_physionet(ms_cxr_t: Path) -> None:
    found = SETS["ms-cxr-t"].read(ms_cxr_t, "test", lambda groups: set(groups))
    files = ms_cxr_t / "physionet.org/files/mimic-cxr-jpg/2.1.0/files/p10"
    assert [(Path(r["path"]).relative_to(files), Path(r["prior"]).relative_to(files)) for r in found.rows] == [
        (Path("p10002428/s55758034/3bea.jpg"), Path("p10002428/s50414267/02aa.jpg")),
        (Path("p10002428/s55758034/3bea.jpg"), Path("p10002428/s50414267/02aa.jpg")),
        (Path("p10046166/s57379357/e4b5.jpg"), Path("p10046166/s53492798/f9a1.jpg")),
    ]
    assert [(r["condition"], r["answer"]) for r in found.rows] == [
        ("edema", "improved"),
        ("pneumonia", "stable"),
        ("edema", "worsened"),
    ]


def test_what_a_label_means_follows_from_the_names_of_the_cases(write_brats) -> None:
    write_brats("BraTS-GLI-00001-000", [1, 2, 3])
    write_brats("BraTS-GLI-00001-001", [2, 4])  # the same patient after surgery: 4 is the cavity
    folder = write_brats("BraTS2021_00007", [1, 4], new=False)
    write_brats("BraTS-GLI-00009-000")  # of the validation data: no segmentation
    written = write_table("brats", folder, folder.parent / "brats.csv")
    cases = read_cases(written.path)
    assert [(c.id, c.path.name, c.truth, c.group) for c in cases] == [
        ("BraTS-GLI-00001-000-enhancing-tumor", "BraTS-GLI-00001-000-t1c.nii.gz", "yes", "BraTS-GLI-00001"),
        ("BraTS-GLI-00001-000-peritumoral-edema", "BraTS-GLI-00001-000-t2f.nii.gz", "yes", "BraTS-GLI-00001"),
        ("BraTS-GLI-00001-001-enhancing-tumor", "BraTS-GLI-00001-001-t1c.nii.gz", "no", "BraTS-GLI-00001"),
        ("BraTS-GLI-00001-001-peritumoral-edema", "BraTS-GLI-00001-001-t2f.nii.gz", "yes", "BraTS-GLI-00001"),
        ("BraTS2021_00007-enhancing-tumor", "BraTS2021_00007_t1ce.nii.gz", "yes", "BraTS2021_00007"),
        ("BraTS2021_00007-peritumoral-edema", "BraTS2021_00007_flair.nii.gz", "no", "BraTS2021_00007"),
    ]
    assert written.notes[0] == "left out: 1 cases without a segmentation"
    assert "enhancing tumor: 2 of 3 yes" in written.notes
    assert len(cases_of("brats", folder, split="sequences")) == 4 * 4


@pytest.mark.parametrize(
    ("case", "labels", "new", "said"),
    [
        ("BraTS2021_00007", [3], False, "label 3"),
        ("BraTS-GLI-00001-000", [9], True, "label 9"),
        ("BraTS-PED-00001-000", [1], True, "does not know the meaning of the labels of BraTS-PED-00001-000"),
    ],
)
def test_a_label_that_may_mean_something_else_is_refused(write_brats, case, labels, new, said) -> None:
    folder = write_brats(case, labels, new)
    with pytest.raises(InputError, match=said):
        write_table("brats", folder, folder.parent / "brats.csv")


def test_a_cut_segmentation_is_one_error(write_brats) -> None:
    folder = write_brats("BraTS-GLI-00001-000", [1])
    broken = folder / "BraTS-GLI-00001-000/BraTS-GLI-00001-000-seg.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        write_table("brats", folder, folder.parent / "brats.csv")


class Sure:
    """Says yes to what can be said yes to, and else the first option."""

    name = "sure"

    def generate(self, messages: list[Message], max_new_tokens: int) -> Reply:
        question = messages[-1]["content"][-1]["text"]
        listed = re.search(r"Options: ([^,.]+)", question)
        return Reply(f"Final Answer: {listed[1] if listed else 'yes'}", "", 100, 5, 0.1, finished=True)


def test_a_table_is_asked_and_scored_by_condition_and_patient(ct_rate: Path, tmp_path: Path) -> None:
    cases = cases_of("ct-rate", ct_rate)
    scores = run_evaluation(Sure(), cases, tmp_path / "run")
    assert scores["answers"] == 54 and scores["failed"] == 0 and len(scores["conditions"]) == 18
    # Label i of volume k is set where (i + k) % 3 is 0, of volumes 0, 2 and 3: in turns 2, 1 and 0 of the three.
    assert scores["kinds"]["ct"]["accuracy"]["mean"] == pytest.approx((2 / 3 + 1 / 3 + 0) / 3, abs=1e-4)
    assert scores["kinds"]["ct"]["macro F1"]["mean"] == pytest.approx((4 / 5 + 1 / 2 + 0) / 3, abs=1e-4)


def test_a_limit_draws_whole_groups_and_the_same_again(ct_rate: Path, tmp_path: Path) -> None:
    drawn = [write_table("ct-rate", ct_rate, tmp_path / f"{k}.csv", limit=1, seed=5) for k in (1, 2)]
    assert drawn[0].groups == 1 and drawn[0].rows in (18, 36)
    assert drawn[0].path.read_text() == drawn[1].path.read_text()
    groups = {
        read_cases(write_table("ct-rate", ct_rate, tmp_path / f"s{k}.csv", limit=1, seed=k).path)[0].group
        for k in range(8)
    }
    assert groups == {"valid_1", "valid_2"}


@pytest.mark.parametrize("limit", [1, 2, 3, 99])
def test_what_a_limit_leaves_is_part_of_the_whole_table(write_brats, limit: int) -> None:
    for case in ("BraTS-MEN-00001-000", "BraTS-MEN-00001-001", "BraTS-MEN-00002-000", "BraTS-MEN-00003-000"):
        folder = write_brats(case, [3])
    whole = cases_of("brats", folder)
    part = read_cases(write_table("brats", folder, folder / f"{limit}.csv", limit=limit, seed=limit).path)
    groups = {case.group for case in part}
    assert len(groups) == min(limit, 3)
    assert [case.id for case in part] == [case.id for case in whole if case.group in groups]


def test_every_option_is_read_as_itself(nct_crc: Path, write_brats) -> None:
    for case in (
        cases_of("nct-crc", nct_crc)[0],
        cases_of("brats", write_brats("BraTS-SSA-00001-000"), split="sequences")[0],
    ):
        for option in case.options:
            assert parse_final_answer(f"It could be anything. Final Answer: {option}", case.options) == option


def test_the_table_and_the_set_can_be_moved_together(nct_crc: Path, tmp_path: Path) -> None:
    written = write_table("nct-crc", nct_crc, tmp_path / "crc/tables/test.csv", limit=3)
    before = read_cases(written.path)
    nct_crc.rename(tmp_path / "elsewhere")
    after = read_cases(tmp_path / "elsewhere/tables/test.csv")
    assert [case.id for case in after] == [case.id for case in before] and len(after) == 3


@pytest.mark.parametrize("name", list(SETS))
def test_an_empty_folder_is_told_what_belongs_there_and_where_to_get_it(name: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError) as error:
        write_table(name, empty, tmp_path / "table.csv")
    assert error.value.path == str(empty.resolve()) and "https://" in error.value.remedy
    assert list(tmp_path.iterdir()) == [empty]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "imagenet"}, "Use one of nct-crc"),
        ({"split": "dev"}, "Use one of test, train"),
        ({"limit": 0}, "1 or more"),
        ({"output": "table.txt"}, "written as .csv"),
        ({"folder": "nowhere"}, "This folder does not exist"),
    ],
)
def test_bad_input_is_one_error(nct_crc: Path, tmp_path: Path, options: dict, said: str) -> None:
    given = {"name": "nct-crc", "folder": nct_crc, "output": "table.csv"} | options
    name, folder, output = (given.pop(key) for key in ("name", "folder", "output"))
    with pytest.raises(InputError, match=said):
        write_table(name, tmp_path / folder, tmp_path / output, **given)


def test_no_table_is_written_over(nct_crc: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("my own", encoding="utf-8")
    with pytest.raises(InputError, match="already"):
        write_table("nct-crc", nct_crc, mine)
    assert mine.read_text(encoding="utf-8") == "my own"


def test_damaged_lists_are_one_error(slake: Path, ct_rate: Path) -> None:
    (slake / "Slake1.0/test.json").write_text('[{"qid": 1}]', encoding="utf-8")
    with pytest.raises(InputError, match="Question 1 has no img_name"):
        write_table("slake", slake, slake / "test.csv")
    (slake / "Slake1.0/test.json").write_text("[{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        write_table("slake", slake, slake / "test.csv")
    labels = ct_rate / "dataset/multi_abnormality_labels/valid_predicted_labels.csv"
    text = labels.read_text(encoding="utf-8")
    labels.write_text(text.replace(",Emphysema,", ",Empyema,"), encoding="utf-8")
    with pytest.raises(InputError, match="column Emphysema is missing"):
        write_table("ct-rate", ct_rate, ct_rate / "valid.csv")
    labels.write_text(text.replace("valid_1_a_1.nii.gz,1", "valid_1_a_1.nii.gz,-1"), encoding="utf-8")
    with pytest.raises(InputError, match="Medical material of valid_1_a_1"):
        write_table("ct-rate", ct_rate, ct_rate / "valid.csv")


def test_the_command_writes_the_table_with_terms_and_published_figures(slake: Path, tmp_path, capsys) -> None:
    output = tmp_path / "slake.csv"
    assert main(["benchmark", "slake", str(slake), "--output", str(output), "--limit", "1", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert "terms: CC BY 4.0" in said and "published: questions on radiology, SLAKE, tokenized F1" in said
    assert "MedGemma 1 72.3, 1.5 59.8, fell" in said and f"--cases {output}" in said
    assert {case.group for case in read_cases(output)} <= {"xmlab1/source.jpg", "xmlab2/source.jpg"}
    assert main(["benchmark", "slake", str(slake)]) == 2
    assert "--output" in capsys.readouterr().err


def test_without_a_name_the_sets_are_listed_and_all_that_is_published(capsys) -> None:
    assert main(["benchmark"]) == 0
    said = capsys.readouterr().out
    assert all(each.title in said for each in SETS.values())
    fell = {row.task: (row.medgemma_1, row.medgemma_1_5) for row in PUBLISHED if row.medgemma_1 > row.medgemma_1_5}
    assert sorted(fell.values()) == sorted(
        [(72.3, 59.8), (49.9, 48.1), (50.1, 48.4), (73.4, 67.6), (39.1, 33.8), (87.6, 82.8)]
    )
    assert said.count(", fell") == len(fell) and said.count("published: ") == len(PUBLISHED)
    assert main(["benchmark", "ct-rate"]) == 0
    assert about("ct-rate") in capsys.readouterr().out


def test_what_is_published_of_a_set_names_a_set_that_is_there() -> None:
    assert {row.of_set for row in PUBLISHED} - {""} <= SETS.keys()
    assert published_lines("brats") == []
    assert json.dumps(PUBLISHED, allow_nan=False)


def test_a_volume_of_another_name_stops_the_table(ct_rate: Path) -> None:
    labels = ct_rate / "dataset/multi_abnormality_labels/valid_predicted_labels.csv"
    labels.write_text(labels.read_text(encoding="utf-8").replace("valid_2_a_2", "../secret"), encoding="utf-8")
    volume(ct_rate / "dataset/secret.nii.gz")
    with pytest.raises(InputError, match="not the name of a volume"):
        write_table("ct-rate", ct_rate, ct_rate / "valid.csv")
