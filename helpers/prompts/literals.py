"""The lists and objects in a text, wherever they stand: JSON, or as people and models write it.

JSON is read by `json`. What it refuses for a trailing comma, single quotes or bare keys is read as YAML's flow
form. Scalars stay text, as they were spelled: whether "1e400", "yes" or "007" is a number the reader says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_DEPTH = 12  # lists in lists that are read; an answer has three
_PAIRS = {"]": "[", "}": "{"}
_REFERENCE = re.compile(r"(?:^|[\s\[{,:])[&*!]\S")  # of YAML; such a list could hold itself


@dataclass(frozen=True)
class Literal:
    """A list or object, its scalars as text, and where it stands."""

    value: Any
    start: int
    end: int


def literals_in(text: str) -> list[Literal]:
    """The outermost lists and objects that can be read, in order; brackets that hold none are passed over."""
    found: list[Literal] = []
    for start, end in sorted(_bracketed(text), key=lambda span: (span[0], -span[1])):
        if found and start < found[-1].end:
            continue
        value = _read(text[start:end])
        if value is not None:
            found.append(Literal(value, start, end))
    return found


def _bracketed(text: str) -> Iterator[tuple[int, int]]:
    """Spans from a bracket to the one that closes it, without those that hold over `_DEPTH` in one another."""
    opened: list[list[int]] = []  # place, and how deep the brackets inside of it go
    for found in re.finditer(r"[\[\]{}]", text):
        if found[0] in "[{":
            opened.append([found.start(), 1])
        elif opened and text[opened[-1][0]] == _PAIRS[found[0]]:
            start, depth = opened.pop()
            if opened:
                opened[-1][1] = max(opened[-1][1], depth + 1)
            if depth <= _DEPTH:
                yield start, found.end()


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except ValueError:
        pass
    if _REFERENCE.search(text):
        return None
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # BaseLoader makes text of every scalar, and nothing else
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
