"""Which rows of a table are about one patient: those of one group, and without groups those that show one file.

Answers about one patient are not independent, so scores draw them together (`helpers.evaluation.intervals`), and a
patient of the training must not be in the validation. Two names of a file (a link, another spelling of its path)
are one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from helpers.errors import InputError

Case = TypeVar("Case")


def with_groups(cases: Sequence[Case], given: Sequence[str]) -> list[Case]:
    """The cases of a table, each with the group of its patient.

    ``given`` holds the group that each row names, or "". Rows without one are a group if their path leads to the
    same file, and it has the name of the path in the first of them.
    """
    names: dict[Path, str] = {}
    return [
        case if name else replace(case, group=names.setdefault(case.path.resolve(), case.group))
        for case, name in zip(cases, given, strict=True)
    ]


def files_of(example: Any) -> list[Path]:
    """The files that an example shows, an earlier image too, with links followed; none if it names no files."""
    return [path.resolve() for path in (getattr(example, name, None) for name in ("path", "prior")) if path]


def in_both(ours: Iterable[Any], theirs: Iterable[Any]) -> list[str]:
    """The groups, and the files, that examples of both kinds have: as texts, sorted."""
    ours, theirs = list(ours), list(theirs)
    groups = [{" ".join(_group(case).split()) for case in cases if not _is_path(case)} for cases in (ours, theirs)]
    files = [{path: str(case.path) for case in cases for path in files_of(case)} for cases in (ours, theirs)]
    return sorted({*(groups[0] & groups[1]), *(files[0][path] for path in files[0].keys() & files[1].keys())})


def _group(example: Any) -> str:
    if not isinstance(example.group, str):
        raise InputError(
            f"The group of the example {example.id} is {example.group!r}, which is not text.",
            remedy="Give the patient or volume of each example as text, such as a number in quotes.",
        )
    return example.group


def _is_path(example: Any) -> bool:
    """Whether the group of an example is only the path that its table gives, which says nothing elsewhere."""
    path = getattr(example, "path", None)
    return path is not None and f"/{path.as_posix()}".endswith(f"/{_group(example)}")
