"""Describe the columns of a table of questions, and write a small example table that can be used at once."""

from __future__ import annotations

import csv
import io
import json
import os
import textwrap
from pathlib import Path

from helpers.data import fetch
from helpers.errors import InputError
from helpers.evaluation.labelled import COLUMNS, REQUIRED
from helpers.images import read_image
from helpers.storage import whole_file

_ROWS = (
    {"path": "fundus", "question": "Is this a photograph of the retina?", "answer": "yes"},
    {"path": "fundus", "question": "How many optic discs does it show?", "answer": "1", "unit": "count"},
    {"path": "fundus", "question": "What is this?", "answer": "fundus", "options": "fundus|skin|radiograph"},
    {"path": "chest-radiograph", "question": "Is this a chest radiograph?", "answer": "yes", "group": "patient 1"},
    {
        "path": "chest-radiograph",
        "question": "Describe the picture in a sentence.",
        "answer": "A frontal chest radiograph.",
    },
)


def columns_text(width: int = 100) -> str:
    """Describe the columns of a table, which of them are required, and how to write a table."""
    indent = max(map(len, COLUMNS)) + 2
    lines = [
        textwrap.fill(f"{name:{indent}}{about}", width, subsequent_indent=" " * indent)
        for name, about in COLUMNS.items()
    ]
    needed = (
        f"A table needs {', '.join(REQUIRED)}, and a question or a condition. The names stand in the "
        "first row of a CSV"
    )
    note = (
        f"{needed}, or are the keys of each line of JSON (.jsonl). Put quotes around a cell with a "
        "comma or a line break."
    )
    return "\n".join([*lines, "", textwrap.fill(note, width)])


def write_example(path: str | os.PathLike[str]) -> list[Path]:
    """Write a table of a few questions and the bundled pictures that they ask about. Returns the files.

    The pictures go into a folder with the table's name and ``_images``.

    Raises:
        InputError: the table or its folder exists already, or its name ends neither in .csv nor in .jsonl.
    """
    table = Path(path)
    folder = table.with_name(f"{table.stem}_images")
    if table.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(
            "A table is .csv or .jsonl.", path=table, remedy="Give a name that ends in .csv or .jsonl."
        )
    for there in (table, folder):
        if there.exists():
            raise InputError("The file exists already.", path=there, remedy="Choose another name for the table.")
    pictures = {row["path"]: folder / f"{row['path']}.png" for row in _ROWS}
    rows = [{**row, "path": f"{folder.name}/{row['path']}.png", "modality": "image"} for row in _ROWS]
    try:
        for name, picture in pictures.items():
            with whole_file(picture) as partial:
                read_image(fetch(name)).save(partial, format="PNG")
        with whole_file(table) as partial:
            partial.write_text(_written(rows, table.suffix.lower()), encoding="utf-8", newline="")
    except OSError as error:
        remedy = "Choose a folder that you may write to."
        raise InputError(f"The table cannot be written ({error.strerror}).", path=table, remedy=remedy) from error
    return [table, *pictures.values()]


def _written(rows: list[dict[str, str]], suffix: str) -> str:
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    text = io.StringIO()
    names = [name for name in COLUMNS if any(name in row for row in rows)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
