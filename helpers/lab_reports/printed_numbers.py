"""Read numbers and ranges as laboratories print them and as models copy them, without guessing.

Different spellings can mean the same number, such as 0.50, 0,5, .5 and 5e-1. A number with two meanings is not
read: ``1,234`` is between 1 and 2 in one country and over a thousand in another.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_SIGNS = {"≤": "<=", "≥": ">=", "=<": "<=", "=>": ">="}
_RELATION = re.compile(r"\s*(<=|>=|=<|=>|≤|≥|<|>)?\s*")
_DIGITS = r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)"
_POWER = r"(?:[eE][+-]?[0-9]{1,3}|\s*[x*·×]\s*10\s*(?:\^|\*\*|\*)?\s*[+-]?[0-9]{1,3})?"
_NUMBER = re.compile(rf"(?P<digits>{_DIGITS})(?P<power>{_POWER})")
_TWO_WAYS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_BETWEEN = re.compile(
    rf"(?P<low>{_DIGITS}{_POWER})\s*(?:-{{1,2}}|\bto\b|\bbis\b|\bà\b|\ba\b|\.\.+)\s*(?P<high>{_DIGITS}{_POWER})"
)
_RAISED = re.compile(r"(?:^|(?<=[0-9]))\s?[⁺⁻⁰¹²³⁴-⁹₀-₉①-⓿➀-➓]+")
_NO_END = re.compile(r"(?:-|to\b|bis\b|à\b|a\b)\s*[0-9]")
_WORDS = {"up to": "<=", "bis": "<=", "jusqu'à": "<=", "hasta": "<="}


@dataclass(frozen=True)
class Number:
    """A number, and a sign such as "<" if the report gives a limit."""

    value: Decimal
    relation: str = ""  # "", "<", "<=", ">" or ">="


@dataclass(frozen=True)
class Span:
    """A usual range: its two ends, or one of them with "<", "<=", ">" or ">="."""

    low: Decimal | None = None
    high: Decimal | None = None
    relation: str = ""  # for a range with one end


def plain(text: str) -> str:
    """A text with plain dashes, spaces and digits (Unicode NFKC).

    What is raised behind a number stays apart: "10³" becomes 10^3, and the mark of a footnote in "5.2¹" no digit.
    """
    text = _RAISED.sub(lambda found: f"^{unicodedata.normalize('NFKC', found[0])}", text)
    text = unicodedata.normalize("NFKC", text)
    return re.sub(r"\s+", " ", re.sub(r"[‐‑‒–—−﹣-]", "-", text)).strip()


def read_number(text: str) -> Number | None:
    """The number that a whole text states, with a sign such as "<" before it.

    Returns None for words, for a number with anything behind it (a unit, a flag), for NaN and infinity, and for a
    number with two meanings. Such a number has one comma, three digits behind it, and one to three digits before
    it that do not begin with 0.
    """
    text = plain(text)
    relation = _RELATION.match(text)
    value = _value(text[relation.end() :])
    if value is None:
        return None
    sign = relation[1] or ""
    return Number(value, _SIGNS.get(sign, sign))


def read_span(text: str) -> tuple[Span, str] | None:
    """The usual range at the beginning of a text, and the rest of the text, such as a unit. None without a range.

    A range is ``a-b`` with any dash, "to", "bis", "à" or "a" between its ends, with or without brackets, or
    ``<x``, ``<=x``, ``>x``, ``>=x`` or "up to x". If an end has two meanings, the result is None.
    """
    text = plain(text)
    inside = re.fullmatch(r"[(\[](.*)[)\]](.*)", text)
    if inside:
        text = f"{inside[1]} {inside[2]}".strip()
    for words, sign in _WORDS.items():
        if text.lower().startswith(f"{words} "):
            text = f"{sign}{text[len(words) + 1 :]}"
    if found := _BETWEEN.match(text):
        first, last = _NUMBER.fullmatch(found["low"]), _NUMBER.fullmatch(found["high"])
        # In "4.5-11.0 x10^3/uL", the power is that of the unit, and so of both ends.
        ends = last["digits"] if "10" in last["power"] and not first["power"] else last[0]
        low, high = _value(first[0]), _value(ends)
        rest = text[found.start("high") + len(ends) :].strip()
        return None if low is None or high is None else (Span(low, high), rest)
    relation = _RELATION.match(text)
    found = _NUMBER.match(text, relation.end())
    if not relation[1] or found is None or (value := _value(found[0])) is None:
        return None
    rest = text[found.end() :].strip()
    if _NO_END.match(rest):  # "< 5 - 10" is two ranges
        return None
    sign = _SIGNS.get(relation[1], relation[1])
    ends = {"high": value} if sign.startswith("<") else {"low": value}
    return Span(**ends, relation=sign), rest


def _value(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text.strip())
    if found is None or _TWO_WAYS.fullmatch(found["digits"]):
        return None
    power = re.sub(r"\s*[x*·×]\s*10\s*(?:\^|\*\*|\*)?\s*", "e", found["power"].strip())
    try:
        return Decimal(found["digits"].replace(",", ".") + power)
    except InvalidOperation:
        return None
