"""How dates, amounts and codes are said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import pytest

from helpers.ehr.words import amount, concept, plain, read_when


@pytest.mark.parametrize(
    ("value", "text", "start"),
    [
        ("2019", "2019", datetime(2019, 1, 1, tzinfo=UTC)),
        ("2019-05", "2019-05", datetime(2019, 5, 1, tzinfo=UTC)),
        (date(2019, 5, 14), "2019-05-14", datetime(2019, 5, 14, tzinfo=UTC)),
        # the day stays that of the place, and the order is that of the moment
        (
            datetime(2019, 5, 14, 23, 30, tzinfo=timezone(timedelta(hours=-5))),
            "2019-05-14",
            datetime(2019, 5, 15, 4, 30, tzinfo=UTC),
        ),
    ],
)
def test_a_date_keeps_its_precision(value, text, start):
    when = read_when(value)
    assert (when.text, when.start, when.year) == (text, start, "2019")


def test_what_is_no_date_is_none():
    assert read_when(None) is None and read_when("0000") is None and read_when("spring") is None


@pytest.mark.parametrize(
    ("value", "unit", "comparator", "said"),
    [
        ("7.10", "%", None, "7.10 %"),
        ("0.00001", "mol/L", "<", "< 0.00001 mol/L"),
        ("1E+3", "1", None, "1000"),
        (None, "mg", None, ""),
    ],
)
def test_an_amount_keeps_every_digit(value, unit, comparator, said):
    number = None if value is None else Decimal(value)
    assert amount(SimpleNamespace(value=number, unit=unit, code=None, comparator=comparator)) == said


def test_a_concept_says_its_words_or_its_code():
    coding = SimpleNamespace(code="E11.9", display=None, system="http://hl7.org/fhir/sid/icd-10-cm")
    shown = SimpleNamespace(code="1", display="Gout", system="urn:x")
    of = lambda text, *codings: concept(SimpleNamespace(text=text, coding=list(codings)))  # noqa: E731
    assert of("Left\n knee", shown) == "Left knee"
    assert of(None, coding, shown) == "Gout"
    assert of(None, coding) == "code E11.9 (ICD-10-CM)"
    assert of(None) == "" and concept(None) == ""


def test_a_text_is_one_line_without_double_quotes():
    assert plain(' "dull"\r\n “ache” ') == "'dull' 'ache'"
