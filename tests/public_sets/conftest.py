"""Small folders of the layouts that the public sets have, with made images."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from helpers.public_sets.chest_ct import CONDITIONS
from helpers.public_sets.chest_pairs import FINDINGS, LIST
from helpers.public_sets.pathology_patches import CLASSES
from helpers.public_sets.visual_questions import BALANCED


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), (90, 60, 30)).save(path)


def volume(path: Path, values: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if values is None:  # from air to bone, in Hounsfield units
        values = np.linspace(-1000, 1500, 8 * 8 * 6).astype(np.int16).reshape(8, 8, 6)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0])), path)


def table(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def nct_crc(tmp_path: Path) -> Path:
    """Two patches of each class, in the folder of the test split."""
    for short in CLASSES:
        for name in ("AAAFLCLY", "TCGA-X"):
            picture(tmp_path / f"crc/CRC-VAL-HE-7K/{short}/{short}-{name}.tif")
    return tmp_path / "crc"


@pytest.fixture
def vqa_rad(tmp_path: Path) -> Path:
    """Five questions about three images of two cases, one of which no table can hold."""
    records = [
        (0, "a.jpg", "case/1", "Is there air?", "Yes", "freeform", "CLOSED "),
        (1, "a.jpg", "case/1", "Where is it?", "left  upper\nlobe", "test_freeform", "OPEN"),
        (2, "b.jpg", "case/1", 'Is the "heart", here, large?', "no", "test_para", "CLOSED"),
        (3, "c.jpg", "case/2", "Left or right?", "Left", "para", "CLOSED"),
        (4, "c.jpg", "case/2", "How many stones?", 1, "freeform", "OPEN"),
    ]
    keys = ("qid", "image_name", "image_case_url", "question", "answer", "phrase_type", "answer_type")
    folder = tmp_path / "vqa"
    folder.mkdir()
    text = json.dumps([dict(zip(keys, record, strict=True)) for record in records])
    (folder / "VQA_RAD Dataset Public.json").write_text(text, encoding="utf-8")
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        picture(folder / "VQA_RAD Image Folder" / name)
    splits = {0: "test", 1: "train", 2: "validation", 3: "test", 4: "test"}
    rows = [{"QID_unique": k, "SPLIT_BALANCED": v, "INCLUDED_IN_HUMAN_EVAL": "TRUE"} for k, v in splits.items()]
    table(folder / BALANCED, rows, "\t")
    return folder


@pytest.fixture
def slake(tmp_path: Path) -> Path:
    """Three English questions and a Chinese one, one folder down as the archive unpacks."""
    folder = tmp_path / "slake/Slake1.0"
    records = [
        (1, "xmlab1/source.jpg", "What modality is used?", "MRI", "en", "OPEN"),
        (2, "xmlab1/source.jpg", "Does it show the liver?", "Yes", "en", "CLOSED"),
        (3, "xmlab2/source.jpg", "Which is bigger, liver or kidney?", "Liver", "en", "CLOSED"),
        (4, "xmlab2/source.jpg", "图中有肝脏吗?", "有", "zh", "CLOSED"),
    ]
    keys = ("qid", "img_name", "question", "answer", "q_lang", "answer_type")
    for number in (1, 2):
        picture(folder / f"imgs/xmlab{number}/source.jpg")
    for split in ("train", "validate", "test"):
        text = json.dumps([dict(zip(keys, record, strict=True)) for record in records], ensure_ascii=False)
        (folder / f"{split}.json").write_text(text, encoding="utf-8")
    return tmp_path / "slake"


@pytest.fixture
def ct_rate(tmp_path: Path) -> Path:
    """Three scans of two patients, one of them in two reconstructions, and one that shows a head."""
    folder = tmp_path / "ct-rate/dataset"
    names = ["valid_1_a_1", "valid_1_a_2", "valid_1_b_1", "valid_2_a_2", "valid_3_a_1", "valid_4_a_1"]
    labels = [
        {"VolumeName": f"{name}.nii.gz"} | {c: int((k + i) % 3 == 0) for i, c in enumerate(CONDITIONS)}
        for k, name in enumerate(names)
    ]
    table(folder / "multi_abnormality_labels/valid_predicted_labels.csv", labels)
    for name in names[:-1]:  # of valid_4 only the label was downloaded
        split, patient, scan, _ = name.split("_")
        volume(folder / f"valid_fixed/{split}_{patient}/{split}_{patient}_{scan}/{name}.nii.gz")
    (folder / "metadata").mkdir()
    (folder / "metadata/no_chest_valid.txt").write_text("valid_3_a_1\n", encoding="utf-8")
    return tmp_path / "ct-rate"


@pytest.fixture
def ms_cxr_t(tmp_path: Path) -> Path:
    """Two pairs of two patients as wget leaves PhysioNet's folders, the second pair as DICOM names alone."""
    root = tmp_path / "cxr/physionet.org/files"
    pairs = [
        ("10002428", "55758034", "p10/p10002428/s55758034/3bea", "50414267", "p10/p10002428/s50414267/02aa"),
        ("10046166", "57379357", "e4b5", "53492798", "f9a1"),
    ]
    keys = ("subject_id", "study_id", "dicom_id", "previous_study_id", "previous_dicom_id")
    said = [{"edema": "improving", "pneumonia": "stable"}, {"edema": "worsening"}]
    rows = [
        dict(zip(keys, pair, strict=True)) | {f"{f}_progression": changes.get(f, "") for f in FINDINGS}
        for pair, changes in zip(pairs, said, strict=True)
    ]
    table(root / "ms-cxr-t/1.0.0" / LIST, rows)
    for name in ("s55758034/3bea", "s50414267/02aa"):
        picture(root / f"mimic-cxr-jpg/2.1.0/files/p10/p10002428/{name}.jpg")
    for name in ("s57379357/e4b5", "s53492798/f9a1"):
        picture(root / f"mimic-cxr-jpg/2.1.0/files/p10/p10046166/{name}.jpg")
    return tmp_path / "cxr"


@pytest.fixture
def write_brats(tmp_path: Path) -> Callable[..., Path]:
    """Write a case with its four sequences, and with a segmentation of the labels that are given."""

    def write(case: str, labels: Sequence[int] | None = None, new: bool = True) -> Path:
        mark, shorts = ("-", ("t1n", "t1c", "t2w", "t2f")) if new else ("_", ("t1", "t1ce", "t2", "flair"))
        for short in shorts:
            volume(tmp_path / f"brats/{case}/{case}{mark}{short}.nii.gz")
        if labels is not None:
            values = np.zeros((8, 8, 6), np.uint8)
            values.flat[: len(labels)] = labels
            volume(tmp_path / f"brats/{case}/{case}{mark}seg.nii.gz", values)
        return tmp_path / "brats"

    return write
