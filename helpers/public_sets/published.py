"""Published figures of MedGemma 1 and 1.5, each with its measure and its source. We measured none of them.

As in the report, rows whose figure fell from 1 to 1.5 are listed as well.
"""

from __future__ import annotations

from typing import NamedTuple

REPORT = "MedGemma 1.5 technical report, arXiv:2604.05081"
CARD = "MedGemma 1.5 model card"


class Published(NamedTuple):
    """One published row, in percent."""

    kind: str  # of images: "CT volume", "MRI volume", "whole slide", "single image", "document", or "text"
    task: str
    measure: str
    medgemma_1: float
    medgemma_1_5: float
    specific: str = ""  # a model made for the task
    of_set: str = ""  # the public set (`helpers.public_sets.SETS`) that it was measured on
    source: str = REPORT


_BOXES, _CHANGE = "boxes on chest radiographs, Chest ImaGenome", "change over time, MS-CXR-T"
PUBLISHED = (
    Published("CT volume", "CT findings, 7 conditions, balanced", "macro accuracy", 58.2, 61.1),
    Published("CT volume", "CT-RATE, 18 conditions", "macro F1", 23.5, 26.9, of_set="ct-rate"),
    Published("MRI volume", "MRI findings, 7 conditions, balanced", "macro accuracy", 51.3, 64.7),
    Published("whole slide", "final diagnosis, cases of one slide", "ROUGE-L", 2.2, 49.4, "49.8 (PolyPath)"),
    Published("single image", "fundus photographs, EyePACS", "accuracy", 64.9, 76.8),
    Published("single image", "pathology patches, PathMCQA", "accuracy", 69.8, 70.0),
    Published("single image", _BOXES, "mean IoU", 3.1, 38.0, "30.7 to 34.4 (CoCa-CXR)"),
    Published("single image", _CHANGE, "macro accuracy", 61.1, 65.7, "68.5 (BioViL-T)", "ms-cxr-t"),
    Published("single image", "findings on chest radiographs, CXR14, 3 conditions", "mean F1", 50.1, 48.4),
    Published("single image", "questions on radiology, SLAKE", "tokenized F1", 72.3, 59.8, of_set="slake"),
    Published("single image", "questions on radiology, VQA-RAD", "tokenized F1", 49.9, 48.1, of_set="vqa-rad"),
    Published("single image", "SLAKE, closed questions", "accuracy", 87.6, 82.8, of_set="slake", source=CARD),
    Published("single image", "VQA-RAD, closed questions", "accuracy", 69.1, 70.2, of_set="vqa-rad", source=CARD),
    Published("document", "lab reports to JSON, 170 PDFs (EHR dataset 2)", "macro F1", 78.0, 91.0),
    Published("document", "lab reports to JSON, 702 PDFs (EHR dataset 3)", "macro F1", 50.0, 71.0),
    Published("document", "made lab reports to JSON, 56 PDFs (EHR dataset 4)", "macro F1", 25.0, 64.0),
    Published("document", "lab reports to JSON, 14 images (Mendeley)", "macro F1", 85.0, 85.0),
    Published("text", "research abstracts, PubMedQA", "accuracy", 73.4, 67.6),
    Published("text", "general knowledge, MMLU-Pro", "accuracy", 39.1, 33.8),
)


def published_lines(of_set: str | None = None) -> list[str]:
    """The rows as lines of text, each marked as published: those of one set (a name), or all."""
    rows = [row for row in PUBLISHED if of_set is None or row.of_set == of_set]
    lines = []
    for row in rows:
        specific = f"; {row.specific}" if row.specific else ""
        fell = ", fell" if row.medgemma_1_5 < row.medgemma_1 else ""
        figures = f"MedGemma 1 {row.medgemma_1}, 1.5 {row.medgemma_1_5}{fell}{specific}"
        lines.append(f"published: {row.task}, {row.measure}: {figures} [{row.source}]")
    return lines
