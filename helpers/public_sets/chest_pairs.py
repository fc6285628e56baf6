"""MS-CXR-T: pairs of chest radiographs of one patient, and how each of five findings changed between them.

The list comes from PhysioNet, its images from MIMIC-CXR-JPG (or MIMIC-CXR, as DICOM). Columns of the list:
``dicom_id`` and ``previous_dicom_id`` (p10/p10002428/s55758034/3bea0373-...), ``subject_id``, ``study_id``,
``previous_study_id``, and ``FINDING_progression`` (improving, stable, worsening, or empty).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from helpers.errors import InputError
from helpers.prompts import CHANGE_QUESTION
from helpers.public_sets.layouts import Choose, Found, PublicSet, absent, check_there, read_columns, the_one

SOURCE = "https://physionet.org/content/ms-cxr-t/1.0.0"
IMAGES_SOURCE = "https://physionet.org/content/mimic-cxr-jpg"
LIST = "MS_CXR_T_temporal_image_classification_v1.0.0.csv"
FINDINGS = ("consolidation", "edema", "pleural_effusion", "pneumonia", "pneumothorax")
SAID = {"improving": "improved", "stable": "stable", "worsening": "worsened"}
_IDS = ("subject_id", "study_id", "dicom_id", "previous_study_id", "previous_dicom_id")


def _read(folder: Path, split: str, choose: Choose) -> Found:
    table = the_one(folder, [f"{at}{LIST}" for at in ("", "*/", "*/*/", "*/*/*/", "*/*/*/*/")], SOURCE)
    images = _images(folder)
    pairs = read_columns(table, (*_IDS, *(f"{finding}_progression" for finding in FINDINGS)))
    kept = choose(dict.fromkeys(pair["subject_id"] for pair in pairs))
    rows, paths = [], []
    for number, pair in enumerate(pairs, start=1):
        if pair["subject_id"] not in kept:
            continue
        now, before = (_path(images, pair, which) for which in ("", "previous_"))
        paths += [now, before]
        for finding in FINDINGS:
            change = pair[f"{finding}_progression"].lower()
            if change in ("", "nan"):
                continue
            if change not in SAID:
                raise InputError(
                    f"Pair {number}: {finding} is {change!r}, not one of {', '.join(SAID)}.",
                    path=table,
                    remedy="Download the file again.",
                )
            name = finding.replace("_", " ")
            rows.append(
                {
                    "path": str(now),
                    "prior": str(before),
                    "modality": "image",
                    "condition": name,
                    "question": CHANGE_QUESTION.format(condition=name),
                    "answer": SAID[change],
                    "options": "|".join(SAID.values()),
                    "group": pair["subject_id"],
                    "id": f"ms-cxr-t-{now.stem[:8]}-{before.stem[:8]}-{finding}",
                }
            )
    check_there(paths, folder, IMAGES_SOURCE)
    return Found(rows)


def _images(folder: Path) -> Path:
    """The folder that holds p10 to p19, as PhysioNet lays it out or wget leaves it."""
    for at in ("files", ".", "*/files", "*/*/files", "*/*/*/files", "*/*/*/*/files"):
        for found in sorted(folder.glob(at)) if at != "." else [folder]:
            if any(inner.is_dir() for inner in found.glob("p1[0-9]")):
                return found
    raise absent(folder, "folder files/p10 to files/p19", IMAGES_SOURCE)


def _path(images: Path, pair: dict[str, str], which: str) -> Path:
    """The path of an image. Its id may be the path. If the id is only a name, the other columns give the path."""
    place = PurePosixPath(pair[f"{which}dicom_id"])
    if len(place.parts) == 1:
        patient, study = pair["subject_id"], pair[f"{which}study_id"]
        place = PurePosixPath(f"p{patient[:2]}", f"p{patient}", f"s{study}", place)
    whole = images / place
    dicom = whole.with_name(f"{place.name}.dcm")
    return dicom if dicom.is_file() else whole.with_name(f"{place.name}.jpg")


MS_CXR_T = PublicSet(
    name="ms-cxr-t",
    title="MS-CXR-T: change of five findings between two chest radiographs of a patient",
    source=SOURCE,
    terms="PhysioNet Credentialed Health Data License: you need a training and a signed agreement, and you "
    "must not send the images to other people's services",
    layout=(LIST, "files/p10/p10002428/s55758034/....jpg (of MIMIC-CXR-JPG; .dcm of MIMIC-CXR)"),
    splits=("test",),
    groups="one patient",
    protocol="We show the prior radiograph, then the current one, and ask our own question, because the report "
    "offers (A) Improved, (B) Stable, (C) Worsened but does not print its words. The report's macro "
    "accuracy is the mean over the findings.",
    read=_read,
)
