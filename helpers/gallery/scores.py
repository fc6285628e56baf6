"""Show the figures that the MedGemma 1.5 report published beside those of a run of the notebooks, each labelled.

They come from different models, images and questions, so their differences mean nothing. Side by side they show
which step of a notebook belongs to which figure of the report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from helpers.course import notebook_number
from helpers.evaluation import wilson
from helpers.models import STANDIN_FOLDER
from helpers.public_sets import PUBLISHED, REPORT, Published

MODEL_CARD = STANDIN_FOLDER / "README.md"


class Teaching(NamedTuple):
    """The names in a notebook's results that count right teaching cases, for one kind of images."""

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
# Why a kind of images has no count of right cases, although a notebook asks about it.
UNMEASURED = {"document": "notebook 11 scores lab reports, but with the stand-in no model writes the replies"}
# Notebooks whose results are scores, with the keys of other results.
SCORED = {
    "05_evaluation": ("model", "is_standin", "data"),
    "06_fine_tuning": ("model", "is_standin", "data", "seconds", "cpu_seconds"),
}


class Measured(NamedTuple):
    """The figure of a run for one kind of images, beside the report's figures for that kind."""

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
        record = records.get(notebook, {"status": "not run", "results": {}})
        right, n = (record["results"].get(name) for name in (key, "teaching_cases"))
        known = record["status"] == "ok" and right is not None and bool(n)
        if known:
            low, high = (round(100 * end) for end in wilson(right, n))
            figure = f"{right} of {n}: {100 * right / n:.0f} % ({low} to {high} %)"
        else:
            ending = "gives no such figure" if record["status"] == "ok" else f"ended: {record['status']}"
            figure = f"not measured (notebook {notebook_number(notebook)} {ending})"
        model, page = named(record["results"]), f"{notebook}.html"
        rows.append(Measured(kind, _published(kind), task, model, figure, known, page))
    for kind in dict.fromkeys(row.kind for row in PUBLISHED):
        if kind not in {row.kind for row in rows}:
            figure = f"not measured ({UNMEASURED.get(kind, 'no notebook asks such questions')})"
            rows.append(Measured(kind, _published(kind), "", "", figure, known=False, page=""))
    return rows


def _published(kind: str) -> list[Published]:
    """The rows of the report. Those of the model card are about subsets of the same data."""
    return [row for row in PUBLISHED if row.kind == kind and row.source == REPORT]


def named(results: Mapping[str, Any]) -> str:
    """The model that gave a notebook's results, and whether it is the stand-in.

    A port of the machine that ran the notebook tells a reader nothing, so it is left out.
    """
    model = re.sub(r"@(?:127\.0\.0\.1|localhost)(?::\d+)?\Z", ", served", str(results.get("model", "-")))
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
