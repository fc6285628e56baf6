"""What the MedGemma 1.5 report publishes, and what a run of the notebooks measured; each labelled as what it is.

The two are of other models, images and questions, so no difference of theirs means anything. Side by side they
tell which step of a notebook belongs to which figure of the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from helpers.evaluation import wilson
from helpers.models import STANDIN_FOLDER

MODEL_CARD = STANDIN_FOLDER / "README.md"
SOURCE = "MedGemma 1.5 technical report, arXiv:2604.05081"


class Published(NamedTuple):
    """One row of the report's scores, in percent."""

    kind: str  # of images, as in `MEASURED`
    task: str
    measure: str
    medgemma_1: float
    medgemma_1_5: float
    specific: str  # a model made for the task


_BOXES, _CHANGE = "boxes on chest radiographs, Chest ImaGenome", "change over time, MS-CXR-T"
PUBLISHED = (
    Published("CT volume", "CT findings, 7 conditions, balanced", "macro accuracy", 58.2, 61.1, ""),
    Published("CT volume", "CT-RATE, 18 conditions", "macro F1", 23.5, 26.9, ""),
    Published("MRI volume", "MRI findings, 7 conditions, balanced", "macro accuracy", 51.3, 64.7, ""),
    Published("whole slide", "final diagnosis, cases of one slide", "ROUGE-L", 2.2, 49.4, "49.8 (PolyPath)"),
    Published("single image", "fundus photographs, EyePACS", "accuracy", 64.9, 76.8, ""),
    Published("single image", "pathology patches, PathMCQA", "accuracy", 69.8, 70.0, ""),
    Published("single image", _BOXES, "mean IoU", 3.1, 38.0, "30.7 to 34.4 (CoCa-CXR)"),
    Published("single image", _CHANGE, "macro accuracy", 61.1, 65.7, "68.5 (BioViL-T)"),
)


class Teaching(NamedTuple):
    """Where a notebook's results count the teaching cases that were right, for one kind of images."""

    kind: str
    notebook: str
    right: str
    task: str


MEASURED = (
    Teaching("CT volume", "02_ct_volume_prompting", "teaching_cases_right", "three findings, yes or no"),
    Teaching("MRI volume", "03_mri_volume_prompting", "teaching_cases_right", "three findings, yes or no"),
    Teaching("whole slide", "04_wsi_patch_prompting", "teaching_cases_exact", "stain, the exact sentence"),
    Teaching("single image", "01_load_medgemma", "teaching_cases_right", "kind of image, open, yes or no, choice"),
)
# Notebooks whose results are scores, with the keys that say something else.
SCORED = {
    "05_evaluation": ("model", "is_standin", "data", "seconds_one_by_one", "seconds_in_a_session"),
    "06_fine_tuning": ("model", "is_standin", "data", "seconds", "cpu_seconds"),
}


class Measured(NamedTuple):
    """What a run says of one kind of images, beside the report's figures of that kind."""

    kind: str
    published: list[Published]
    task: str
    model: str
    figure: str  # "8 of 8: 100 % (68 to 100)", or why there is none
    known: bool
    page: str


def side_by_side(summary: Mapping[str, Any]) -> list[Measured]:
    """One row for each kind of images, from the summary of a run (`helpers.course.run_notebooks`).

    A notebook that failed or was not run measured nothing, whatever an earlier run did.
    """
    records = {Path(record["notebook"]).stem: record for record in summary["notebooks"]}
    rows = []
    for kind, notebook, key, task in MEASURED:
        published = [row for row in PUBLISHED if row.kind == kind]
        record = records.get(notebook, {"status": "not run", "results": {}})
        right, n = (record["results"].get(name) for name in (key, "teaching_cases"))
        known = record["status"] == "ok" and right is not None and bool(n)
        if known:
            low, high = (round(100 * end) for end in wilson(right, n))
            figure = f"{right} of {n}: {100 * right / n:.0f} % ({low} to {high} %)"
        else:
            ending = "gives no such figure" if record["status"] == "ok" else f"ended: {record['status']}"
            figure = f"not measured (notebook {notebook[:2]} {ending})"
        rows.append(Measured(kind, published, task, named(record["results"]), figure, known, f"{notebook}.html"))
    return rows


def named(results: Mapping[str, Any]) -> str:
    """The model that gave a notebook's results, and whether it is the stand-in."""
    model = str(results.get("model", "-"))
    return f"{model} (not MedGemma)" if results.get("is_standin") else model


def scored(summary: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], list[tuple[str, str]]]]:
    """Records of the notebooks that score, each with the names and values of its scores."""
    tables = []
    for record in summary["notebooks"]:
        others = SCORED.get(Path(record["notebook"]).stem)
        if others and record["status"] == "ok":
            rows = [(k, _text(v)) for k, v in record["results"].items() if k not in others and v is not None]
            tables.append((record, [(name.replace("_", " "), value) for name, value in rows]))
    return tables


def model_card_scores() -> str:
    """The part "Scores" of the stand-in's model card, as Markdown without its heading."""
    text = MODEL_CARD.read_text(encoding="utf-8")
    return text.partition("## Scores\n")[2].partition("\n## ")[0].strip()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_text, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
