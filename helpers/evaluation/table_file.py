"""Read the rows of a table, CSV or JSONL: the text of each column, and the line on which the row begins.

Tables are read strictly. Faults that a lenient reader would hide (an open quote, a row of another length, a name
that occurs twice) are reported with their line.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from helpers.errors import InputError

Row = dict[str, str]
# What editors and web pages leave around a word, and nobody sees: soft hyphen, zero width, direction marks.
_UNSEEN = r"\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_AROUND = re.compile(f"^[{_UNSEEN}]+|[{_UNSEEN}]+$")
_AS_UTF8 = "Save the table as CSV UTF-8, or as JSON Lines in UTF-8."
_NO_NUMBER = ("nan", "NaN")  # as pandas and numpy write what is not there
MISSING = ("NA", "<NA>", "NULL", "null")  # as R, pandas and databases write it
_WORDS = ("path", "answer", "options", "")  # columns in which these may be words; "" is a single option


def read_rows(table: Path, columns: Sequence[str], required: Sequence[str]) -> Iterator[tuple[int, Row | str]]:
    """Line numbers, from 1, each with its row or with what is wrong there; empty lines and rows are passed over.

    A row has a text for each of ``columns``, without blanks around it. It is empty where nothing or NaN is
    written, and where NA is, except for the path, the answer and the options. After a quote that is not closed
    nothing more comes, as it cannot be told what is a row.

    Raises `InputError` for a file that is neither .csv nor .jsonl (.ndjson), not UTF-8, or cannot be opened.
    """
    text = _text_of(table)
    suffix = table.suffix.lower()
    if suffix == ".csv":
        yield from _csv_rows(text, columns, required)
    elif suffix in (".jsonl", ".ndjson"):
        # JSON may hold the other line separators (U+2028, U+0085) as they are.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield number, _json_row(line, columns)
    else:
        raise InputError(
            "The name of the table ends in neither .csv nor .jsonl.",
            path=table,
            remedy="Save the table in one of these formats.",
        )


def _text_of(table: Path) -> str:
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except OSError as error:
        remedy = "Check that the file may be read."
        raise InputError(f"The table cannot be read ({error.strerror}).", path=table, remedy=remedy) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"The table is not UTF-8 (line {line}).", path=table, remedy=_AS_UTF8) from error
    if "\0" in text:  # as of UTF-16
        raise InputError("The table is not UTF-8 (it holds NUL).", path=table, remedy=_AS_UTF8)
    return text


def _csv_rows(text: str, columns: Sequence[str], required: Sequence[str]) -> Iterator[tuple[int, Row | str]]:
    # With newline="" a line break within quotes stays what it is, and nothing but \n and \r ends a line.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    names: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = [trimmed(cell) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield line, _quote_problem(error, line, reader.line_num)
            return
        if not any(cells):
            continue
        if not names:
            names = [cell.lower() for cell in cells]
            yield from ((line, fault) for fault in _header_faults(names, columns, required))
            if len(set(names)) < len(names) or not {*names} >= {*required}:
                return  # each row would repeat what is wrong with the header
        elif len(cells) != len(names):
            few = "fewer" if len(cells) < len(names) else "more"
            yield line, f"the row has {few} cells than the header ({len(cells)}, not {len(names)})"
        elif (end := _swallowed(cells)) is not None:
            yield (
                line,
                f"this row opens a quote without closing it, so the cell holds whole rows, the first {end!r}",
            )
        else:
            row = {name: _known(name, cell) for name, cell in zip(names, cells, strict=True) if name in columns}
            yield line, dict.fromkeys(columns, "") | row


def _quote_problem(error: csv.Error, first: int, last: int) -> str:
    """What is wrong with a row that begins on line ``first`` and cannot be read on from ``last``."""
    if last > first or "end of data" in str(error):
        return f"this row opens a quote without closing it (the cell goes up to line {last})"
    return 'the cell goes on after its closing quote; inside quotes, write "" for one quote'


def _header_faults(names: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> Iterator[str]:
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        yield "the columns are not separated by commas"
        return
    if unknown := [name or "without a name" for name in names if name not in columns]:
        yield _unknown(unknown, columns)
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        yield f"the column {', '.join(twice)} occurs twice"
    if absent := [name for name in required if name not in names]:
        yield f"the column {', '.join(absent)} is missing"


def _swallowed(cells: Sequence[str]) -> str | None:
    """The first line within a cell that is itself a row like this one: as long, with a cell that is the same."""
    for cell in cells:
        for line in cell.splitlines()[1:]:
            inner = [trimmed(part) for part in line.split(",")]
            if len(inner) == len(cells) and any(a and a == b for a, b in zip(inner, cells, strict=True)):
                return line
    return None


def _json_row(line: str, columns: Sequence[str]) -> Row | str:
    try:
        found = json.loads(line, object_pairs_hook=_Pairs, parse_constant=float)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error})"
    if not isinstance(found, _Pairs):
        return "not an object"
    names = [trimmed(name).lower() for name, _ in found]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        return f"{', '.join(twice)} occurs twice"
    if unknown := [name for name in names if name not in columns]:
        return _unknown(unknown, columns)
    row = dict.fromkeys(columns, "")
    for name, (_, value) in zip(names, found, strict=True):
        text = _text(name, value)
        if text is None:
            return f"{name} is neither a text nor a number"
        row[name] = text
    return row


class _Pairs(list):
    """A JSON object with all its names, one given twice too."""


def _plain(value: Any) -> Any:
    """The value with its objects as mappings."""
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _text(name: str, value: Any) -> str | None:
    """A JSON value as a CSV cell would have it; None for one that no cell can hold."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():  # pandas makes 3.0 of a 3 in a column with gaps
        value = int(value)
    if isinstance(value, str):
        # Half of a surrogate pair is not a character, and cannot be written as UTF-8.
        return None if re.search("[\ud800-\udfff]", value) else _known(name, trimmed(value))
    if isinstance(value, int | float):
        return str(value)
    if name == "options" and not isinstance(value, _Pairs):
        options = [_text("", option) for option in value]
        return None if None in options or "|" in "".join(options) else "|".join(options)
    return json.dumps(_plain(value), ensure_ascii=False) if name == "answer" else None


def trimmed(text: str) -> str:
    """The text without blanks around it, also without those of no width."""
    return _AROUND.sub("", text)


def _known(name: str, cell: str) -> str:
    return "" if cell in _NO_NUMBER or (cell in MISSING and name not in _WORDS) else cell


def _unknown(names: Sequence[str], columns: Sequence[str]) -> str:
    return f"unknown columns {', '.join(names)}; the known columns are {', '.join(columns)}"
