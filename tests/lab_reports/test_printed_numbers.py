"""Numbers as laboratories print them: read, or left alone where they can be read in two ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from helpers.lab_reports import read_number, read_span


@pytest.mark.parametrize(
    ("text", "value", "relation"),
    [
        ("0.50", "0.5", ""),
        ("0,5", "0.5", ""),
        (".5", "0.5", ""),
        ("5e-1", "0.5", ""),
        ("−3.0", "-3", ""),
        ("0,234", "0.234", ""),
        ("12,34", "12.34", ""),
        ("1.234", "1.234", ""),
        ("< 0,1", "0.1", "<"),
        ("≤5", "5", "<="),
        ("=>60", "60", ">="),
        ("4.5 x 10^3", "4500", ""),
        ("4,5·10³", "4500", ""),
        ("１２", "12", ""),
    ],
)
def test_a_number_is_read_in_every_spelling(text, value, relation):
    found = read_number(text)
    assert found.value == Decimal(value) and found.relation == relation


@pytest.mark.parametrize(
    "text",
    [
        *("1,234", "-12,345", "1 234", "1.2.3", "5.2 mmol/L", "5 H", "NaN", "inf", "1e99999", "", "<", "١٢", "-"),
        *("5.2¹", "5²", "5.2 ²", "³", "5₂", "5①", "10³", "150 000"),
    ],
)
def test_what_is_no_number_or_two_is_not_read(text):
    assert read_number(text) is None


@given(st.decimals(-(10**6), 10**6, places=2))
def test_point_and_comma_mean_the_same(number):
    assert read_number(str(number)) == read_number(str(number).replace(".", ",")) == read_number(f" {number} ")
    assert read_number(str(number)).value == number


@pytest.mark.parametrize(
    ("text", "low", "high", "relation", "rest"),
    [
        ("3,5 - 5,1", "3.5", "5.1", "", ""),
        ("(3.5–5.1)", "3.5", "5.1", "", ""),
        ("[70-99] mg/dL", "70", "99", "", "mg/dL"),
        ("-5 - -3", "-5", "-3", "", ""),
        ("3.5 to 5.1", "3.5", "5.1", "", ""),
        ("3,5 bis 5,1", "3.5", "5.1", "", ""),
        ("4.5-11.0 x10^3/uL", "4.5", "11.0", "", "x10^3/uL"),
        ("150 – 400 × 10⁹/L", "150", "400", "", "× 10^9/L"),
        ("1e3-2e3", "1000", "2000", "", ""),
        ("1 x 10^3 - 2 x 10^3", "1000", "2000", "", ""),
        ("60-90 mL/min/1.73 m²", "60", "90", "", "mL/min/1.73 m2"),
        ("≤ 5", None, "5", "<=", ""),
        ("up to 5 U/L", None, "5", "<=", "U/L"),
        (">60", "60", None, ">", ""),
    ],
)
def test_a_range_is_read_in_every_spelling(text, low, high, relation, rest):
    span, behind = read_span(text)
    assert (span.low, span.high) == (low and Decimal(low), high and Decimal(high))
    assert (span.relation, behind) == (relation, rest)


@pytest.mark.parametrize("text", ["negative", "5", "1,000-4,800", "-", "", "< x", "< 5 - 10", "4.5¹-11"])
def test_what_is_no_range_is_not_read(text):
    assert read_span(text) is None
