"""When two cells of a report say the same: the rules by which answers are right or wrong.

- ``test``: the same letters and digits in the same order, small or capital. Accents and Greek letters count.
- ``value``: the same number with the same sign before it (0.50, 0,5 and 5e-1 are one; <0.1 is no 0.1), or the
  same words. What can be read in two ways (1,234) is the same as the same spelling alone.
- ``unit``: the same unit by UCUM (`same_unit`): 10^3/µL is 10^9/L, g/dl is g/dL, mg/dL is no mmol/L.
- ``range``: the same ends with the same signs, whatever dash or bracket; a unit behind it does not count. Else the
  same words.
- ``flag``: high (H, ↑, high), low (L, ↓, low), very high and very low (HH, LL), or marked without a side (*, A).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from helpers.lab_reports.printed_numbers import plain, read_number, read_span
from helpers.lab_reports.units import same_unit, ucum_code

_FLAGS = {
    "high": {"h", "high", "hi", "↑", "(h)", "[h]", "above"},
    "low": {"l", "low", "lo", "↓", "(l)", "[l]", "below"},
    "very high": {"hh", "↑↑", "critical high"},
    "very low": {"ll", "↓↓", "critical low"},
    "marked": {"*", "(*)", "a", "abnormal", "abn", "!"},
    "": {"", "n", "normal", "none", "null", "n/a"},
}
_BY_MARK = {mark: name for name, marks in _FLAGS.items() for mark in marks}


def same_field(name: str, a: str, b: str) -> bool:
    """Whether two cells of a column, one of `LabRow`'s fields, say the same. Both empty is the same."""
    return _RULES[name](a, b)


def is_empty(name: str, cell: str) -> bool:
    """Whether a cell says nothing: no letters, and of a flag also "N" or "normal"."""
    return _flag(cell) == "" if name == "flag" else not plain(cell)


def letters(text: str) -> str:
    """Letters, digits and their marks alone, small."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in text if unicodedata.category(sign)[0] in "LMN")


def _same_value(a: str, b: str) -> bool:
    first, second = read_number(a), read_number(b)
    if first is None or second is None:
        return _words(a) == _words(b)
    return first == second


def _same_range(a: str, b: str) -> bool:
    first, second = read_span(a), read_span(b)
    if first is None or second is None:
        return _words(a) == _words(b)
    (span, rest), (other, behind) = first, second
    return span == other and all(not more or ucum_code(more) is not None for more in (rest, behind))


def _flag(text: str) -> str:
    mark = plain(text).casefold()
    return _BY_MARK.get(mark, mark)


def _words(text: str) -> str:
    return plain(text).casefold().replace(" ", "")


_RULES: dict[str, Callable[[str, str], bool]] = {
    "test": lambda a, b: letters(a) == letters(b),
    "value": _same_value,
    "unit": same_unit,
    "range": _same_range,
    "flag": lambda a, b: _flag(a) == _flag(b),
}
