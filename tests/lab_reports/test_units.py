"""Printed units to UCUM, and which of them are the same."""

from __future__ import annotations

import sys

import pytest

from helpers.errors import InputError
from helpers.lab_reports import same_unit, ucum_code
from helpers.lab_reports.analytes import LANGUAGES, SYSTEMS, analytes
from helpers.lab_reports.units import _registry, print_unit


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("K/uL", "10^9/L"),
        ("Tsd/µl", "Gpt/l"),
        ("10³/µL", "x10^9/L"),
        ("G/L", "10*9/L"),
        ("G/l", "10^9/L"),
        ("T/l", "10^12/L"),
        ("mcg/dL", "µg/dL"),
        ("Thousand/uL", "K/uL"),
        ("x10(3)/uL", "10^3/mm^3"),
        ("Tsd./µl", "10^3/mm3"),
        ("Mio./µl", "10^6/uL"),
        ("cells/uL", "/mm3"),
        ("mm/hr", "mm/h"),
        ("mmHg", "mm[Hg]"),
        ("MG/DL", "mg/dL"),
        ("T/L", "Mio/µl"),
        ("g/dl", "g/dL"),
        ("mg/L", "µg/mL"),  # micro sign
        ("mg/L", "μg/mL"),  # Greek mu
        ("mIU/L", "µIU/mL"),
        ("mEq/L", "mmol/L"),  # by UCUM an equivalent is a mole
        ("mL/min/1,73 m²", "ml/min/1.73m2"),
        ("sec", "s"),
        ("", "-"),
        ("odd unit", "odd unit"),
    ],
)
def test_one_unit_in_two_spellings(a, b):
    assert same_unit(a, b) and same_unit(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("mg/dL", "mmol/L"),
        ("g/L", "G/L"),
        ("g/l", "G/l"),
        ("cells/uL", "K/uL"),
        ("g/dL", "g/L"),
        ("IU/L", "U/L"),
        ("%", "mmol/mol"),
        ("10^9/L", "10^12/L"),
        ("mL/min/1.73 m²", "mL/min"),
        ("mmol/L", ""),
        ("odd unit", "other unit"),
        ("odd unit", ""),
        ("mmol/L", "Mmol/L"),
        ("k[IU]/L", "10*3/L"),
    ],
)
def test_two_units(a, b):
    assert not same_unit(a, b) and not same_unit(b, a)


def test_every_unit_of_the_made_reports_is_known_as_it_is_printed():
    for language in LANGUAGES:
        for analyte in (one for system in SYSTEMS for one in analytes(language, system)):
            printed = print_unit(analyte.unit, language)
            assert ucum_code(printed) is not None and same_unit(printed, analyte.unit)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ucumvert", None)
    _registry.cache_clear()
    try:
        with pytest.raises(InputError, match=r"pip install 'medgemma-tutorials\[labs\]'"):
            same_unit("ng/pL", "pg/nL")  # in no test before, so that it is in no cache
    finally:
        _registry.cache_clear()
