"""Replies as models write them: what is read, what is told of it, and what is not read."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings, strategies as st

from helpers.lab_reports import FIELDS, LabRow, as_reply, make_report, read_number, read_reply, read_schema

NA = '{"test": "Na", "value": "139", "unit": "mmol/L", "range": "135-145", "flag": ""}'


def rows_of(text, **how):
    return [read.row for read in read_reply(text, **how).rows]


def only(text):
    (read,) = read_reply(text).rows
    return read


def test_a_reply_as_it_was_asked_for_needs_no_mending():
    report = make_report(3)
    read = read_reply(as_reply(report.rows))
    assert read.clean and not read.cut
    assert tuple(one.row for one in read.rows) == report.rows


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(
            dict,
            test=st.text(min_size=1).filter(lambda text: text.strip()),
            **dict.fromkeys(FIELDS[1:], st.text()),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_json_list_of_rows_is_read_as_json_reads_it(rows):
    read = read_reply(json.dumps(rows))
    assert read.parsed and not read.cut
    assert len(read.rows) + len(read.left_out) == len(rows)


@settings(deadline=None)
@given(st.text(alphabet="[]{}\",:'` \nab1.-\\ut", max_size=60))
@example('[{"test": "\\ud800"}]')
@example("[" * 5000)
@example('[{"a":' * 400)
def test_no_text_is_an_error(text):
    read = read_reply(text)
    assert read.parsed or not read.rows


@given(st.integers(1, len(as_reply(make_report(3).rows)) - 1))
def test_of_a_reply_that_is_cut_anywhere_nothing_is_read_that_the_whole_one_does_not_say(length):
    report = make_report(3)
    read = read_reply(as_reply(report.rows)[:length])
    assert read.cut or not read.parsed
    for one, true in zip(read.rows, report.rows, strict=False):
        for field in FIELDS:
            assert getattr(one.row, field) in (getattr(true, field), "" if one.cut else getattr(true, field))
    assert sum(one.cut for one in read.rows) <= 1


def test_a_slip_in_the_signs_of_json_changes_no_row_without_a_word():
    """One sign between the texts is left out, doubled or exchanged, everywhere in a reply."""
    rows = list(make_report(3).rows[:3])
    text = as_reply(rows)
    quotes = [text[:k].count('"') for k in range(len(text))]
    places = [k for k, sign in enumerate(text) if sign in '{}[],:"' and (sign == '"' or quotes[k] % 2 == 0)]
    assert len(places) > 80
    for k in places:
        for put in ("", 2 * text[k], "}", "]", ",", '"'):
            read = read_reply(f"{text[:k]}{put}{text[k + 1 :]}")
            told = [*read.mended, *read.left_out, *(words for one in read.rows for words in one.mended)]
            assert [one.row for one in read.rows] == rows or told or not read.parsed, (k, put)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"Here:\n```json\n[{NA}]\n```\nSee [1] and {{2}}.", None),
        (f"```json\n[{NA},]\n```", "a comma too many"),
        ("[{'test': 'Na', 'value': '139', 'unit': 'mmol/L', 'range': '135-145'}]", "quotes that are not JSON's"),
        ("[{test: 'Na', value: 139, unit: 'mmol/L', range: '135-145'}]", "a key without quotes"),
        (f"[{NA[:-1]}, // fine\n}}]", "a comment was left out"),
        (NA.replace(', "unit"', ' "unit"'), "a comma too few"),
        (f"[{NA[:-1]}]", "the object was not closed"),
        (f'{{"results": [{NA}]}}', "the list was in an object (results)"),
        ('{"Na": {"value": "139", "unit": "mmol/L", "range": "135-145"}}', "its test was the key of the row"),
        (NA.replace('"test"', '"name"').replace('"value"', '"result"'), "result was read as value"),
        (NA.replace('"unit": "mmol/L", ', "").replace("139", "139 mmol/L"), "the unit mmol/L was taken out of"),
        (NA.replace('"unit"', '"Unit"'), "Unit was read as unit"),
        (NA[:-1] + ', "panel": "x"}', "panel is not asked for and was left out"),
        (NA[:-1] + ', "value": "140"}', "value stands twice, and the first was taken: the second is '140'"),
        (NA.replace('"flag": ""', '"flag": NaN'), "NaN was read as nothing"),
        (NA.replace('"flag": ""', '"flag": None'), "None was read as nothing"),
    ],
)
def test_what_is_mended_is_told(text, told):
    read = read_reply(text)
    assert [one.row for one in read.rows] == [
        LabRow(test="Na", value="139", unit="mmol/L", range="135-145", flag="")
    ]
    all_told = [*read.mended, *read.rows[0].mended]
    assert any(words.startswith(told) for words in all_told) if told else read.clean


@pytest.mark.parametrize(
    ("value", "read"),
    [("5,3", "5,3"), ("<0.1", "<0.1"), ("1e-3", "1e-3"), ("-4", "-4"), ("007", "007"), ("true", "true")],
)
def test_a_value_without_quotes_stays_as_it_is_spelled(value, read):
    assert only(f'[{{"test": "Na", "value": {value}, "unit": "x"}}]').row.value == read


def test_unit_and_flag_leave_the_value_only_where_they_do_not_contradict():
    both = only('[{"test": "Na", "value": "< 5 mg/L H"}]')
    assert both.row == LabRow(test="Na", value="< 5", unit="mg/L", flag="H") and len(both.mended) == 2
    assert only('[{"test": "Na", "value": "5 mg/L", "unit": "g/L"}]').row.value == "5 mg/L"
    assert only('[{"test": "Na", "value": "trace amounts"}]').row.unit == ""


@pytest.mark.parametrize(
    "value",
    ["150 000", "5 200 /mm3", "1 : 160", "120 / 80", "0 - 2 /HPF", "3 of 5", "12 Mar 2024", "2.1 L", "5.2¹ mg/L"],
)
def test_what_is_no_unit_stays_behind_its_number(value: str) -> None:
    row = only(json.dumps([{"test": "X", "value": value}])).row
    assert (row.value, row.unit, row.flag) == (value, "", "") and read_number(value) is None


@pytest.mark.parametrize(
    ("cells", "value", "unit", "flag"),
    [
        ({"value": "5.2 x10^9/L"}, "5.2", "x10^9/L", ""),
        ({"value": "60 mL/min/1.73 m²"}, "60", "mL/min/1.73 m²", ""),
        ({"value": "12 % (H)"}, "12", "%", "H"),
        ({"value": "3.1 mm[Hg]"}, "3.1", "mm[Hg]", ""),
        ({"value": "8 /µl"}, "8", "/µl", ""),
        ({"value": "2.1 L", "unit": "g"}, "2.1", "g", "L"),
        ({"value": "2.1 L", "unit": "L"}, "2.1", "L", ""),
        ({"value": "2.1 L", "flag": "L"}, "2.1", "", "L"),
        ({"value": "2.1 H", "flag": "L"}, "2.1 H", "", "L"),
        ({"value": "2.1 L L"}, "2.1 L", "", "L"),
    ],
)
def test_unit_and_flag_are_told_apart(cells: dict, value: str, unit: str, flag: str) -> None:
    row = only(json.dumps([{"test": "X", **cells}])).row
    assert (row.value, row.unit, row.flag) == (value, unit, flag)


@pytest.mark.parametrize("rest", ["a" * 60 + "!", "a2" * 40 + " 4", "m/" * 60 + "!", "." * 60, "{a}" * 40 + "["])
def test_a_long_rest_is_read_at_once(rest: str) -> None:
    assert only(json.dumps([{"test": "X", "value": f"5 {rest}"}])).row.value == f"5 {rest}"


def test_rows_are_found_at_any_depth_at_once() -> None:
    wrapped: object = TWO
    for depth in range(40):
        wrapped = {"name": f"level {depth}", "rows": wrapped}
    assert [one.row.test for one in read_reply(json.dumps(wrapped)).rows] == ["Hb", "WBC"]


TWO = [{"test": "Hb", "value": "13"}, {"test": "WBC", "value": "11"}]


@pytest.mark.parametrize(
    "wrapped",
    [
        [{"name": "Blood count", "tests": TWO}],
        {"name": "Ann Other", "results": TWO},
        [{"test": "CBC", "results": TWO}],
        [{"test": "CBC", "results": TWO[:1]}, {"test": "Chemistry", "results": TWO[1:]}],
        {"patient": {"name": "Ann Other"}, "tests": TWO},
        {"name": "Ann Other", "panel": {"name": "CBC", "rows": TWO}},
        {"value": TWO},
    ],
)
def test_a_heading_over_rows_is_no_row(wrapped: object) -> None:
    read = read_reply(json.dumps(wrapped))
    assert [(one.row.test, one.row.value) for one in read.rows] == [("Hb", "13"), ("WBC", "11")]
    assert read.parsed and any(words.startswith("the list was in an object") for words in read.mended)


def test_a_row_above_others_is_kept_with_them() -> None:
    read = read_reply(json.dumps([{"test": "Hb", "value": "13", "details": TWO[1:]}, {"test": "Na"}]))
    assert [(one.row.test, one.row.value) for one in read.rows] == [("Hb", "13"), ("WBC", "11"), ("Na", "")]


def test_the_scalar_in_which_a_text_ends_is_left_out():
    read = read_reply(f'[{NA}, {{"test": "K", "value": 4')
    assert [one.row.value for one in read.rows] == ["139", ""]
    assert [one.cut for one in read.rows] == [False, True] and read.cut
    assert read_reply(f"[{NA}", finished=False).cut
    assert read_reply(f"[{NA}]", finished=False).cut  # more may have been to come


@pytest.mark.parametrize("text", ["", "I cannot read it.", "[1, 2]", '{"patient": "7"}', "[low] is [high]", "{"])
def test_a_reply_without_rows_is_unparsable_and_an_empty_list_is_not(text):
    assert not read_reply(text).parsed
    assert not read_reply('[{"value": "3"}]').parsed
    assert read_reply("None here: []").parsed and not read_reply("None here: []").rows


def test_a_row_that_cannot_be_read_leaves_the_others():
    read = read_reply(f'[{NA}, {{"test" "K"}}, {NA.replace("Na", "Cl")}, {{"value": "3"}}]')
    assert [one.row.test for one in read.rows] == ["Na", "Cl"]
    assert read.mended == ("a row that could not be read was left out",)
    assert read.left_out == ("row 3: it has no test",)
    rest = read_reply(f'[{NA}, {{"test" "K"}}')
    assert [one.row.test for one in rest.rows] == ["Na"] and rest.cut


def test_several_lists_are_joined_only_where_they_share_nothing():
    k = NA.replace("Na", "K")
    assert [row.test for row in rows_of(f"[{NA}]\n[{k}]")] == ["Na", "K"]
    again = read_reply(f"[{NA}] Once more: [{NA}, {k}]")
    assert [one.row.test for one in again.rows] == ["Na", "K"]
    assert again.mended == ("the longest of 2 lists that share rows was taken",)


def test_fields_of_a_schema_of_ones_own_are_typed(tmp_path):
    path = tmp_path / "s.json"
    kinds = {"value": "number", "n": "integer", "ok": "boolean"}
    properties = {"test": {}, **{name: {"type": kind} for name, kind in kinds.items()}}
    path.write_text(json.dumps({"properties": properties | {"kind": {"enum": ["a", "B"]}}}))
    schema = read_schema(path)
    said = [
        {"test": "x", "value": "5,3", "n": "3", "ok": "yes", "kind": "b"},
        {"test": "y", "value": "<3", "n": 3.5, "kind": "c"},
    ]
    first, second = read_reply(json.dumps(said), schema).rows
    assert first.row.model_dump() == {"test": "x", "value": 5.3, "n": 3, "ok": True, "kind": "B"}
    assert "value: the comma of '5,3' was read as decimal" in first.mended
    assert second.row.value is None and second.row.n is None
    assert "value: '<3' is not a number, so it was left out" in second.mended
