"""Find the lists and objects in a text: JSON, or something close to it that people and models write.

`json` reads JSON. If it refuses a text because of a trailing comma, single quotes or bare keys, the text is read
as YAML's flow form. Scalars stay text, spelled as they were. The caller decides whether "1e400", "yes" or "007" is
a number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_DEPTH = 12  # the deepest nesting that is read; an answer has three levels
_PAIRS = {"]": "[", "}": "{"}
_REFERENCE = re.compile(r"(?:^|[\s\[{,:])[&*!]\S")  # references of YAML, with which a list could hold itself


@dataclass(frozen=True)
class Literal:
    """A list or object with its scalars as text, and its place."""

    value: Any
    start: int
    end: int


def literals_in(text: str) -> list[Literal]:
    """The outermost lists and objects that can be read, in order. Other brackets are skipped."""
    found: list[Literal] = []
    for start, end in sorted(_bracketed(text), key=lambda span: (span[0], -span[1])):
        if found and start < found[-1].end:
            continue
        value = _read(text[start:end])
        if value is not None:
            found.append(Literal(value, start, end))
    return found


def _bracketed(text: str) -> Iterator[tuple[int, int]]:
    """Spans from a bracket to the one that closes it, without those with more than `_DEPTH` levels."""
    opened: list[list[int]] = []  # place, and depth of the brackets inside of it
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
        return yaml.load(text, Loader=yaml.BaseLoader)  # BaseLoader makes every scalar a text
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
