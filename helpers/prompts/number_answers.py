"""Read numbers as answers: counts, sizes and shares.

| stated | read as |
|---|---|
| ``3``, ``three``, ``3 lesions``, ``about 3`` | 3 |
| ``12.5 mm``, ``12,5 mm``, ``1.25 cm`` where mm are asked for | 12.5 |
| ``1,234``, ``1,234.5``, ``1 234``, ``1.234,5`` | thousands, as in English; of two marks the last is the point |
| ``3 to 5``, ``3-5``, ``3 or 4``, ``3 x 4 cm``, ``> 5``, ``at least 5``, ``5 ± 1``, ``1/2`` | unparsable |
| ``3 (or 4)``, ``3 cm (20 mm)``, ``3; 4``, a bare 4 on the line behind ``3`` | unparsable: two that differ |
| ``three, four``, ``3 in the left lung; 2 in the right lung`` | unparsable, too |
| ``- 50 HU``, ``- 3 %`` | unparsable: a minus or a bullet; for what is never below zero, a bullet |
| ``0.5"``, ``12 (pixels)`` | unparsable: marks and words of other units |
| ``2 dozen``, ``3 thousand``, ``one third`` | unparsable: the number alone is not what was meant |
| ``none``, ``no nodules`` | unparsable, as no number is stated |
| ``2e253``, more than 12 digits, ``10²`` | unparsable: no count or size of a patient |
| ``3 kg`` where mm are asked for, ``3 mm`` where none is | unparsable |
| a number outside of what is allowed | unparsable |

Where an answer is stated, and which of several counts, is in `helpers.prompts.statements`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping

from helpers.errors import InputError
from helpers.prompts.replies import split_thinking
from helpers.prompts.spelling import Spelled
from helpers.prompts.statements import TAG, Read, last_statement, openings

# The words are ours, because no source asks for a number. X stands for the number, so that the question itself
# holds no answer.
NUMBER_QUESTION = (
    "{question} You may write out your argument before stating your final answer, one number X, in the format "
    '"Final Answer: X{unit}".'
)
COUNT = "count"  # the unit of a number without unit
# The size of each unit in the first unit of its row.
_LENGTHS = {"mm": 1.0, "cm": 10.0, "dm": 100.0, "m": 1000.0, "km": 1e6, "um": 0.001, "nm": 1e-6, "inch": 25.4}
_SIZES: dict[str, Mapping[str, float]] = {
    "length": _LENGTHS,
    "area": {f"{name}2": size**2 for name, size in _LENGTHS.items()},
    "volume": {f"{name}3": size**3 for name, size in _LENGTHS.items()}
    | {"ul": 1.0, "ml": 1e3, "cc": 1e3, "cl": 1e4, "dl": 1e5, "l": 1e6},
    "mass": {"mg": 1.0, "ug": 1e-3, "g": 1e3, "kg": 1e6},
    "time": {"ms": 1.0, "s": 1e3, "min": 60e3, "h": 3600e3, "day": 86400e3, "week": 604800e3},
}
_UNITS = {name: (kind, size) for kind, row in _SIZES.items() for name, size in row.items()}
# Units that are not converted. They are no nouns for counted things.
_OTHER_UNITS = {"%", "hu", "°", "month", "year"}
_SIGNED = {"%", "hu", "°"}  # units of quantities that may be below zero
# Nouns in brackets that are units of their own, and no remark about the number as in "12 (large)".
_NO_UNITS = {"pixel", "px", "voxel", "vx", "slice", "image", "patch", "patche", "point", "unit"}
_WRITTEN_OUT = {
    **{"percent": "%", "per cent": "%", "hounsfield": "hu", "degree": "°", "deg": "°"},
    **{"gram": "g", "microgram": "ug", "mcg": "ug", "milligram": "mg", "kilogram": "kg"},
    **{"millisecond": "ms", "second": "s", "sec": "s", "minute": "min", "hour": "h", "hr": "h", "wk": "week"},
    **{"millimet": "mm", "centimet": "cm", "decimet": "dm", "kilomet": "km", "nanomet": "nm", "inches": "inch"},
    **{"micromet": "um", "micron": "um", "metre": "m", "meter": "m"},
    **{"microlit": "ul", "millilit": "ml", "lit": "l"},
}
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_ABOUT = re.compile(
    r"(?:x\s*[=:]\s*)?(?:(?:about|approximately|approx\.?|around|roughly|circa|ca\.|exactly)\s+|[~≈]\s*)?", re.I
)
_NUMBER = re.compile(
    rf"(?P<sign>(?:[-−–+]|\bminus\s+)?)"
    rf"(?P<digits>\d{{1,3}}(?:[ ,.'’]\d{{3}})+(?:[.,]\d+)?(?![\d]|[.,]\d)|\d+(?:[.,]\d+)?|\.\d+)"
    rf"|\b(?P<word>{'|'.join(_WORDS)})\b",
    re.IGNORECASE | re.ASCII,
)
# Between a number and its unit, there may be spaces, Markdown, HTML, or LaTeX, whose thin space is spelled with a
# comma.
_BETWEEN = rf"""(?:[^\S\n]|[*_`"'$~{{}}]|{TAG}|\\(?:text|math|mbox|rm)[a-z]*|\\\s?|[,;:!](?=[\\a-zµμ]))*"""
_POWER = r"(?:\}?\^)?\{?[23²³](?!\d)\}?|<sup>[23]</sup>"
_NAME = rf"%|°|per[^\S\n]cent\b|(?:(?:square|sq\.?|cubic|cu\.?)[^\S\n]+)?[^\W\d_⁰¹²³⁴-⁹]+(?:{_POWER})?"
_UNIT = re.compile(rf"{_BETWEEN}(?:(?P<unit>{_NAME})|[(\[](?P<inner>{_NAME})[)\]])?", re.IGNORECASE)
# Words after a number that change it into another number.
_SCALED = re.compile(
    r"[\s-]*(?:hundred|thousand|million|billion|dozen|pair|couple|half|halves|third|quarter|fourth|fifth|tenth"
    r"|plus|upwards?|onwards?)s?\b",
    re.IGNORECASE,
)
_DOUBT = re.compile(r"\(\s*(?:or|maybe|perhaps|possibly|probably|range)\b", re.IGNORECASE)
_NEXT = re.compile(r"[^\S\n]*[;\n][^\S\n]*(?:[-*•][^\S\n]+)?")
_LABEL = re.compile(r"[.)][^\S\n]+\S")  # behind the number of an item of a list
_REMARK = re.compile(r"\b(?:to|of)\s+(?:the|its|a)\b", re.IGNORECASE)  # 5 mm to the left
_PRONOUN = re.compile(
    r"\s+(?:can(?:not|'t)?|could|may|might|must|should|would|does|needs?|has|sees)\b", re.IGNORECASE
)
_LONE_DASH = re.compile(r"[-−–]\s+\Z")
_CLOSED, _ENDED = re.compile(r"\s*\)"), re.compile(r"[^\S\n]*[.!]*[^\S\n]*(?:[;\n]|\Z)")
_BEHIND = re.compile(r"[.;!\s]*")
ROUNDED = 0.1  # share of a number by which its repetition in another unit may differ
_REST = re.compile(r"[^\n.;!?]*(?:\.(?=\d)[^\n.;!?]*)*")  # the rest of the sentence
_MORE = re.compile(
    rf"\b(?:{'|'.join(word for word in _WORDS if word != 'one')})\b"
    r"|[\d⁰¹²³⁴-⁹⁄±+/<>=]|\b(?:or|to|and|versus|vs|if|not|of|x|at\s+(?:least|most)|minimum|maximum|max|per)\b",
    re.IGNORECASE,
)


def parse_number(
    reply: str, unit: str | None = None, low: float | None = None, high: float | None = None
) -> float | None:
    """The number that a reply ends on, in ``unit``; None if the reply states no number, or more than one.

    Args:
        reply: the reply of a model. A thinking trace is not an answer.
        unit: the unit that was asked for. Lengths, areas, volumes, masses and times (mm, cm2, ml, g, weeks ...)
            are converted into it; any other unit must be the same in the reply. A reply without a unit is read in
            the unit that was asked for. None and "count" ask for a count, which a noun may follow.
        low: the smallest possible answer, in ``unit``.
        high: the largest possible answer, in ``unit``.

    Raises:
        InputError: where ``low`` is over ``high``.
    """
    if low is not None and high is not None and low > high:
        raise InputError(
            f"No number lies between {low} and {high}, because low is above high.",
            remedy="Give the smaller number as low.",
        )
    asked = None if unit == COUNT else unit
    found = last_statement(split_thinking(reply)[0], functools.partial(_read_number, unit=asked))
    value = found and found.value
    if value is None or (low is not None and value < low) or (high is not None and value > high):
        return None
    return value


def unit_name(unit: str) -> str:
    """The short name of a unit that a question can ask for: "mm" for "Millimetres", "cm3" for "cm³", "count".

    Raises:
        InputError: any other unit; the error lists the known units.
    """
    name = _unit(unit)
    if name != COUNT and not _is_unit(name):
        raise InputError(
            f"The unit {unit!r} is not known. Known units are {COUNT}, "
            f"{', '.join([*_UNITS, *sorted(_OTHER_UNITS)])}.",
            remedy=f"Choose one of these units. {COUNT} asks for a number without a unit.",
        )
    return name


def number_question(question: str, unit: str = COUNT) -> str:
    """A question in our form for an answer that is one number in ``unit``. Raises `InputError` as `unit_name`."""
    name = unit_name(unit)
    return NUMBER_QUESTION.format(question=question, unit="" if name == COUNT else f" {name}")


def _read_number(text: Spelled, start: int, *, unit: str | None) -> Read | None:
    place = openings(text.text, start)[-1]
    number = _NUMBER.match(text.text, _ABOUT.match(text.text, place).end())
    if not number:
        return None
    said = _UNIT.match(text.text, number.end())
    # True for "12 (mm)", but not for "12 (large)".
    in_brackets = said["inner"] if _is_unit(said["inner"]) or _unit(said["inner"]) in _NO_UNITS else None
    factor = _factor(said["unit"] or in_brackets, unit)
    value = _value(number)
    end = said.end() if said["unit"] else number.end()
    # Whether it is a minus or the mark of an item cannot be told.
    dashed = _unit(unit) in _SIGNED and _LONE_DASH.search(text.text[max(start - 2, 0) : number.start()])
    labelled = "\n" in text.text[start : number.start()] and _LABEL.match(text.text, number.end())
    unclear = dashed or labelled or _is_pronoun(text.text, number) or _is_in_inches(text.text, number)
    if factor is None or value is None or unclear or _goes_on(text.text, number.end(), said):
        return Read(None, number.start(), end)
    clear = _all_near(value * factor, _said_besides(text.text, said.end(), unit))
    return Read(value * factor if clear else None, number.start(), end)


def _is_pronoun(text: str, number: re.Match[str]) -> bool:
    """Whether "one" is somebody: one cannot tell."""
    return (number["word"] or "").lower() == "one" and _PRONOUN.match(text, number.end()) is not None


def _is_in_inches(text: str, number: re.Match[str]) -> bool:
    """Whether the quote behind a number is the mark of inches, as no quote was opened in its line."""
    before = text[: number.start()].rpartition("\n")[2]
    return text[number.end() : number.end() + 1] in ('"', "″") and before.count('"') % 2 == 0


def _goes_on(text: str, end: int, unit: re.Match[str]) -> bool:
    """Whether the sentence goes on after the number and its unit, with a range, a second number, or a question."""
    glued = text[end : end + 1].isalpha() and not _is_unit(unit["unit"])  # e.g. 2e5, 3rd
    if glued or _SCALED.match(text, end):
        return True
    rest = _REST.match(text, unit.end())
    named = re.sub(r"\W*[23²³]\}?$|<sup>\d</sup>$", "", (unit["unit"] or unit["inner"] or "").lower())
    said = f"{_WRITTEN_OUT.get(named, named)} " + re.sub(r"\([^()]*\)", "", rest[0])
    said = _REMARK.sub("", said) if _is_unit(unit["unit"] or unit["inner"]) else said
    doubted = text[rest.end() : rest.end() + 1] == "?" or _DOUBT.search(rest[0]) is not None
    return doubted or _MORE.search(said) is not None


def _said_besides(text: str, end: int, asked: str | None) -> Iterator[float]:
    """Further numbers in the asked unit, alone in brackets of the sentence or alone behind it."""
    rest = _REST.match(text, end)
    places = [(end + found.end(), _CLOSED) for found in re.finditer(r"\(", rest[0])]
    following = _NEXT.match(text, rest.end()) or _BEHIND.match(text, rest.end())
    for place, closing in (*places, (following.end(), _ENDED)):
        number = _NUMBER.match(text, _ABOUT.match(text, place).end())
        if not number:
            continue
        unit = _UNIT.match(text, number.end())
        listed = _NEXT.fullmatch(text, rest.end(), number.start())  # of two counts, each may have a noun
        factor = _factor(unit["unit"], asked) if listed or not unit["unit"] or _is_unit(unit["unit"]) else None
        value = _value(number)
        if factor is not None and value is not None and (listed or closing.match(text, unit.end())):
            yield value * factor


def _all_near(value: float, others: Iterable[float]) -> bool:
    """Whether all numbers mean the same, with rounding in another unit: 12 mm (0.5 inch)."""
    return all(abs(other - value) <= ROUNDED * abs(value) for other in others)


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
    return -value if number["sign"] not in ("", "+") else value


def _factor(said: str | None, asked: str | None) -> float | None:
    """The factor from the unit in the reply to the unit in the question; None if there is none."""
    said, asked = _unit(said), _unit(asked)
    if not said or said == asked:
        return 1.0
    if said in _UNITS and asked in _UNITS:
        (kind, size), (wanted, into) = _UNITS[said], _UNITS[asked]
        return size / into if kind == wanted else None
    return 1.0 if not asked and not _is_unit(said) else None


def _is_unit(name: str | None) -> bool:
    return _unit(name) in _UNITS or _unit(name) in _OTHER_UNITS


def _unit(name: str | None) -> str:
    """A unit's short name: "millimetres" and "mm." are "mm", "cm³" and "cm^3" are "cm3"."""
    name = (name or "").strip().rstrip(".").lower().translate(str.maketrans("²³µμ", "23uu", "^{}"))
    name = re.sub(r"<sup>(\d)</sup>", r"\1", name)
    if power := re.fullmatch(r"(square|sq\.?|cubic|cu\.?)\s+(\S+)", name):
        return f"{_unit(power[2])}{2 if power[1].startswith('s') else 3}"
    for begins, short in _WRITTEN_OUT.items():
        if re.fullmatch(rf"{begins}(?:er|re)?s?", name):
            return short
    # e.g. "1 lesion" if lesions are counted.
    return name if name in _UNITS or name in _OTHER_UNITS else name.removesuffix("s")
