"""Numbers: one, in the unit asked for, or none."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from helpers.errors import InputError
from helpers.prompts import number_question, parse_number, unit_name


@pytest.mark.parametrize(
    ("said", "unit", "expected"),
    [
        ("3", None, 3),
        ("three.", None, 3),
        ("３", None, 3),
        ("about 3 lesions", None, 3),
        ("0.5", None, 0.5),
        ("12,5", None, 12.5),
        ("0,123", None, 0.123),
        ("1,234", None, 1234),
        ("1,234,567", None, 1234567),
        ("1,234.5", None, 1234.5),
        ("1.234,5", None, 1234.5),
        ("1 234", None, 1234),
        ("12 mm", "mm", 12),
        ("12", "mm", 12),
        ("**1.25 cm**", "mm", 12.5),
        ("12 millimetres", "cm", 1.2),
        ("5 µm", "um", 5),
        ("2 cm^2", "mm2", 200),
        ("2.5 ml", "cm³", 2.5),
        ("−30 HU", "HU", -30),
        ("50 %", "%", 50),
        ("50 percent", "%", 50),
        ("**12** mm", "cm", 1.2),
        ("<b>12</b> mm", "cm", 1.2),
        (r"$12\,\text{mm}$", "cm", 1.2),
        (r"\boxed{12\text{ mm}}", "cm", 1.2),
        ("12 (mm)", "cm", 1.2),
        ("12 (large)", "mm", 12),
        ("3 (two on the left)", None, 3),
        ("X = 12 mm", "mm", 12),
        ("12 square millimetres", "mm2", 12),
        ("2 cubic cm", "ml", 2),
        ("**3** kg", "mm", None),
        ("30 Hounsfield units", "HU", 30),
        ("45 degrees", "°", 45),
        ("1.5 kg", "g", 1500),
        ("90 seconds", "min", 1.5),
        ("2 weeks", "days", 14),
        ("3 months", "weeks", None),  # of which a month has no one number
        ("3 months", None, None),
        ("1 inch", "mm", 25.4),
        ("3 foci", "count", 3),
        ("3 mm", "count", None),
        ("1 lesion", "lesions", 1),
        ("12 mm (1.2 cm) in diameter", "mm", 12),
        ("12 mm. The other one is 5 mm.", "mm", 12),
        (r"\boxed{12}", None, 12),
        ("2e253", None, None),
        ("1e3", None, None),
        ("2" + "3" * 12, None, None),
        ("10²", None, None),
        ("½", None, None),
        ("1/2", None, None),
        ("3 to 5", None, None),
        ("3–5 mm", "mm", None),
        ("between 3 and 5", None, None),
        ("3 or 4", None, None),
        ("3 x 4 cm", "cm", None),
        ("12 mm and 5 mm", "mm", None),
        ("> 5", None, None),
        ("at least 5", None, None),
        ("5 or more", None, None),
        ("5+", None, None),
        ("5 ± 1", None, None),
        ("1,2,3", None, None),
        ("3?", None, None),
        ("not 3", None, None),
        ("none", None, None),
        ("3 mm", None, None),
        ("50 %", None, None),
        ("3 kg", "mm", None),
        ("3 mm", "mm2", None),
    ],
)
def test_a_number_is_one_in_the_unit_asked_for(said: str, unit: str | None, expected: float | None) -> None:
    assert parse_number(f"There are 7 of 9. Final Answer: {said}", unit) == (expected and pytest.approx(expected))


@given(st.integers(0, 10**9), st.integers(0, 99), st.sampled_from(["{:,}.{:02}", "{}.{:02}"]))
def test_a_number_with_or_without_thousands_is_itself(whole: int, part: int, form: str) -> None:
    assert parse_number(f"Final Answer: {form.format(whole, part)} mm", "mm") == pytest.approx(whole + part / 100)


def test_only_a_statement_counts_and_only_in_its_range() -> None:
    assert parse_number("There are 3 lesions.") is None
    assert parse_number("3 lesions.") == 3
    assert parse_number('{"final_answer": 3}') == 3
    assert parse_number("Final Answer: 3\nThis final answer is 1 of 2 opinions.") == 3
    assert parse_number("Final Answer: 3\nFinal Answer: several") is None
    assert [parse_number(f"Final Answer: {n} cm", "mm", low=10, high=30) for n in (0.9, 1, 3, 3.1)] == [
        None,
        10,
        30,
        None,
    ]


def test_a_range_that_holds_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="No number lies between 5 and 3"):
        parse_number("Final Answer: 4", low=5, high=3)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("Millimetres", "mm"),
        ("meters", "m"),
        ("cm³", "cm3"),
        ("ML", "ml"),
        ("percent", "%"),
        ("years", "year"),
        ("Count", "count"),
    ],
)
def test_a_unit_has_one_short_name(unit: str, name: str) -> None:
    assert unit_name(unit) == unit_name(name) == name


@pytest.mark.parametrize("unit", ["", "milimeter", "mg/dl", "lesions", "mm 2"])
def test_a_unit_that_is_not_known_is_refused(unit: str) -> None:
    with pytest.raises(
        InputError, match=r"is not known. Known units are count, mm, cm, .*count asks for a number without a unit"
    ):
        unit_name(unit)


@pytest.mark.parametrize("unit", ["mm", "%", "count"])
def test_the_words_of_the_question_are_no_answer_and_its_form_is_one(unit: str) -> None:
    asked = number_question("How large is it?", unit)
    assert asked.startswith("How large is it? ") and parse_number(asked, unit) is None
    form = asked[asked.index("Final Answer") :].rstrip('".')
    assert parse_number(form.replace("X", "12"), unit) == 12


@pytest.mark.parametrize(
    "said",
    [
        *("one hundred", "3 thousand", "2 dozen", "one third", "three-quarters", "3 plus", "3..5", "3 ... 5"),
        *("3; 4", "3\n4", "3. 4", "3 (4)", "four (3)", "3 (or 4)", "3 (maybe 4)", "3 max"),
    ],
)
def test_a_number_that_another_one_contradicts_or_changes_is_none(said: str) -> None:
    assert parse_number(f"Final Answer: {said}") is None


@pytest.mark.parametrize(
    ("said", "unit", "value"),
    [
        *(("three (3)", None, 3), ("3 (slice 12)", None, 3), ("3 (2 solid, 1 subsolid)", None, 3)),
        *(("1.2 cm (about 0.5 inch)", "mm", 12), ("3 cm (20 mm)", "mm", None), ("12 mm; 15 mm", "mm", None)),
        *(("3.\n\n1. First, the liver.", None, 3), ("12 mm\n95 %", "mm", 12), ("+5 HU", "hu", 5)),
        *((".5 cm", "mm", 5), ("500 mcg", "mg", 0.5), ("36 hrs", "h", 36), ("2 wks", "day", 14)),
        *(("5 km", "m", 5000), ("5 nanometres", "nm", 5), ("5 decimeters", "cm", 50), ("45 deg", "°", 45)),
        ("12 \\text{ cm}^{2}", "cm2", 12.0),
        ("12 cm<sup>2</sup>", "cm2", 12.0),
        ("30 per cent", "%", 30.0),
        ("-50 HU", "HU", -50.0),
        ("- 50 HU", "HU", None),
        ("$- 50$ HU", "HU", None),
        ("\n- 3 mm", "mm", 3.0),
        ('0.47"', "mm", None),
        ("12 (pixels)", "mm", None),
        ("three, four", None, None),
        ("One cannot tell", None, None),
        ("One would say so", None, None),
        ("one cancer", None, 1.0),
        ("one mass", None, 1.0),
        ("3 in the left lung; 2 in the right lung", None, None),
        ("12 mm on the left; 3 mm on the right", "mm", None),
        ("12 mm; 3 slices show it", "mm", 12.0),
        ("\n1. Nodule in the right lung\n2. Nodule in the left lung", None, None),
        ("\n- 5 mm (right)\n- 7 mm (left)", "mm", None),
        ("2 nodules in the right lung\n3 nodules in the left lung", None, None),
        ("5 mm to the left", "mm", 5.0),
        ("approximately 30% of the lung", "%", 30.0),
        ("–45 HU", "HU", -45.0),
        ("minus 45 HU", "HU", -45.0),
    ],
)
def test_what_is_said_besides_a_number_counts_where_it_is_a_number_in_that_unit(
    said: str, unit: str | None, value: float | None
) -> None:
    assert parse_number(f"Final Answer: {said}", unit) == (None if value is None else pytest.approx(value))


def test_a_unit_beside_the_number_in_json_is_its_unit() -> None:
    assert parse_number('{"final_answer": 1.2, "unit": "cm"}', "mm") == pytest.approx(12)
    assert parse_number('{"final_answer": 12, "unit": "pixels"}', "mm") is None
