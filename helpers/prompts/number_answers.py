"""Numbers as answers: counts, sizes, shares.

| stated | read as |
|---|---|
| ``3``, ``three``, ``3 lesions``, ``about 3`` | 3 |
| ``12.5 mm``, ``12,5 mm``, ``1.25 cm`` where mm are asked for | 12.5 |
| ``1,234``, ``1,234.5``, ``1 234``, ``1.234,5`` | thousands, as in English; of two marks the last is the point |
| ``3 to 5``, ``3-5``, ``3 or 4``, ``3 x 4 cm``, ``> 5``, ``at least 5``, ``5 ± 1``, ``1/2`` | unparsable |
| ``2e253``, more than 12 digits, ``10²`` | unparsable: no count or size of a patient |
| ``3 kg`` where mm are asked for, ``3 mm`` where none is | unparsable |
| a number outside of what is allowed | unparsable |

Where an answer is stated, and which of several counts, is in `helpers.prompts.statements`.
"""

from __future__ import annotations

import functools
import re

from helpers.errors import InputError
from helpers.prompts.replies import split_thinking
from helpers.prompts.spelling import Spelled
from helpers.prompts.statements import Read, last_statement, openings

# How many of the first of each row one of these is: mm, mm2, mm3.
_LENGTHS = {"mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0, "um": 0.001, "nm": 1e-6}
_WRITTEN_OUT = {"millimet": "mm", "centimet": "cm", "micromet": "um", "micron": "um", "millilit": "ml", "lit": "l"}
_UNITS = {
    **{name: ("length", size) for name, size in _LENGTHS.items()},
    **{f"{name}2": ("area", size**2) for name, size in _LENGTHS.items()},
    **{f"{name}3": ("volume", size**3) for name, size in _LENGTHS.items()},
    **{name: ("volume", size) for name, size in {"ml": 1e3, "cc": 1e3, "cl": 1e4, "dl": 1e5, "l": 1e6}.items()},
}
# What is measured in other ways; converted into nothing, and no noun of things that are counted.
_OTHER_UNITS = {"%", "percent", "hu", "g", "kg", "mg", "s", "ms", "min", "h", "°", "degrees", "inch", "inches"}
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_ABOUT = re.compile(r"(?:(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly)\s+|[~≈]\s*)", re.I)
_NUMBER = re.compile(
    rf"(?P<sign>[-−]?)(?P<digits>\d{{1,3}}(?:[ ,.'’]\d{{3}})+(?:[.,]\d+)?(?![\d]|[.,]\d)|\d+(?:[.,]\d+)?)"
    rf"|\b(?P<word>{'|'.join(_WORDS)})\b",
    re.IGNORECASE | re.ASCII,
)
_UNIT = re.compile(r"[^\S\n]*(?P<unit>%|°|[^\W\d_⁰¹²³⁴-⁹]+(?:\^?[23²³](?!\d))?)?")
_REST = re.compile(r"[^\n.;!?]*(?:\.(?=\d)[^\n.;!?]*)*")  # of the sentence
_MORE = re.compile(
    r"[\d⁰¹²³⁴-⁹⁄±+/<>=]|\b(?:or|to|and|versus|vs|if|not|of|x|at\s+(?:least|most)|minimum|maximum|per)\b",
    re.IGNORECASE,
)


def parse_number(
    reply: str, unit: str | None = None, low: float | None = None, high: float | None = None
) -> float | None:
    """The number that a reply ends on, in ``unit``; None where it states none, or more than one.

    Args:
        reply: of a model; a thinking trace is no answer.
        unit: what was asked for. Lengths, areas and volumes (mm, cm, µm, mm2, cm3, ml, l ...) are converted into
            it; any other unit has to be the reply's own. A reply without a unit is taken to follow the question.
            None asks for a count, and a noun may follow it.
        low: the least that can be right, in ``unit``.
        high: the most.

    Raises:
        InputError: where ``low`` is over ``high``.
    """
    if low is not None and high is not None and low > high:
        raise InputError(f"No number is from {low} to {high}.", remedy="Give the lesser one as low.")
    found = last_statement(split_thinking(reply)[0], functools.partial(_read_number, unit=unit))
    value = found and found.value
    if value is None or (low is not None and value < low) or (high is not None and value > high):
        return None
    return value


def _read_number(text: Spelled, start: int, *, unit: str | None) -> Read | None:
    place = openings(text.text, start)[-1]
    about = _ABOUT.match(text.text, place)
    number = _NUMBER.match(text.text, about.end() if about else place)
    if not number:
        return None
    said = _UNIT.match(text.text, number.end())
    factor = _factor(said["unit"], unit)
    value = _value(number)
    end = said.end() if said["unit"] else number.end()
    bad = factor is None or value is None or _goes_on(text.text, number.end(), said)
    return Read(None if bad else value * factor, number.start(), end)


def _goes_on(text: str, end: int, unit: re.Match[str]) -> bool:
    """Whether the sentence says more than the number and its unit: a range, a second number, a question."""
    glued = text[end : end + 1].isalpha() and _unit(unit["unit"]) not in {*_UNITS, *_OTHER_UNITS}  # 2e5, 3rd
    rest = _REST.match(text, unit.end())
    said = re.sub(r"[23²³]$", "", unit[0]) + re.sub(r"\([^()]*\)", "", rest[0])
    return glued or _MORE.search(said) is not None or text[rest.end() : rest.end() + 1] == "?"


def _value(number: re.Match[str]) -> float | None:
    if number["word"]:
        return float(_WORDS.index(number["word"].lower()))
    digits = number["digits"]
    if len(re.findall(r"\d", digits)) > 12:
        return None
    marks = re.findall(r"\D", digits)
    last = marks[-1] if marks else ""
    head, _, tail = digits.rpartition(",")
    grouped = last == "," and len(tail) == 3 and len(head) <= 3 and not digits.startswith("0")
    decimal = last in (".", ",") and marks.count(last) == 1 and not grouped
    whole, part = digits.rsplit(last, 1) if decimal else (digits, "")
    if len(set(re.findall(r"\D", whole))) > 1:
        return None
    value = float(f"{re.sub(r'[^0-9]', '', whole)}.{part or 0}")
    return -value if number["sign"] else value


def _factor(said: str | None, asked: str | None) -> float | None:
    """What to multiply a number by that was said in one unit and is asked for in another; None for no way."""
    said, asked = _unit(said), _unit(asked)
    if not said or said == asked:
        return 1.0
    if said in _UNITS and asked in _UNITS:
        (kind, size), (wanted, into) = _UNITS[said], _UNITS[asked]
        return size / into if kind == wanted else None
    return 1.0 if not asked and said not in _UNITS and said not in _OTHER_UNITS else None


def _unit(name: str | None) -> str:
    """A unit's short name: "millimetres" and "mm." are "mm", "cm³" and "cm^3" are "cm3"."""
    name = (name or "").strip().rstrip(".").lower().translate(str.maketrans("²³µμ", "23uu", "^"))
    for begins, short in _WRITTEN_OUT.items():
        if re.fullmatch(rf"{begins}(?:er|re)?s?", name):
            return short
    return name if name in _UNITS or name in _OTHER_UNITS else name.removesuffix("s")  # "1 lesion" of lesions
