"""The error for input that a person has to correct, and helpers for its texts: similar names and counts."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from numbers import Integral
from typing import Any


class InputError(ValueError):
    """Input cannot be used as it is. The error says where the fault is, what is wrong, and what to do about it.

    Args:
        problem: what is wrong, as a sentence.
        path: the file or folder (or manifest entry, or model name) that it concerns.
        remedy: what the reader can do, as a sentence.

    The message reads ``<path>: <problem> <remedy>``; the parts stay readable as attributes.
    """

    def __init__(self, problem: str, *, path: str | os.PathLike[str] | None = None, remedy: str = "") -> None:
        self.problem = problem
        self.path = None if path is None else os.fspath(path)
        self.remedy = remedy
        where = f"{self.path}: " if self.path else ""
        super().__init__(f"{where}{problem} {remedy}".strip())


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The start of a remedy, ``"Did you mean A? "``, if a word is similar to one of the names; else ""."""
    spelled = {name.lower(): name for name in names}
    close = [] if word in spelled.values() else difflib.get_close_matches(word.lower(), spelled, n=1)
    return f"Did you mean {spelled[close[0]]}? " if close else ""


def check_count(n: Any, problem: str, *, path: str | os.PathLike[str] | None = None, remedy: str = "") -> None:
    """Raise an `InputError` with this text unless ``n`` is a whole number of 1 or more; True and "8" are not."""
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise InputError(problem, path=path, remedy=remedy)
