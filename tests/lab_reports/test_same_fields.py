"""The rules by which a cell is right, on pairs that were decided by hand."""

from __future__ import annotations

import pytest

from helpers.lab_reports import same_field

SAME = {
    "test": [("C-reactive protein", "c reactive Protein"), ("GPT (ALT)", "GPT ALT")],
    "value": [("0.50", "0,5"), ("< 0,1", "<0.10"), ("negative", "Negative"), ("1,234", "1,234"), ("5e3", "5000")],
    "unit": [("g/dl", "g/dL"), ("Gpt/l", "10^9/L")],
    "range": [
        ("(3,5 - 5,1)", "3.5–5.1"),
        ("<5.0", "< 5"),
        ("3-5 mmol/L", "3 - 5"),
        ("4.5-11 x10^3/uL", "4,5 - 11,0 K/uL"),
        ("negative", "Negative"),
    ],
    "flag": [("H", "↑"), ("high", "H"), ("L", "low"), ("*", "A"), ("", "N"), ("", "normal")],
}
OTHER = {
    "test": [("Hämoglobin", "Hamoglobin"), ("ALT", "AST"), ("α-amylase", "amylase")],
    "value": [
        ("<0.1", "0.1"),
        ("0.5", "5"),
        ("1,234", "1234"),
        ("1,234", "1.234"),
        ("5", "5 mg/L"),
        ("negative", "0"),
        ("5.2¹", "5.21"),
        ("150 000", "150"),
    ],
    "unit": [("mg/dL", "mmol/L"), ("mg/dL", "")],
    "range": [
        ("<5", "≤5"),
        ("3-5", "3-6"),
        ("<5", ">5"),
        ("0-5", "<5"),
        ("3-5 apples", "3-5"),
        ("3-5", "negative"),
        ("4.5-11.0 x10^3", "4.5-11000"),
    ],
    "flag": [("H", "L"), ("H", ""), ("H", "HH"), ("*", "H"), ("", "?")],
}


@pytest.mark.parametrize(("field", "a", "b"), [(field, *pair) for field, pairs in SAME.items() for pair in pairs])
def test_these_say_the_same(field, a, b):
    assert same_field(field, a, b) and same_field(field, b, a)


@pytest.mark.parametrize(("field", "a", "b"), [(field, *pair) for field, pairs in OTHER.items() for pair in pairs])
def test_these_do_not(field, a, b):
    assert not same_field(field, a, b) and not same_field(field, b, a)
