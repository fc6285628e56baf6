"""Ask about each page of a folder of reports (images and PDFs), and write one table of all rows.

A run works as every evaluation (`helpers.evaluation.run_evaluation`): it keeps each answer at once, and the same
command continues a run that was stopped and asks again about pages that failed. Files and pages without rows are
listed with the reason.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.images import Reading, find_parts, is_pdf, page_count, read_image
from helpers.lab_reports.printed_numbers import read_number
from helpers.lab_reports.replies import ReadReply, read_reply
from helpers.lab_reports.schema import BEFORE, BEHIND, LabRow, lab_question
from helpers.prompts import MAX_NEW_TOKENS, Message, image_messages
from helpers.storage import whole_file, write_json

MAX_PAGES = 20  # the default for the most pages of one file
TABLE_CSV, TABLE_JSON, FAILED = "table.csv", "table.json", "failed.csv"


@dataclass(frozen=True)
class ReportPage:
    """One page of a file, as a case that `helpers.evaluation` can ask about."""

    path: Path
    page: int  # from 0
    pages: int  # number of pages in the file
    name: str  # path of the file, relative to the folder that was given
    question: str
    reading: Reading

    kind: ClassVar[str] = "image"
    condition: ClassVar[str] = ""
    options: ClassVar[tuple[str, ...]] = ()
    truth: ClassVar[str] = ""  # the truth is not known

    @property
    def id(self) -> str:
        """The name of the file and the page. It is also the group, because each page is asked about on its own."""
        return f"{self.name}, page {self.page}"

    @property
    def group(self) -> str:
        """The same as `id`."""
        return self.id

    @property
    def messages(self) -> list[Message]:
        """The prompt: the image of the page, then the question."""
        page = self.page if self.pages > 1 else None
        return image_messages([read_image(self.path, page, icc=bool(self.reading.icc))], self.question)


@dataclass(frozen=True)
class FoundPages:
    """The pages and files that were found at a path."""

    pages: list[ReportPage]
    failed: list[dict[str, Any]]  # files that cannot be read: ``file``, ``page`` (None) and ``why``
    passed_over: list[str]  # files that are no reports


def find_pages(
    path: str | os.PathLike[str],
    schema: type[BaseModel] = LabRow,
    *,
    question: str = "",
    limit: int | None = None,
    reading: Reading | None = None,
    outside: str | os.PathLike[str] | None = None,
) -> FoundPages:
    """The pages of all reports at a path: an image or a PDF, or a folder with everything below it.

    Args:
        path: the file or folder.
        schema: the fields of a row.
        question: your own words in place of those of the MedGemma 1.5 report.
        limit: the most pages of one file; by default `MAX_PAGES`. A file with more pages is listed as failed.
        reading: whether colours are converted by the ICC profile of a file.
        outside: a folder to leave out, such as that of the output.

    Raises:
        InputError: there is nothing at the path, or no file that can be a report.
    """
    root, most = Path(path), limit or MAX_PAGES
    if not root.exists():
        raise InputError("There is no such file or folder.", path=root, remedy="Check the path.")
    folder = root if root.is_dir() else root.parent
    apart = Path(outside).resolve() if outside else None
    listed = sorted(file for file in root.rglob("*") if file.is_file()) if root.is_dir() else [root]
    found = FoundPages([], [], [])
    asked = lab_question(schema, question)
    for file in listed:
        name = file.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in Path(name).parts):
            continue
        if apart and apart != folder.resolve() and apart in file.resolve().parents:
            continue
        try:
            if root.is_dir() and not _is_report(file):
                found.passed_over.append(name)
                continue
            count = page_count(file)
            if count > most:
                raise InputError(
                    f"The file has {count} pages, but the limit is {most}.", remedy=f"Give --limit {count}."
                )
        except InputError as error:
            found.failed.append({"file": name, "page": None, "why": f"{error.problem} {error.remedy}".strip()})
            continue
        found.pages.extend(
            ReportPage(file, page, count, name, asked, reading or Reading()) for page in range(count)
        )
    if not found.pages and not found.failed:
        raise InputError(
            f"There is no report among the {len(found.passed_over)} files here.",
            path=root,
            remedy="Give images (PNG, JPEG, TIFF ...) or PDFs, or a folder of them.",
        )
    return found


def ask_reports(
    chat: Any,
    found: FoundPages,
    output: str | os.PathLike[str],
    schema: type[BaseModel] = LabRow,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[str, Any]:
    """Ask ``chat`` about every page that has no answer in ``output`` yet, and write the table of all rows.

    The rows are in ``table.csv`` and ``table.json``. Each has its ``file``, its ``page`` from 0, its number
    ``row`` on the page from 1, the faults that were ``mended``, and whether the reply was ``cut`` in the middle of
    it. Rows of `LabRow` also have a ``number``, which is empty if the value is in words or can be read in two
    ways. A sign such as "<" is in ``value`` and in ``relation``. ``failed.csv`` lists files and pages without
    rows, or with rows that may be missing, and the reason. The folder also keeps the answers themselves.

    Returns:
        ``pages``, ``rows`` and ``mended`` (the numbers of pages, rows and mended rows), ``failed``, ``unparsable``
        and ``incomplete`` (lists of ``file``, ``page``, ``why``), ``passed_over``, ``model``, ``is_standin`` and
        the paths ``table`` and ``failures``.

    Raises:
        InputError: as `helpers.evaluation.run_evaluation` raises it.
    """
    folder = Path(output)
    run_evaluation(chat, found.pages, folder, max_new_tokens=max_new_tokens, scored=_counted)
    answers = {answer["id"]: answer for answer in read_answers(folder / "answers.jsonl")}
    table, problems = [], {"failed": list(found.failed), "unparsable": [], "incomplete": []}
    for page in found.pages:
        place = {"file": page.name, "page": page.page}
        answer = answers[page.id]
        if "error" in answer:
            problems["failed"].append({**place, "why": answer["error"]})
            continue
        read = read_reply(answer["text"], schema, finished=answer["finished"])
        if not read.parsed:
            why = "; ".join(read.left_out) or f"the reply has no list of rows: {answer['text'][:80]!r}"
            problems["unparsable"].append({**place, "why": why})
        elif reasons := [*read.left_out, *(["the reply ends too early"] if read.cut else [])]:
            problems["incomplete"].append({**place, "why": "; ".join(reasons)})
        table += _rows_of(read, place)
    columns = [*BEFORE, *schema.model_fields, *(("number", "relation") if schema is LabRow else ()), *BEHIND]
    listed = [{**one, "what": what} for what, each in problems.items() for one in each]
    _write_csv(folder / TABLE_CSV, columns, table)
    _write_csv(folder / FAILED, ["file", "page", "what", "why"], listed)
    out = {
        "model": chat.name,
        "is_standin": chat.is_standin,
        "pages": len(found.pages),
        "rows": len(table),
        "mended": sum(bool(row["mended"]) for row in table),
        **problems,
        "passed_over": found.passed_over,
        "table": str(folder / TABLE_CSV),
        "failures": str(folder / FAILED),
    }
    write_json(folder / TABLE_JSON, {**out, "rows": table})
    return out


def _counted(model: str, answers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    answers = list(answers)
    return {"model": model, "pages": len(answers), "failed": sum("error" in answer for answer in answers)}


def _rows_of(read: ReadReply, place: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for number, one in enumerate(read.rows, start=1):
        cells = one.row.model_dump(mode="json")
        if isinstance(one.row, LabRow):
            value = read_number(one.row.value)
            cells["number"] = str(value.value) if value else ""
            cells["relation"] = value.relation if value else ""
        told = "; ".join([*one.mended, *read.mended])
        rows.append({**place, "row": number, **cells, "mended": told, "cut": one.cut})
    return rows


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def _is_report(file: Path) -> bool:
    """Whether a file of a folder is a 2D image or a PDF. Raises `InputError` if its header is damaged."""
    if is_pdf(file):
        return True
    parts, _ = find_parts([file], modality="ct")  # NIfTI needs some modality, and any will do here
    return any(part.kind == "image" for part in parts)
