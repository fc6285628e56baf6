"""What is asked for in a row: the project's own fields, or those of a JSON Schema file."""

from __future__ import annotations

import json

import pytest

from helpers.errors import InputError
from helpers.lab_reports import OWN_SCHEMA, LabRow, lab_question, read_schema
from helpers.prompts import WORDINGS


def write(folder, content):
    path = folder / "schema.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_question_is_the_reports_with_our_fields():
    asked, published = lab_question().splitlines(), WORDINGS["lab report"].report.text.splitlines()
    assert asked[:2] == published[:2]
    head = "Each test object in the list must include: "
    assert published[2].startswith(f"{head}name, result, unit, range")
    assert asked[2].startswith(f"{head}test (name of the test, as printed), value (result as printed")
    own = lab_question(question="Read the table.").splitlines()
    assert own[0] == "Read the table." and "flag (" in own[1]


def test_a_file_gives_fields_of_its_types(tmp_path):
    row = {
        "type": "object",
        "properties": {
            "test": {"type": "string"},
            "result": {"type": ["number", "null"], "description": "without its unit"},
            "specimen": {"type": "string", "enum": ["blood", "urine"]},
        },
        "required": ["test"],
    }
    for content in (row, {"type": "array", "items": row}):
        schema = read_schema(write(tmp_path, content))
        assert list(schema.model_fields) == ["test", "result", "specimen"]
        assert "result (without its unit), specimen (one of 'blood', 'urine')" in lab_question(schema)
        assert schema(test="Na", result=139, specimen="blood").result == 139
    assert read_schema(OWN_SCHEMA) is LabRow
    assert list(read_schema(write(tmp_path, LabRow.model_json_schema())).model_fields) == list(LabRow.model_fields)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "This is not JSON"),
        ([], "must name fields"),
        ({"properties": {}}, "must name fields"),
        ({"properties": {"a": {"type": "object"}}}, "The field 'a' is not possible: it is"),
        ({"properties": {"a": {"type": ["string", "number"]}}}, "The field 'a' is not possible"),
        ({"properties": {"a": {}, "b": {"pattern": "x"}}}, "it has pattern"),
        ({"properties": {"a b": {}}}, "its name is taken, or is not one plain word"),
        ({"properties": {"a": {}, "copy": {}}}, "its name is taken"),
        ({"properties": {"a": {}, "page": {}}}, "The name 'page' is already that of a column"),
        ({"properties": {"a": {"type": "number"}}}, "is not a text, but it has to name the row"),
        ({"properties": {"a": {}, "b": {"enum": [1]}}}, "The options of 'b' are not texts"),
    ],
)
def test_a_schema_that_cannot_be_asked_for_is_refused(tmp_path, content, said):
    with pytest.raises(InputError, match=said):
        read_schema(write(tmp_path, content))


def test_a_name_that_is_nearly_the_own_one():
    with pytest.raises(InputError, match="Did you mean lab-report"):
        read_schema("lab-reprt")
