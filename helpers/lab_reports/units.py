"""Turn printed units into UCUM (ucum.org), and decide whether two units mean the same.

UCUM is the code for units in medical records. Reports print its code ``10*9/L`` as 10^9/L, G/L, Gpt/l or /nl. The
package ucumvert turns UCUM codes into units of pint, and pint computes that ``10*9/L`` equals ``10*3/uL``.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any

from helpers.errors import InputError
from helpers.lab_reports.printed_numbers import plain

# Printed forms that are not UCUM codes, without spaces and in small letters.
_SPELLINGS = {
    "10*3/uL": (
        *("10^3/ul", "10e3/ul", "x10^3/ul", "k/ul", "thou/ul", "tsd/ul", "10**3/ul", "x10e3/ul", "k/mm3"),
        *("10(3)/ul", "x10(3)/ul", "10^3/mm3", "10^3/mm^3", "thousand/ul", "tsd./ul"),
    ),
    "10*6/uL": (
        *("10^6/ul", "10e6/ul", "x10^6/ul", "m/ul", "mill/ul", "mio/ul", "10**6/ul", "x10e6/ul", "mill/mm3"),
        *("10(6)/ul", "x10(6)/ul", "10^6/mm3", "10^6/mm^3", "million/ul", "mio./ul"),
    ),
    "/uL": ("/ul", "cells/ul", "/mm3", "cells/mm3"),
    "ug/dL": ("mcg/dl",),
    "ug/L": ("mcg/l",),
    "ug/mL": ("mcg/ml",),
    "mg/dL": ("mg/dl",),  # also all in capitals
    "mm/h": ("mm/hr",),
    "mm[Hg]": ("mmhg", "mm[hg]"),
    "10*9/L": ("10^9/l", "10e9/l", "x10^9/l", "gpt/l", "/nl", "10**9/l", "x10e9/l", "giga/l"),
    "10*12/L": ("10^12/l", "10e12/l", "x10^12/l", "tpt/l", "/pl", "10**12/l", "x10e12/l", "tera/l"),
    "u[IU]/mL": ("uiu/ml", "µiu/ml", "uui/ml"),
    "m[IU]/L": ("miu/l", "mui/l", "mie/l"),
    "[IU]/L": ("iu/l", "ui/l", "ie/l"),
    "U/L": ("u/l", "units/l"),
    "mL/min/{1.73_m2}": ("ml/min/1.73m2", "ml/min/1,73m2", "ml/min/1.73m^2", "ml/min/1,73m^2", "ml/min/1.73qm"),
    "s": ("sec", "sek", "s", "secs", "seconds", "sekunden"),
    "meq/L": ("meq/l", "mval/l"),
    "": ("-", "--", "none", "null", "n/a"),
}
_BY_SPELLING = {spelling: code for code, spellings in _SPELLINGS.items() for spelling in spellings}
# In small letters, these would be other units. As UCUM codes, G is gauss and T is tesla.
_BY_LETTERS = {"G/L": "10*9/L", "G/l": "10*9/L", "T/L": "10*12/L", "T/l": "10*12/L"}
_NOT_MEASURED = re.compile(r"\{[^}]*\}|\[[^\]]*\]")  # UCUM's remarks, and arbitrary units such as [IU]
# How reports in a language print a code. A code that is not here is printed as it is.
PRINTED = {
    "en": {"10*3/uL": "K/uL", "10*6/uL": "M/uL", "10*9/L": "10^9/L", "10*12/L": "10^12/L", "meq/L": "mEq/L"},
    "de": {"10*3/uL": "Tsd/µl", "10*6/uL": "Mio/µl", "10*9/L": "Gpt/l", "10*12/L": "Tpt/l", "meq/L": "mval/l"},
    "fr": {"10*3/uL": "10³/µL", "10*6/uL": "10⁶/µL", "10*9/L": "10⁹/L", "10*12/L": "10¹²/L", "meq/L": "mEq/L"},
    "es": {"10*3/uL": "10³/µL", "10*6/uL": "10⁶/µL", "10*9/L": "10⁹/L", "10*12/L": "10¹²/L", "meq/L": "mEq/L"},
}


def print_unit(code: str, language: str) -> str:
    """Print a UCUM code as reports in a language do: "10*3/uL" is "K/uL" in English and "Tsd/µl" in German."""
    if code in PRINTED[language]:
        return PRINTED[language][code]
    comma = "." if language == "en" else ","
    text = code.replace("{1.73_m2}", f"1{comma}73 m²").replace("[IU]", "IU")
    text = re.sub(r"\bu(?=[A-Zgm])", "µ", text)
    return text.replace("L", "l") if language == "de" else text


def ucum_code(text: str) -> str | None:
    """The UCUM code of a printed unit; "" for an empty text, and None for an unknown unit.

    Raises `InputError` if the package ucumvert is missing.
    """
    text = plain(text)
    small = text.replace(" ", "").lower().replace("μ", "u").replace("µ", "u")
    if not small:
        return ""
    if text in _BY_LETTERS:
        return _BY_LETTERS[text]
    if small in _BY_SPELLING:
        return _BY_SPELLING[small]
    code = text.replace(" ", "").replace("μ", "u").replace("µ", "u")
    for one in (code, re.sub(r"(?<=[/dmunpf])l\b|^l\b", "L", code)):
        if _measure(one) is not None:
            return one
    return None


def same_unit(a: str, b: str) -> bool:
    """Whether two printed units are the same: letter for letter, or by UCUM, where 10^3/µL equals 10^9/L.

    Arbitrary units ([IU]) and remarks ({1.73_m2}) have to be spelled the same, because UCUM compares neither.
    """
    if plain(a).replace(" ", "") == plain(b).replace(" ", ""):
        return True
    first, second = ucum_code(a), ucum_code(b)
    if first is None or second is None or "" in (first, second):
        return first is not None and first == second
    if sorted(_NOT_MEASURED.findall(first)) != sorted(_NOT_MEASURED.findall(second)):
        return False
    (size, dimensions), (other, theirs) = _measure(first), _measure(second)
    return dimensions == theirs and math.isclose(size, other, rel_tol=1e-9)


@functools.lru_cache(maxsize=512)
def _measure(code: str) -> tuple[float, Any] | None:
    """Size and dimensions of a UCUM code in SI base units; None if the text is no code."""
    try:
        unit = (1 * _registry().from_ucum(code)).to_base_units()
        return float(unit.magnitude), unit.dimensionality
    except InputError:
        raise
    except Exception:  # the parser, its tree and pint raise errors of many unrelated kinds
        return None


@functools.cache
def _registry() -> Any:
    try:
        from ucumvert import PintUcumRegistry
    except ImportError as error:
        raise InputError(
            "The package ucumvert, which compares units, is not installed.",
            remedy="Run: pip install 'medgemma-tutorials[labs]'",
        ) from error
    return PintUcumRegistry()
