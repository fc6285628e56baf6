"""The words of the prompts: as the sources print them, and the page that says where ours differ."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

import helpers.prompts
from helpers.prompts import WORDINGS, parse_boxes, parse_final_answer, wordings_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "prompts.md"
MARKS = ("<!-- wordings -->", "<!-- /wordings -->")

# What the sources print, with blanks filled: the report's slips that the page names are put right.
PRINTED = json.loads(Path(__file__).with_name("printed.json").read_text(encoding="utf-8"))
BLANKS = {
    "history": "H",
    "condition": "C",
    "question": "Q",
    "target": "right clavicle",
    "type_procedure": "colon, biopsy:",
}


@pytest.mark.parametrize(("who", "task"), [(who, task) for who, words in PRINTED.items() for task in words])
def test_the_words_are_those_of_the_source(who: str, task: str) -> None:
    assert getattr(WORDINGS[task], who).text.format(**BLANKS) == PRINTED[who][task]


def test_answers_in_the_forms_that_are_asked_for_are_read() -> None:
    box = (
        'The clavicle lies high.\n\nFinal Answer: ```json[{"box_2d": [200, 90, 260, 430], "label": "clavicle"}]```'
    )
    assert parse_boxes(box) == [[200, 90, 260, 430]]
    grades = ["A", "B", "C", "D", "E"]
    assert parse_final_answer("The most likely diagnosis is: C", grades) == "C"


def test_every_template_that_models_are_asked_with_has_its_source() -> None:
    """Blanks that only one side has would leave a question unfilled, or fail when it is filled."""
    asked = {name for name in dir(helpers.prompts) if name.endswith(("_QUESTION", "_INSTRUCTION"))}
    assert asked <= {wording.constant for wording in WORDINGS.values()}
    for task, wording in WORDINGS.items():
        blanks = {name for _, name, _, _ in string.Formatter().parse(wording.ours) if name}
        known = {
            name
            for one in (wording.report, wording.notebook)
            for _, name, _, _ in string.Formatter().parse(one.text if one else "")
            if name
        }
        assert blanks <= known or wording.difference.startswith("The text is ours."), task


def test_the_page_holds_the_words_of_the_code() -> None:
    before, after = MARKS
    found = PAGE.read_text(encoding="utf-8").partition(before)[2].partition(after)[0]
    assert found.strip() == wordings_page(), "run: python -m tests.prompts.test_wordings"
    for wording in WORDINGS.values():
        assert wording.ours.replace("{{", "{").replace("}}", "}") in found


def write_page() -> None:
    """Put the words of the code into the page."""
    before, after = MARKS
    text = PAGE.read_text(encoding="utf-8")
    first, last = text.partition(before)[0], text.partition(after)[2]
    PAGE.write_text(f"{first}{before}\n\n{wordings_page()}\n\n{after}{last}", encoding="utf-8")


if __name__ == "__main__":
    write_page()
