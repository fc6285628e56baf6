"""Numbers and ranges as laboratories print them and as models copy them, read without a guess.

Two spellings are the same where they mean the same number: 0.50, 0,5, .5 and 5e-1. What can be read in two ways is
not read: ``1,234`` is a decimal in one country and over a thousand in the next.
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
_WORDS = {"up to": "<=", "bis": "<=", "jusqu'à": "<=", "hasta": "<="}


@dataclass(frozen=True)
class Number:
    """A number, and "<" or the like where a report gives a limit in its place."""

    value: Decimal
    relation: str = ""  # "", "<", "<=", ">" or ">="


@dataclass(frozen=True)
class Span:
    """A usual range: its two ends, or one of them with "<", "<=", ">" or ">="."""

    low: Decimal | None = None
    high: Decimal | None = None
    relation: str = ""  # of a range with one end


def plain(text: str) -> str:
    """A text with usual dashes, spaces and digits: NFKC, but "10³" stays 10 to the power of 3."""
    text = re.sub(r"(?<=10)[⁺⁻⁰¹²³⁴-⁹]+", lambda found: f"^{unicodedata.normalize('NFKC', found[0])}", text)
    text = unicodedata.normalize("NFKC", text)
    return re.sub(r"\s+", " ", re.sub(r"[‐‑‒–—−﹣-]", "-", text)).strip()


def read_number(text: str) -> Number | None:
    """The number that a whole text states, with "<" or the like before it.

    None for words, for more than a number (a unit, a flag), for NaN and infinity, and for what can be read in two
    ways: one comma with three digits behind it and one to three before it, the first of them not 0.
    """
    text = plain(text)
    relation = _RELATION.match(text)
    value = _value(text[relation.end() :])
    if value is None:
        return None
    sign = relation[1] or ""
    return Number(value, _SIGNS.get(sign, sign))


def read_span(text: str) -> tuple[Span, str] | None:
    """The usual range at the beginning of a text, and what stands behind it (a unit); None where there is none.

    Read are ``a-b`` with any dash, "to", "bis", "à" or "a" between, in brackets or not, and ``<x``, ``<=x``,
    ``>x``, ``>=x``, "up to x". Ends that can be read in two ways make it none.
    """
    text = plain(text)
    inside = re.fullmatch(r"[(\[](.*)[)\]](.*)", text)
    if inside:
        text = f"{inside[1]} {inside[2]}".strip()
    for words, sign in _WORDS.items():
        if text.lower().startswith(f"{words} "):
            text = f"{sign}{text[len(words) + 1 :]}"
    if found := _BETWEEN.match(text):
        low, high = _value(found["low"]), _value(found["high"])
        return None if low is None or high is None else (Span(low, high), text[found.end() :].strip())
    relation = _RELATION.match(text)
    found = _NUMBER.match(text, relation.end())
    if not relation[1] or found is None or (value := _value(found[0])) is None:
        return None
    sign = _SIGNS.get(relation[1], relation[1])
    ends = {"high": value} if sign.startswith("<") else {"low": value}
    return Span(**ends, relation=sign), text[found.end() :].strip()


def _value(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text.strip())
    if found is None or _TWO_WAYS.fullmatch(found["digits"]):
        return None
    power = re.sub(r"\s*[x*·×]\s*10\s*(?:\^|\*\*|\*)?\s*", "e", found["power"].strip())
    try:
        return Decimal(found["digits"].replace(",", ".") + power)
    except InvalidOperation:
        return None
