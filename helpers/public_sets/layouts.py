"""Describe a public set, find the layout of its folder, and read its lists."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.errors import InputError

Row = dict[str, str]  # cells by column (`helpers.evaluation.COLUMNS`); paths as they are found
Choose = Callable[[Collection[str]], Collection[str]]  # chooses the wanted groups among all groups


@dataclass(frozen=True)
class Found:
    """The rows of a folder, and notes about them for the user."""

    rows: list[Row]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublicSet:
    """A public set: what it is, where it comes from and on which terms, and how its folder becomes rows."""

    name: str
    title: str
    source: str  # the place where the user gets it
    terms: str  # licence, or how access is given
    layout: tuple[str, ...]  # the files that must be in the folder
    splits: tuple[str, ...]  # the first is the default
    groups: str  # the meaning of a group; answers within a group are not independent
    protocol: str  # the questions, whose words they are, and the differences from the published figures
    read: Callable[[Path, str, Choose], Found]  # takes the folder, the split, and the choice of groups


def the_one(folder: Path, patterns: Sequence[str], source: str) -> Path:
    """The file or folder at the first of ``patterns`` (globs within ``folder``) that matches anything.

    Raises `InputError` with ``source`` if no pattern matches, and if a pattern matches several.
    """
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(path.relative_to(folder).as_posix() for path in found[:3])
            raise InputError(
                f"The folder holds {len(found)} of {patterns[0]}: {names}.",
                path=folder,
                remedy="Give the folder of one of them.",
            )
        if found:
            return found[0]
    raise absent(folder, patterns[0], source)


def absent(folder: Path, what: str, source: str) -> InputError:
    """The error that a part of a set's layout is missing."""
    remedy = f"Download it from {source}, unpack it, and give the folder that holds it."
    return InputError(f"This folder does not hold the {what}.", path=folder, remedy=remedy)


def check_there(paths: Iterable[Path], folder: Path, source: str) -> None:
    """Raise `InputError` if files are missing, with their number and the first one."""
    missing = [path for path in dict.fromkeys(paths) if not path.is_file()]
    if missing:
        first = missing[0].relative_to(folder) if missing[0].is_relative_to(folder) else missing[0]
        others = f" (nor {len(missing) - 1} others that the set names)" if len(missing) > 1 else ""
        raise absent(folder, f"{first.as_posix()}{others}", source)


def read_records(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """A JSON list of objects that have ``keys``. Raises `InputError` for anything else."""
    remedy = "Download this file again, from the set's own page."
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"This JSON cannot be read ({error}).", path=path, remedy=remedy) from error
    if not isinstance(found, list) or not found:
        raise InputError("The file does not hold a list of questions.", path=path, remedy=remedy)
    for number, record in enumerate(found, start=1):
        lacking = [key for key in keys if not isinstance(record, dict) or key not in record]
        if lacking:
            raise InputError(f"Question {number} has no {', '.join(lacking)}.", path=path, remedy=remedy)
    return found


def read_columns(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a file of separated values that has ``columns``, trimmed. Raises `InputError` for others."""
    remedy = "Download this file again, from the set's own page."
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
            lacking = [name for name in columns if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(f"The column {', '.join(lacking)} is missing.", path=path, remedy=remedy)
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(
                        f"The number of cells in line {reader.line_num} differs from the header.",
                        path=path,
                        remedy=remedy,
                    )
                rows.append({name: cell.strip() for name, cell in row.items()})
            return rows
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"The file cannot be read ({error}).", path=path, remedy=remedy) from error


def one_line(text: Any) -> str:
    """A value of JSON as one line of text, without blanks around it; "" for null and NaN."""
    return "" if text is None or text != text else " ".join(str(text).split())
