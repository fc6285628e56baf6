"""Put a record's codes, amounts and dates into words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

# The name of a code's list, for a code that has no words of its own.
_SYSTEMS = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED CT",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/cvx": "CVX",
}


@dataclass(frozen=True)
class When:
    """A date of a record: ``text`` is as precise as the record, ``start`` is the first moment that it can mean."""

    text: str
    start: datetime

    @property
    def year(self) -> str:
        """The year, of four digits."""
        return self.text[:4]


def read_when(value: Any) -> When | None:
    """Read a date or moment of ``fhir.resources``, where a year or month alone is a string; None without one."""
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return When(value.date().isoformat(), zoned.astimezone(UTC))
    if isinstance(value, date):
        return When(value.isoformat(), datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, str) and (parts := re.fullmatch(r"(\d{4})(?:-(\d{2}))?", value)) and int(parts[1]):
        return When(value, datetime(int(parts[1]), int(parts[2] or 1), 1, tzinfo=UTC))
    return None


def period_end(period: Any) -> When | None:
    """The end of a Period; None without one."""
    return read_when(period.end) if period else None


def period_start(period: Any) -> When | None:
    """The beginning of a Period, or its end if the beginning is not known."""
    return (read_when(period.start) or read_when(period.end)) if period else None


def plain(text: Any) -> str:
    """A text in one line without double quotes, because the report's questions put the history between quotes."""
    return re.sub(r"\s+", " ", re.sub(r'["“”„]', "'", str(text or ""))).strip()


def concept(value: Any, hide: Callable[[str], str] = str) -> str:
    """The words of a CodeableConcept, else those of a code, else the code itself; "" if it has none of these."""
    if value is None:
        return ""
    codings = value.coding or []
    said = value.text or next((one.display for one in codings if one.display), "")
    if not said:
        bare = next((one for one in codings if one.code), None)
        said = f"code {bare.code} ({_SYSTEMS.get(bare.system, 'unknown list')})" if bare else ""
    return hide(plain(said))


def codings(value: Any) -> frozenset[str]:
    """The codes of a CodeableConcept, each with its list, to tell whether two of them mean the same."""
    known = (value.coding or []) if value else []
    return frozenset(f"{one.system}|{one.code}" for one in known if one.code)


def codes(value: Any) -> set[str]:
    """The codes of a CodeableConcept, such as those of a status."""
    return {one.code for one in (value.coding or []) if one.code} if value else set()


def flags(value: Any) -> set[str]:
    """The status in a CodeableConcept, as FHIR spells it, also if the concept has words and no code."""
    if value is None:
        return set()
    said = codes(value) or {value.text or "", *(one.display or "" for one in value.coding or [])}
    return {re.sub(r"[\s_]+", "-", word.strip().lower()) for word in said} - {""}


def amount(value: Any) -> str:
    """A Quantity with its unit and all digits of the file, such as ``< 7.10 mmol/L``; "" if it has no value."""
    if value is None or value.value is None:
        return ""
    unit = plain(value.unit or value.code)
    comparator = f"{value.comparator} " if value.comparator else ""
    return f"{comparator}{digits(value.value)}{f' {unit}' if unit and unit != '1' else ''}"


def spread(value: Any) -> str:
    """A Range, such as ``10 a to 12 a``; "" without one."""
    return f"{amount(value.low) or 'unknown'} to {amount(value.high) or 'unknown'}" if value else ""


def dose(value: Any) -> str:
    """How a drug is taken: the words of a Dosage, else its amounts, times and way."""
    if value.text:
        return plain(value.text)
    rate = (getattr(value, "doseAndRate", None) or [value])[0]
    quantity, other, ends = (getattr(rate, name, None) for name in ("doseQuantity", "dose", "doseRange"))
    said = [
        amount(quantity or other) or spread(ends),
        _times(getattr(value, "timing", None)),
        concept(value.route),
    ]
    said += ["as needed" if getattr(value, "asNeededBoolean", None) else ""]
    return " ".join(filter(None, said))


def _times(timing: Any) -> str:
    """How often: ``2 x per 1 d``, as the codes of UCUM have it."""
    if timing is None or concept(timing.code):
        return concept(timing.code) if timing else ""
    repeat = timing.repeat
    if repeat is None or repeat.period is None or not repeat.periodUnit:
        return ""
    return f"{repeat.frequency or 1} x per {digits(repeat.period)} {repeat.periodUnit}"


def digits(value: Decimal | int) -> str:
    """A number with all its digits, never as a power of ten."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def observed(value: Any, hide: Callable[[str], str]) -> str:
    """The result of an Observation, or of one of its components; "" if it has no value."""
    if said := amount(value.valueQuantity) or concept(value.valueCodeableConcept, hide):
        return said
    if value.valueString is not None:
        return hide(plain(value.valueString))
    if value.valueBoolean is not None:
        return "yes" if value.valueBoolean else "no"
    if value.valueInteger is not None:
        return str(value.valueInteger)
    if value.valueRange is not None:
        return spread(value.valueRange)
    if value.valueRatio is not None:
        return f"{amount(value.valueRatio.numerator) or '?'} : {amount(value.valueRatio.denominator) or '?'}"
    if value.valueTime is not None:
        return str(value.valueTime)
    moment = read_when(value.valueDateTime) or period_start(value.valuePeriod)
    if moment is not None:
        return moment.text
    return "a curve, which is not told" if value.valueSampledData is not None else ""
