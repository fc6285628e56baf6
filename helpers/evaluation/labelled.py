"""Your own images with known answers: a table (CSV or JSONL) to cases that `helpers.evaluation` asks.

One row is one question. The whole table is checked before anything is asked, and all that is wrong with it is said
at once.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from PIL import Image

from helpers.errors import InputError
from helpers.images import MODALITIES, Reading, check_readable, read_images
from helpers.preparing import Prepared, read_prepared
from helpers.prompts import (
    CT_QUESTION,
    MRI_QUESTION,
    RESERVED,
    Message,
    closed_question,
    image_messages,
    pad_to_square,
    parse_boxes,
    slide_messages,
    volume_messages,
)

COLUMNS = {
    "path": "file or folder of the image, from the table's own folder",
    "modality": "ct, mri, slide or image",
    "condition": "what to look for, put into the report's question; or",
    "question": "the whole question; of a slide, its tissue and procedure",
    "answer": "yes or no, one of the options, a sentence, or a JSON list of one box",
    "options": "what can be answered, with | between; yes|no where the answer is one of them",
    "history": "patient history for the report's CT and MRI questions",
    "group": "patient or volume, of rows that are not independent; the path where empty",
    "only": "of several volumes the one with this DICOM keyword, KEY=VALUE, with ; between several",
    "uneven": "yes takes slices with gaps as they are",
    "offset": "a number that is added to the values of a CT",
    "reformat": "axial resamples slices that are oblique or too thick to turn",
    "mpp": "microns per pixel of a slide that does not say it",
    "magnification": "5, 10 or 20, of a slide's patches; 10 where empty",
    "icc": "yes or no: colours by the ICC profile; where empty, those of slides are",
    "page": "of a picture with several pages or frames, from 0",
    "id": "a name for the row; made from the other columns where empty",
}
NEAR_YES_NO = ("yes", "no", "y", "n", "true", "false", "1", "0")  # would else be scored as a sentence
REQUIRED = ("path", "modality", "answer")


@functools.lru_cache(maxsize=1)
def _last_images(path: Path, kind: str, prepared: Prepared | None, reading: Reading) -> list[Image.Image]:
    if prepared:
        return [pad_to_square(image) for image in prepared.images()]
    return read_images(path, kind, reading=reading)


@dataclass(frozen=True)
class LabelledCase:
    """One row of a table: a question about a file, and its answer."""

    path: Path
    kind: str  # one of `MODALITIES`
    question: str
    condition: str
    truth: str
    options: tuple[str, ...]
    group: str
    id: str
    prepared: Prepared | None = None  # its images, where they come from there
    reading: Reading = field(default_factory=Reading)  # how a volume is read

    @property
    def source(self) -> Path | Prepared:
        """What `helpers.images.check_may_leave` looks at."""
        return self.prepared or self.path

    @property
    def answer(self) -> str:
        """What a model would be taught to say: the truth, in the protocol's form where there are options."""
        return f"Final Answer: {self.truth}" if self.options else self.truth

    @property
    def messages(self) -> list[Message]:
        """The prompt; the images of the last file are kept, so that rows about one file read it once."""
        images = _last_images(self.path, self.kind, self.prepared, self.reading)
        if self.kind == "slide":
            return slide_messages(images, self.question)
        return (image_messages if self.kind == "image" else volume_messages)(images, self.question)


def read_cases(
    table: str | os.PathLike[str], prepared: str | os.PathLike[str] | None = None
) -> list[LabelledCase]:
    """The cases of a table: CSV with a header row, or JSONL with one object a line; columns as in `COLUMNS`.

    Paths are taken from the table's folder. Files are opened and their headers read, pixels not yet; a file that
    several rows name is looked at once.

    Args:
        table: the file.
        prepared: an output of `helpers.preparing.prepare`, from which all images are taken: paths are then those
            from the folder that was prepared, and the files themselves need not be here.

    Raises:
        InputError: with everything that is wrong with the table, by line; or as `read_prepared`.
    """
    table = Path(table)
    if not table.is_file():
        raise InputError("There is no such table.", path=table, remedy="Give a .csv or .jsonl file.")
    cases: list[LabelledCase] = []
    problems: list[str] = []
    files: dict[tuple[Path, str, Reading], str | None] = {}
    held = None if prepared is None else read_prepared(prepared)
    for line, row in _rows(table):
        found = [row] if isinstance(row, str) else _problems(row)
        if not found and not isinstance(row, str):
            case = _case(row, table.parent, held or {})
            key = (case.path, case.kind, case.reading)
            if key not in files:
                files[key] = _file_problem(*key) if held is None else _prepared_problem(case)
            found = [files[key]] if files[key] else []
            cases.append(case)
        problems += [f"line {line}: {problem}" for problem in found]
    twice = [name for name, count in Counter(case.id for case in cases).items() if count > 1]
    problems += [f"{name!r} is there twice (the same question about the same file, or one id)" for name in twice]
    if problems or not cases:
        listed = "".join(f"\n  {problem}" for problem in problems) or "\n  it has no rows"
        raise InputError(
            f"The table cannot be used:{listed}\n", path=table, remedy="Put these right and try again."
        )
    return cases


def _rows(table: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line numbers with rows, or with what is wrong with the line."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The table is not UTF-8.", path=table, remedy="Save it as CSV UTF-8.") from error
    if table.suffix.lower() == ".csv":
        reader = csv.DictReader(text.splitlines(keepends=True))
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
            yield 1, "the columns are not separated by commas"
            return
        if unknown := [name for name in names if name not in COLUMNS]:
            yield 1, f"unknown columns {', '.join(unknown)}; known are {', '.join(COLUMNS)}"
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            yield 1, f"the column {', '.join(twice)} is there twice"
        if absent := [name for name in REQUIRED if names and name not in names]:
            yield 1, f"there is no column {', '.join(absent)}"
        for row in reader:
            wide = row.pop(None, None)
            kept = {name: value for name, value in row.items() if name in COLUMNS}
            if wide:
                yield reader.line_num, "it has more cells than the header"
            elif not twice and not absent:  # else every line would repeat what the first one says
                yield reader.line_num, kept
    elif table.suffix.lower() in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, _json_row(line)
    else:
        raise InputError("This is neither .csv nor .jsonl.", path=table, remedy="Save the table as one of them.")


def _json_row(line: str) -> dict[str, Any] | str:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"not JSON ({error})"
    if not isinstance(row, dict):
        return "not an object"
    unknown = [name for name in row if name not in COLUMNS]
    if unknown:
        return f"unknown columns {', '.join(unknown)}; known are {', '.join(COLUMNS)}"
    if isinstance(row.get("options"), list):
        row["options"] = "|".join(map(str, row["options"]))
    if isinstance(row.get("answer"), list):
        row["answer"] = json.dumps(row["answer"])
    return row


def _problems(row: dict[str, Any]) -> list[str]:
    """What is wrong with the words of a row."""
    cell = _cells(row)
    found = [f"{name} is empty" for name in ("path", "answer") if not cell[name]]
    if cell["modality"] not in MODALITIES:
        found.append(f"modality is {cell['modality']!r}, not one of {', '.join(MODALITIES)}")
    if cell["condition"] and cell["modality"] in ("slide", "image"):
        found.append("a condition is for ct and mri; write a question")
    if not cell["question"] and not cell["condition"] and cell["modality"] != "slide":
        found.append("there is neither a question nor a condition")
    found += [f"the {name} holds {token}, a token of the prompt's own" for name, token in _reserved(cell)]
    options = _options(cell)
    if cell["options"] and len(set(options)) < 2:
        found.append("fewer than two different options")
    if not options and cell["answer"].lower().rstrip(".") in NEAR_YES_NO:
        found.append(f"the answer {cell['answer']!r} is no sentence; write yes or no, or give the options")
    if not options and cell["answer"][:1] in ("[", "{") and len(parse_boxes(cell["answer"]) or ()) != 1:
        found.append(f'the answer {cell["answer"]!r} is no JSON list of one {{"box_2d": [y0, x0, y1, x1]}}')
    if options and cell["answer"] not in options:
        found.append(f"the answer {cell['answer']!r} is not one of {', '.join(options)}")
    try:
        reading = _reading(cell)
        if cell["modality"] in MODALITIES and (useless := reading.useless(cell["modality"])):
            found.append(f"{', '.join(useless)} would change nothing: this is of modality {cell['modality']}")
    except (InputError, ValueError) as error:
        found.append(f"how the images are read: {error}")
    if cell["condition"] and set(options) != {"yes", "no"}:
        found.append(f"the answer to a condition is yes or no, not {cell['answer']!r}")
    return found


def _reserved(cell: dict[str, str]) -> list[tuple[str, str]]:
    names = ("condition", "question", "options", "history")
    return [(name, token) for name in names for token in RESERVED if token in cell[name]]


def _case(row: dict[str, Any], folder: Path, held: Mapping[str, Prepared]) -> LabelledCase:
    cell = _cells(row)
    path, options = folder / cell["path"], _options(cell)
    question = cell["question"]
    if cell["condition"] and not question:
        template = CT_QUESTION if cell["modality"] == "ct" else MRI_QUESTION
        question = template.format(history=cell["history"] or "None given.", condition=cell["condition"])
    elif options:
        question = closed_question(question, options)
    digest = hashlib.sha256(f"{cell['path']}|{question}".encode()).hexdigest()[:8]
    return LabelledCase(
        path=path,
        kind=cell["modality"],
        question=question,
        condition=cell["condition"],
        truth=cell["answer"],
        options=options,
        group=cell["group"] or cell["path"],
        id=cell["id"] or f"{Path(cell['path']).name}-{digest}",
        prepared=held.get(PurePath(cell["path"]).as_posix()),
        reading=_reading(cell),
    )


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """All columns as trimmed text; yes and no, the modality in small letters."""
    cell = {name: "" if row.get(name) is None else str(row[name]).strip() for name in COLUMNS}
    cell["modality"] = cell["modality"].lower()
    if cell["answer"].lower() in ("yes", "no"):
        cell["answer"] = cell["answer"].lower()
    return cell


def _reading(cell: dict[str, str]) -> Reading:
    """Raises `InputError` or ValueError for cells that say it in no known way."""
    if cell["reformat"] not in ("", "axial"):
        raise InputError(f"reformat is {cell['reformat']!r}, not axial")
    for name in ("uneven", "icc"):
        if cell[name].lower() not in ("", "yes", "no"):
            raise InputError(f"{name} is {cell[name]!r}, not yes or no")
    return Reading.of(
        [text for text in cell["only"].split(";") if text.strip()],
        uniform=cell["uneven"].lower() != "yes",
        offset=float(cell["offset"]) if cell["offset"] else None,
        reformat=cell["reformat"] or None,
        mpp=float(cell["mpp"]) if cell["mpp"] else None,
        magnification=int(cell["magnification"].removesuffix("x")) if cell["magnification"] else None,
        icc=cell["icc"].lower() == "yes" if cell["icc"] else None,
        page=int(cell["page"]) if cell["page"] else None,
    )


def _options(cell: dict[str, str]) -> tuple[str, ...]:
    if cell["options"]:
        options = (option.strip() for option in cell["options"].split("|") if option.strip())
        return tuple(option.lower() if option.lower() in ("yes", "no") else option for option in options)
    return ("yes", "no") if cell["answer"] in ("yes", "no") else ()


def _file_problem(path: Path, kind: str, reading: Reading) -> str | None:
    """What is wrong with a file, from its headers (a picture is read whole)."""
    try:
        check_readable(path, kind, reading)
    except InputError as error:
        return str(error)
    return None


def _prepared_problem(case: LabelledCase) -> str | None:
    if case.prepared is None:
        return "this path is not among what is prepared"
    if case.reading != Reading():
        chosen = ", ".join(case.reading.chosen)
        return f"how it is read was chosen when it was prepared; leave {chosen} out"
    if case.prepared.kind != case.kind:
        return f"this was prepared as {case.prepared.kind}, not {case.kind}"
    return None


def cases_from(
    source: str, n: int = 40, seed: int = 0, prepared: str | os.PathLike[str] | None = None
) -> Sequence[Any]:
    """The cases that a command names: a table, or ``teaching:KIND``, ``n`` of them from ``seed`` on.

    ``prepared`` is for a table. Raises `InputError` as `read_cases` and `helpers.teaching.generate` do, and for
    fewer than one case.
    """
    if not source.startswith("teaching:"):
        return read_cases(source, prepared)
    if prepared is not None:
        raise InputError("Teaching cases are made, not prepared.", path=prepared, remedy="Leave --prepared out.")
    from helpers.teaching import generate  # reads the bundled volumes

    if n < 1:
        raise InputError(f"{n} cases cannot be asked.", remedy="Give 1 or more.")
    return generate(source.removeprefix("teaching:"), n, seed)
