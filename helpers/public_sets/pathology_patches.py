"""NCT-CRC-HE and CRC-VAL-HE: patches of colorectal tissue in nine classes, a folder each.

Layout and class names: Zenodo record 1214456. The question is that of MedGemma's official notebook on tuning
(fine_tune_with_hugging_face.ipynb), which tunes on the first and tests on the second.
"""

from __future__ import annotations

from pathlib import Path

from helpers.errors import InputError
from helpers.public_sets.layouts import Choose, Found, PublicSet, absent
from helpers.volumes import is_hidden

SOURCE = "https://zenodo.org/records/1214456"
FOLDERS = {
    "test": "CRC-VAL-HE-7K",
    "train": "NCT-CRC-HE-100K",
    "train-nonorm": "NCT-CRC-HE-100K-NONORM",
}
CLASSES = {
    "ADI": "adipose",
    "BACK": "background",
    "DEB": "debris",
    "LYM": "lymphocytes",
    "MUC": "mucus",
    "MUS": "smooth muscle",
    "NORM": "normal colon mucosa",
    "STR": "cancer-associated stroma",
    "TUM": "colorectal adenocarcinoma epithelium",
}
QUESTION = "What is the most likely tissue type shown in the histopathology image?"


def _tiffs(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.tif")) if not is_hidden(path)]


def _read(folder: Path, split: str, choose: Choose) -> Found:
    name = FOLDERS[split]
    root = folder if folder.name == name else folder / name
    if not root.is_dir():
        raise absent(folder, f"folder {name}", SOURCE)
    lacking = [short for short in CLASSES if not (root / short).is_dir()]
    if lacking:
        raise absent(root, f"folder {', '.join(lacking)}", SOURCE)
    patches = {path.name: path for short in CLASSES for path in _tiffs(root / short)}
    if not patches:
        raise InputError(
            "The folders of the classes hold no .tif files.", path=root, remedy=f"Unpack {name}.zip again."
        )
    kept = choose(patches)
    return Found(
        [
            {
                "path": str(path),
                "modality": "image",
                "question": QUESTION,
                "answer": CLASSES[path.parent.name],
                "options": "|".join(CLASSES.values()),
                "group": patch,
                "id": f"nct-crc-{path.stem}",
            }
            for patch, path in patches.items()
            if patch in kept
        ]
    )


NCT_CRC = PublicSet(
    name="nct-crc",
    title="NCT-CRC-HE-100K and CRC-VAL-HE-7K: tissue of the large bowel, 9 classes",
    source=SOURCE,
    terms="CC BY 4.0",
    layout=("CRC-VAL-HE-7K/ADI/ADI-....tif (7,180 patches of 224 pixels, 9 folders)", "NCT-CRC-HE-100K/ likewise"),
    splits=tuple(FOLDERS),
    groups="one patch: the files do not record the patient (the test split has 50), so intervals are too narrow",
    protocol="We ask the official notebook's question in the report's template for choices, with the nine "
    "classes as words. The report publishes no figure for this set. Its set PathMCQA is another one, "
    "which is not public.",
    read=_read,
)
