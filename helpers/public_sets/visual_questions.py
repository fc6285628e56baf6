"""VQA-RAD and SLAKE: questions about single images of radiology, with answers in words.

Every question is put into the template that the report prints for both (Table 9). An answer of yes or no makes the
row a closed one. Other questions that the sets call closed ("left or right?") name no list of options. They are
answered in words, like the open ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from helpers.errors import InputError
from helpers.evaluation import MISSING
from helpers.prompts import CHOICE_QUESTION
from helpers.public_sets.layouts import (
    Choose,
    Found,
    PublicSet,
    Row,
    absent,
    check_there,
    one_line,
    read_columns,
    read_records,
    the_one,
)

VQA_RAD_SOURCE = "https://osf.io/89kps"
SLAKE_SOURCE = "https://huggingface.co/datasets/BoKelvin/SLAKE"
BALANCED = "vqa_rad_balanced_split_and_human_eval_inclusions.tsv"
SPLIT_COLUMNS = ("QID_unique", "SPLIT_BALANCED")
BALANCED_SOURCE = "https://github.com/Google-Health/google-health/tree/master/data_splits"


def _rows(asked: Iterable[tuple[Path, str, str, str, str]]) -> tuple[list[Row], list[str]]:
    """Rows of (image, question, answer, group, id), and a note about questions that a table cannot hold."""
    rows, left_out = [], []
    for path, question, answer, group, name in asked:
        plain = answer.rstrip(".").strip().lower()
        if not plain or answer in MISSING or answer[:1] in ("[", "{"):
            left_out.append(name)
            continue
        rows.append(
            {
                "path": str(path),
                "modality": "image",
                "question": CHOICE_QUESTION.format(question=question),
                "answer": plain if plain in ("yes", "no") else answer,
                "group": group,
                "id": name,
            }
        )
    if not left_out:
        return rows, []
    some = ", ".join(left_out[:3])
    return rows, [f"left out: {len(left_out)} questions whose answer is empty, NA or a bracket ({some})"]


def _vqa_rad(folder: Path, split: str, choose: Choose) -> Found:
    names = ("VQA_RAD Dataset Public.json", "VQA_RAD_Dataset_Public.json")  # some downloads change spaces
    listed = the_one(folder, [f"{at}{name}" for at in ("", "*/") for name in names], VQA_RAD_SOURCE)
    keys = ("qid", "image_name", "question", "answer", "phrase_type")
    records = read_records(listed, keys)
    pictures = next((p for n in ("VQA_RAD Image Folder", "images") if (p := listed.parent / n).is_dir()), None)
    if pictures is None:
        raise absent(listed.parent, "folder 'VQA_RAD Image Folder'", VQA_RAD_SOURCE)
    if split.startswith("balanced-"):
        table = the_one(folder, (BALANCED, f"*/{BALANCED}"), BALANCED_SOURCE)
        places = {row["QID_unique"]: row["SPLIT_BALANCED"] for row in read_columns(table, SPLIT_COLUMNS, "\t")}
        unplaced = [record["qid"] for record in records if str(record["qid"]) not in places]
        if unplaced:
            raise InputError(
                f"Question {unplaced[0]} of {listed.name} belongs to none of the splits.",
                path=table,
                remedy="Download both files again.",
            )
        wanted = split.removeprefix("balanced-")
        records = [record for record in records if places[str(record["qid"])] == wanted]
    else:
        in_test = split == "test"
        records = [record for record in records if str(record["phrase_type"]).startswith("test_") == in_test]
    # A case of MedPix may have several images.
    groups = [one_line(record.get("image_case_url") or record["image_name"]) for record in records]
    kept = choose(dict.fromkeys(groups))
    asked = [
        (
            pictures / one_line(record["image_name"]),
            one_line(record["question"]),
            one_line(record["answer"]),
            group,
            f"vqa-rad-{record['qid']}",
        )
        for record, group in zip(records, groups, strict=True)
        if group in kept
    ]
    check_there((path for path, *_ in asked), listed.parent, VQA_RAD_SOURCE)
    rows, notes = _rows(asked)
    return Found(rows, tuple(notes))


def _slake(folder: Path, split: str, choose: Choose) -> Found:
    # The set's own page and Hugging Face use different names.
    names = (split, "validate") if split == "validation" else (split,)
    listed = the_one(folder, [f"{at}{name}.json" for at in ("", "*/") for name in names], SLAKE_SOURCE)
    if not (listed.parent / "imgs").is_dir():
        raise absent(listed.parent, "folder imgs (imgs.zip, unpacked)", SLAKE_SOURCE)
    records = read_records(listed, ("qid", "img_name", "question", "answer", "q_lang"))
    english = [record for record in records if record["q_lang"] == "en"]
    kept = choose(dict.fromkeys(one_line(record["img_name"]) for record in english))
    asked = [
        (
            listed.parent / "imgs" / name,
            one_line(record["question"]),
            one_line(record["answer"]),
            name,
            f"slake-{record['qid']}",
        )
        for record in english
        if (name := one_line(record["img_name"])) in kept
    ]
    check_there((path for path, *_ in asked), listed.parent, SLAKE_SOURCE)
    rows, notes = _rows(asked)
    if other := len(records) - len(english):
        notes.append(f"left out: {other} questions that are not in English")
    return Found(rows, tuple(notes))


VQA_RAD = PublicSet(
    name="vqa-rad",
    title="VQA-RAD: 2,248 questions about 314 images of radiology",
    source=VQA_RAD_SOURCE,
    terms="CC0 1.0",
    layout=(
        "VQA_RAD Dataset Public.json",
        "VQA_RAD Image Folder/synpic....jpg",
        f"{BALANCED} (for the balanced splits; from {BALANCED_SOURCE})",
    ),
    splits=("balanced-test", "balanced-validation", "balanced-train", "test", "train"),
    groups="one case of MedPix, or one image where the file does not name its case",
    protocol="We ask as in Table 9 of the report, which evaluates on the balanced test split of "
    "arXiv:2405.03162, because images of the original test split (451 questions) are also in the "
    "training split. The report's tokenized F1 is over all questions. The closed questions of the "
    "model card are not only yes-or-no questions.",
    read=_vqa_rad,
)
SLAKE = PublicSet(
    name="slake",
    title="SLAKE: questions about 642 images of radiology, in English and Chinese",
    source=SLAKE_SOURCE,
    terms="CC BY 4.0",
    layout=("test.json, validation.json or validate.json, train.json", "imgs/xmlab0/source.jpg"),
    splits=("test", "validation", "train"),
    groups="one image: patients are not recorded, so intervals may be too narrow",
    protocol="We ask as in Table 9 of the report, the 1,061 English questions of the default test split. "
    "MedGemma was trained on SLAKE's own training split (model card). The report's tokenized F1 is "
    "over all questions. The closed questions of the model card are not only yes-or-no questions.",
    read=_slake,
)
