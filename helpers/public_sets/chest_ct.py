"""CT-RATE: chest CT with 18 labels that were read from the reports; each is one question about a volume.

Layout: the dataset's page on Hugging Face. Names are SPLIT_PATIENT_SCAN_RECONSTRUCTION: of one scan there are
several reconstructions, with the same labels.
"""

from __future__ import annotations

import re
from pathlib import Path

from helpers.errors import InputError
from helpers.prompts import CT_RATE_QUESTION
from helpers.public_sets.layouts import Choose, Found, PublicSet, absent, read_columns, the_one

SOURCE = "https://huggingface.co/datasets/ibrahimhamamci/CT-RATE"
CONDITIONS = (
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
)
_NAME = re.compile(r"((?:train|valid)_\d+)_([a-z]+)_(\d+)\.nii\.gz")
_SAID = {"0": "no", "1": "yes", "0.0": "no", "1.0": "yes"}


def _read(folder: Path, split: str, choose: Choose) -> Found:
    name = f"{split}_predicted_labels.csv"
    places = ("dataset/multi_abnormality_labels/", "multi_abnormality_labels/", "", "dataset/", "*/")
    table = the_one(folder, [f"{at}{name}" for at in places], SOURCE)
    volumes = next((p for at in ("dataset", ".") if (p := folder / at / f"{split}_fixed").is_dir()), None)
    if volumes is None:
        raise _no_volumes(folder, split)
    labels = {row["VolumeName"]: row for row in read_columns(table, ("VolumeName", *CONDITIONS))}
    scans: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for volume in labels:
        matched = _NAME.fullmatch(volume)
        if not matched:
            raise InputError(
                f"{volume!r} is not the name of a volume.", path=table, remedy="Download the file again."
            )
        patient, scan, number = matched.groups()
        if _path(volumes, patient, scan, volume).is_file():
            scans.setdefault((patient, scan), []).append((int(number), volume))
    if not scans:
        raise absent(volumes, f"volume of the {len(labels)} that {name} names", SOURCE)
    not_chest = _not_chest(folder, split)
    first = {place: min(found)[1] for place, found in scans.items() if not_chest.isdisjoint(v for _, v in found)}
    kept = choose(dict.fromkeys(patient for patient, _ in first))
    rows = []
    for (patient, scan), volume in first.items():
        if patient not in kept:
            continue
        for condition in CONDITIONS:
            if labels[volume][condition] not in _SAID:
                raise InputError(
                    f"{condition} of {volume} is {labels[volume][condition]!r}, not 0 or 1.",
                    path=table,
                    remedy="Download the file again.",
                )
            rows.append(
                {
                    "path": str(_path(volumes, patient, scan, volume)),
                    "modality": "ct",
                    "condition": condition,
                    "question": CT_RATE_QUESTION.format(condition=condition),
                    "answer": _SAID[labels[volume][condition]],
                    "group": patient,
                    "id": f"ct-rate-{volume.removesuffix('.nii.gz')}-{condition.lower().replace(' ', '-')}",
                }
            )
    notes = [f"{len(scans)} scans are here, with {len(labels)} volumes named in {name}; of each scan the first"]
    if left_out := len(scans) - len(first):
        notes.append(f"left out: {left_out} scans that the set itself lists as not showing the chest")
    return Found(rows, tuple(notes))


def _path(volumes: Path, patient: str, scan: str, volume: str) -> Path:
    return volumes / patient / f"{patient}_{scan}" / volume


def _no_volumes(folder: Path, split: str) -> InputError:
    if any((folder / at / split).is_dir() for at in ("dataset", ".")):
        return InputError(
            f"The folder holds {split} but not {split}_fixed. The headers in {split} lack orientation, "
            "voxel size and Hounsfield scale.",
            path=folder,
            remedy=f"Download dataset/{split}_fixed from {SOURCE}.",
        )
    return absent(folder, f"folder dataset/{split}_fixed", SOURCE)


def _not_chest(folder: Path, split: str) -> set[str]:
    """Names of volumes that show another part of the body. Empty if the set's own list was not downloaded."""
    places = (folder / at / f"no_chest_{split}.txt" for at in ("dataset/metadata", "metadata", "dataset", "."))
    listed = next((place for place in places if place.is_file()), None)
    lines = listed.read_text(encoding="utf-8").split() if listed else []
    return {f"{line.rpartition('/')[2].removesuffix('.nii.gz')}.nii.gz" for line in lines}


CT_RATE = PublicSet(
    name="ct-rate",
    title="CT-RATE: chest CT without contrast, 18 conditions a volume",
    source=SOURCE,
    terms="CC BY-NC-SA 4.0, after you accept the terms on that page: use the data for research and teaching "
    "only, and do not pass them on",
    layout=(
        "dataset/multi_abnormality_labels/valid_predicted_labels.csv",
        "dataset/valid_fixed/valid_1/valid_1_a/valid_1_a_1.nii.gz (as many as you like)",
        "dataset/metadata/no_chest_valid.txt (where it is there, these volumes are left out)",
    ),
    splits=("valid", "train"),
    groups="one patient",
    protocol="We ask with the report's own template for this set, once for each condition. The report "
    "evaluates on the valid split: 1,564 scans of 1,304 patients. It does not say which "
    "reconstruction of a scan it took; we take the first one in the folder. The report says both that "
    "the volumes were resampled to 480 x 480 x 240 and that they were not; we do not resample them.",
    read=_read,
)
