"""Numbers as answers, from a row of a table to its score."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.evaluation import LabelledCase, Quantity, mark, read_answers, read_cases, run_evaluation
from helpers.prompts import Message, Reply

ROW = {"path": "a.png", "modality": "image", "question": "How wide is it?"}


@dataclass
class Says:
    """A model that says one reply after the other."""

    replies: list[str]
    finished: bool = True
    name: str = "says"
    asked: list[str] = field(default_factory=list)

    def generate(self, messages: list[Message], max_new_tokens: int) -> Reply:
        self.asked.append(messages[-1]["content"][-1]["text"])
        return Reply(self.replies[len(self.asked) - 1], "", 10, 5, 0.0, self.finished)


def table(folder: Path, *rows: dict[str, Any]) -> list[LabelledCase]:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    lines = [json.dumps({**ROW, "id": f"row {k}", **row}) for k, row in enumerate(rows)]
    (folder / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return read_cases(folder / "t.jsonl")


def test_a_row_with_a_unit_is_asked_for_a_number_and_scored_by_how_far_off_it_is(tmp_path: Path) -> None:
    cases = table(
        tmp_path,
        {"answer": "1.2 cm", "unit": "Millimetres", "tolerance": 1},
        {"answer": 20, "unit": "mm", "tolerance": "10%", "low": 0, "high": 100},
        {"answer": "3", "unit": "count", "question": 'How many? Say "Final Answer: X".'},
        {"answer": "30", "unit": "mm"},
    )
    assert [case.truth for case in cases] == ["12 mm", "20 mm", "3", "30 mm"]
    assert cases[0].answer == "Final Answer: 12 mm" and cases[2].question.startswith("How many? Say")
    said = ["It is wide. Final Answer: 1.3 cm", "Final Answer: 200 mm", "Final Answer: two", "Final Answer: 33 mm"]
    model = Says(said)
    scores = run_evaluation(model, cases, tmp_path / "out")
    assert model.asked[0].endswith('one number X, in the format "Final Answer: X mm".')
    answers = {a["id"]: a for a in read_answers(tmp_path / "out" / "answers.jsonl")}
    assert [(a["form"], a["truth"], a["parsed"], a["unit"], a["tolerance"]) for a in answers.values()] == [
        ("number", 12, 13, "mm", 1),
        ("number", 20, None, "mm", 2),  # no size that may be
        ("number", 3, 2, "count", 0),
        ("number", 30, 33, "mm", 0),
    ]
    assert [mark(a) for a in answers.values()] == [1, 0, 0, 0]
    found = scores["kinds"]["image"]
    assert found["accuracy of numbers"] == {"mean": 0.25, "n": 4}
    assert found["mean absolute error (mm)"] == {"mean": 2.0, "n": 2, "unparsable": 1}  # 1 and 3
    assert found["mean absolute error (count)"] == {"mean": 1.0, "n": 1, "unparsable": 0}
    assert scores["unparsable"] == 0.25


def test_other_limits_read_the_kept_replies_anew_and_ask_nothing(tmp_path: Path) -> None:
    row = {"answer": "20", "unit": "mm"}
    assert run_evaluation(Says(["Final Answer: 200"]), table(tmp_path, row), tmp_path / "out")["unparsable"] == 0
    quiet = Says([])
    scores = run_evaluation(quiet, table(tmp_path, {**row, "high": 100, "tolerance": 5}), tmp_path / "out")
    assert scores["unparsable"] == 1 and not quiet.asked
    scores = run_evaluation(quiet, table(tmp_path, {**row, "tolerance": "900%"}), tmp_path / "out")
    assert scores["kinds"]["image"]["accuracy of numbers"]["mean"] == 1 and not quiet.asked
    (answer,) = read_answers(tmp_path / "out" / "answers.jsonl")
    assert (answer["parsed"], answer["tolerance"], "high" in answer) == (200, 180, False)


def test_a_number_that_was_cut_off_is_none(tmp_path: Path) -> None:
    """12 m may have become 12 mm."""
    cases = table(tmp_path, {"answer": "12 mm", "unit": "mm"})
    scores = run_evaluation(Says(["It is wide. Final Answer: 12 m"], finished=False), cases, tmp_path / "out")
    assert (scores["unparsable"], scores["cut"], scores["cut ids"]) == (1, 1, ["row 0"])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"answer": "12 mm", "unit": "furlong"}, "unit 'furlong' is not known. Known units are count, mm,"),
        ({"answer": "12 kg", "unit": "mm"}, "'12 kg' is not a number in mm"),
        ({"answer": "3 to 5", "unit": "count"}, "'3 to 5' is not a number in count"),
        ({"answer": "1,234", "unit": "mm"}, "'1,234' is not a number in mm"),  # in Europe 1.234
        ({"answer": "1e3", "unit": "mm"}, "'1e3' is not a number in mm"),
        ({"answer": "three", "unit": "count"}, "'three' is not a number in count"),
        ({"answer": "yes", "unit": "count"}, "'yes' is not a number in count"),
        ({"answer": "12", "unit": "mm", "high": 10}, "'12' does not lie between low and high"),
        ({"answer": "12", "unit": "mm", "low": 20, "high": 10}, "low, '20', is above high, '10'"),
        ({"answer": "12", "unit": "mm", "low": "a"}, "low is 'a', not a number"),
        ({"answer": "12", "unit": "mm", "tolerance": "-1"}, "tolerance is '-1', which is below 0"),
        ({"answer": "12", "unit": "mm", "tolerance": "much"}, "tolerance is 'much', not a number"),
        ({"answer": "12", "unit": "mm", "tolerance": "inf"}, "tolerance is 'inf', not a number"),
        ({"answer": "12", "unit": "mm", "options": "12|13"}, "options or a unit, but not both"),
        ({"answer": "12", "tolerance": 1, "high": 20}, "tolerance, high would have no effect"),
        ({"answer": "1"}, "write yes or no, or give the options or a unit"),
    ],
)
def test_what_is_no_number_is_said_with_its_line(cells: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1: ") as caught:
        table(tmp_path, cells)
    assert words in str(caught.value)


def test_a_case_made_by_hand_has_a_quantity(tmp_path: Path) -> None:
    (case,) = table(tmp_path, {"answer": "2 cm", "unit": "mm"})
    by_hand = replace(case, quantity=Quantity("millilitres", tolerance=1), truth="0.5 l")
    run_evaluation(Says(["Final Answer: 499.5 cm³"]), [by_hand], tmp_path / "out")
    (answer,) = read_answers(tmp_path / "out" / "answers.jsonl")
    assert (answer["unit"], answer["truth"], answer["parsed"], mark(answer)) == ("ml", 500, 499.5, 1)
    with pytest.raises(InputError, match="is not a number in mm"):
        run_evaluation(Says([]), [replace(case, truth="wide")], tmp_path / "out")
