"""Folders of evaluations, made by hand for the tests of reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_run(folder: Path, answers: Iterable[Mapping[str, Any]], record: Mapping[str, Any] | None = None) -> Path:
    """Write ``answers.jsonl``, with the folder's name as the model's, and ``run.json`` where there is a record."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"model": folder.name, **answer}) + "\n" for answer in answers]
    (folder / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
    if record is not None:
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
