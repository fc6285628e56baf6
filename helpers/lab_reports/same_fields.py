"""Decide whether two cells of a report mean the same. By these rules, an answer is right or wrong.

- ``test``: the letters and digits have to be the same, small or capital. Accents and Greek letters count.
- ``value``: the number and the sign before it, or the words, have to be the same. 0.50, 0,5 and 5e-1 are the same
  number, but <0.1 and 0.1 differ. A value with two meanings (1,234) equals only the same spelling.
- ``unit``: the units have to be the same by UCUM (`same_unit`). So 10^3/µL equals 10^9/L, but mg/dL differs from
  mmol/L.
- ``range``: the ends and their signs, or the words, have to be the same. Dashes, brackets and a unit do not count.
- ``flag``: the meanings have to be the same. These are high (H, ↑, high), low (L, ↓, low), very high and very low
  (HH, LL), and abnormal without a side (*, A).
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
    """Whether two cells of a field of `LabRow` mean the same. Two empty cells do."""
    return _RULES[name](a, b)


def is_empty(name: str, cell: str) -> bool:
    """Whether a cell says nothing, because it has no letters or digits, or is the flag "N" or "normal"."""
    return _flag(cell) == "" if name == "flag" else not plain(cell)


def letters(text: str) -> str:
    """The letters, digits and accents of a text, in small letters."""
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
