"""A folder of reports, images and PDFs, asked page by page, and one table of all rows.

A run goes as every evaluation does (`helpers.evaluation.run_evaluation`): answers are kept as they come, the same
command goes on after a stop, and a page that failed is asked again. What gives no rows is listed with the reason.
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

MAX_PAGES = 20  # of one file, where no other limit is given
TABLE_CSV, TABLE_JSON, FAILED = "table.csv", "table.json", "failed.csv"


@dataclass(frozen=True)
class ReportPage:
    """One page of a file, as `helpers.evaluation` asks it."""

    path: Path
    page: int  # from 0
    pages: int  # of the file
    name: str  # of the file, from the folder that was given
    question: str
    reading: Reading

    kind: ClassVar[str] = "image"
    condition: ClassVar[str] = ""
    options: ClassVar[tuple[str, ...]] = ()
    truth: ClassVar[str] = ""  # not known

    @property
    def id(self) -> str:
        """The file and its page, which are also the group: pages are asked and held one by one."""
        return f"{self.name}, page {self.page}"

    @property
    def group(self) -> str:
        """As `id`."""
        return self.id

    @property
    def messages(self) -> list[Message]:
        """The prompt: the page, then the question."""
        page = self.page if self.pages > 1 else None
        return image_messages([read_image(self.path, page, icc=bool(self.reading.icc))], self.question)


@dataclass(frozen=True)
class FoundPages:
    """What a path holds."""

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
        schema: what a row holds.
        question: your own words in place of the report's.
        limit: pages of one file, at most, by default `MAX_PAGES`; a file of more is listed as failed.
        reading: whether ICC profiles are honoured.
        outside: a folder that is left out: that of the output.

    Raises:
        InputError: no such path, or nothing in it that can be a report.
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
                    f"The file has {count} pages, over the limit of {most}.", remedy=f"Give --limit {count}."
                )
        except InputError as error:
            found.failed.append({"file": name, "page": None, "why": f"{error.problem} {error.remedy}".strip()})
            continue
        found.pages.extend(
            ReportPage(file, page, count, name, asked, reading or Reading()) for page in range(count)
        )
    if not found.pages and not found.failed:
        raise InputError(
            f"There is no report here ({len(found.passed_over)} files were looked at).",
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
    """Ask ``chat`` about every page that ``output`` has no answer to yet, and write the table of all rows.

    Writes ``table.csv`` and ``table.json`` (the rows, each with its ``file``, its ``page`` from 0 and its number
    ``row`` on the page from 1; what was ``mended`` in it, and whether the reply was ``cut`` in it), ``failed.csv``
    (files and pages that gave no rows, or from which rows may be missing, with the reason), and the answers
    themselves. Rows of `LabRow` also have their ``number``, empty where the value is words or can be read in two
    ways. A ``limit`` sign such as "<" stays in ``value`` and stands in ``relation``.

    Returns:
        ``pages``, ``rows`` (how many), ``failed``, ``unparsable`` and ``incomplete`` (lists of ``file``, ``page``,
        ``why``), ``mended`` (rows), ``passed_over``, ``model``, ``is_standin`` and the paths ``table`` and
        ``failures``.

    Raises:
        InputError: as `helpers.evaluation.run_evaluation`.
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
            why = "; ".join(read.left_out) or f"no list of rows in: {answer['text'][:80]!r}"
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
    """Whether a file of a folder is a 2D image or a PDF. Raises `InputError` where its header is damaged."""
    if is_pdf(file):
        return True
    parts, _ = find_parts([file], modality="ct")  # of NIfTI nobody asks which it is
    return any(part.kind == "image" for part in parts)
