"""Folders like those of BraTS: MRI of brain tumours, with four sequences a case, and a segmentation of training
cases.

Two generations of names are known, and with them the numbers of the labels: BraTS2021_00000_t1ce.nii.gz (and
earlier) with 4 for enhancing tumour, BraTS-GLI-00000-000-t1c.nii.gz (2023 and later) with 3. Other sets of the
family (BraTS-PED, BraTS-MEN-RT) number theirs in other ways, or changed it from year to year: they are refused.
The numbers of GLI and MEN were checked in public code; SSA and MET are taken to have them, as their papers say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.public_sets.layouts import Choose, Found, PublicSet, Row, absent

SOURCE = "https://www.synapse.org/Synapse:syn51156910"
SEQUENCES = {
    "T1 without contrast": ("t1n", "t1"),
    "T1 with contrast": ("t1c", "t1ce"),
    "T2": ("t2w", "t2"),
    "FLAIR": ("t2f", "flair"),
}
_FILE = re.compile(r"(brats.+?)[-_](t1n|t1ce|t1c|t1|t2w|t2f|t2|flair|seg)\.nii(?:\.gz)?", re.IGNORECASE)
_NEW, _OLD = re.compile(r"BraTS-(GLI|MEN|SSA|MET)-\d+-\d+"), re.compile(r"brats(17|18|19|20|2021)_\w+", re.I)
EDEMA = 2
# The finding in question, the sequence that shows it, and its label for each generation of names.
FINDINGS = {"enhancing tumor": ("T1 with contrast", "enhancing"), "peritumoral edema": ("FLAIR", "edema")}


def _read(folder: Path, split: str, choose: Choose) -> Found:
    cases = _cases(folder)
    if not cases:
        raise absent(folder, "file such as BraTS-GLI-00000-000-t1c.nii.gz or BraTS2021_00000_t1ce.nii.gz", SOURCE)
    unknown = [case for case in cases if not (_NEW.fullmatch(case) or _OLD.fullmatch(case))]
    if unknown and split == "findings":
        raise InputError(
            f"This program does not know the meaning of the labels of {unknown[0]} ({len(unknown)} such cases).",
            path=folder,
            remedy="Give cases named BraTS-GLI, -MEN, -SSA or -MET, or BraTS2021 or before. Or use --split "
            "sequences (split='sequences'), which reads no labels.",
        )
    wanted = {case: _patient(case) for case, files in cases.items() if split == "sequences" or "seg" in files}
    if not wanted:
        raise absent(folder, "segmentation (training cases have one)", SOURCE)
    kept = choose(dict.fromkeys(wanted.values()))
    rows: list[Row] = []
    make = _sequence_rows if split == "sequences" else _finding_rows
    for case, patient in tqdm(wanted.items(), desc="cases", delay=2, leave=False):
        if patient in kept:
            rows += [row | {"group": patient} for row in make(case, cases[case])]
    without = len(cases) - len(wanted)
    notes = [f"left out: {without} cases without a segmentation"] if without else []
    if split == "findings":
        notes += [f"{condition}: {_share(rows, condition)}" for condition in FINDINGS]
    return Found(rows, tuple(notes))


def _cases(folder: Path) -> dict[str, dict[str, Path]]:
    """The files of each case by their kind: a sequence (as in `SEQUENCES`), or "seg"."""
    names = {short: name for name, shorts in SEQUENCES.items() for short in shorts} | {"seg": "seg"}
    cases: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.rglob("*.nii*")):
        matched = _FILE.fullmatch(path.name)
        if not matched or not path.is_file():
            continue
        case, what = matched[1], names[matched[2].lower()]
        other = cases.setdefault(case, {}).setdefault(what, path)
        if other != path:
            raise InputError(
                f"The folder holds {what} of {case} twice: {other.relative_to(folder)} and "
                f"{path.relative_to(folder)}.",
                path=folder,
                remedy="Give the folder of one of them.",
            )
    return cases


def _patient(case: str) -> str:
    """BraTS-GLI-00000-001 is the second time that a patient was scanned."""
    return case.rpartition("-")[0] if _NEW.fullmatch(case) else case


def _finding_rows(case: str, files: Mapping[str, Path]) -> list[Row]:
    numbers = {"enhancing": 3 if _NEW.fullmatch(case) else 4, "edema": EDEMA}
    there = _labels(files["seg"], case)
    return [
        {
            "path": str(files[sequence]),
            "modality": "mri",
            "condition": condition,
            "answer": "yes" if numbers[label] in there else "no",
            "id": f"{case}-{condition.replace(' ', '-')}",
        }
        for condition, (sequence, label) in FINDINGS.items()
        if sequence in files
    ]


def _sequence_rows(case: str, files: Mapping[str, Path]) -> list[Row]:
    return [
        {
            "path": str(files[sequence]),
            "modality": "mri",
            "question": "Which MRI sequence is this?",
            "answer": sequence,
            "options": "|".join(SEQUENCES),
            "id": f"{case}-sequence-{sequence.lower().replace(' ', '-')}",
        }
        for sequence in SEQUENCES
        if sequence in files
    ]


def _labels(path: Path, case: str) -> set[int]:
    """The labels of a segmentation. Raises `InputError` for one that this generation of names does not have."""
    try:
        voxels = np.asanyarray(nibabel.load(path).dataobj)
    except Exception as error:  # nibabel, gzip and zlib each raise their own
        raise InputError(
            f"The segmentation cannot be read ({error}).", path=path, remedy="Download this case again."
        ) from error
    there = {float(label) for label in np.unique(voxels)}
    # From 2024 on, 4 is the cavity that surgery left.
    known = (
        {0, 1, 2, 3, 4}
        if re.match("BraTS-(GLI|MET)", case)
        else {0, 1, 2, 3}
        if _NEW.match(case)
        else {0, 1, 2, 4}
    )
    if other := there - known:
        raise InputError(
            f"The segmentation holds label {min(other):g}, which {case} should not have.",
            path=path,
            remedy="Download this case again, or leave it out of the folder.",
        )
    return {int(label) for label in there}


def _share(rows: list[Row], condition: str) -> str:
    answers = [row["answer"] for row in rows if row.get("condition") == condition]
    return f"{answers.count('yes')} of {len(answers)} yes"


BRATS = PublicSet(
    name="brats",
    title="BraTS and folders like it: MRI of brain tumours",
    source=SOURCE,
    terms="the terms of each release: you need an account at Synapse and must accept its data use "
    "agreement; cite the papers of the challenge",
    layout=(
        "BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1n, -t1c, -t2w, -t2f, -seg.nii.gz (2023 and later), or",
        "BraTS2021_00000/BraTS2021_00000_t1, _t1ce, _t2, _flair, _seg.nii.gz (2021 and earlier)",
    ),
    splits=("findings", "sequences"),
    groups="one patient",
    protocol="The split findings asks the report's MRI question about enhancing tumor (T1 with contrast) and "
    "edema (FLAIR). The answer is yes if at least one voxel has this label. Most answers are yes, so "
    "read sensitivity and specificity, not accuracy. The split sequences asks which of four sequences "
    "a volume is, with equally many volumes of each.",
    read=_read,
)
