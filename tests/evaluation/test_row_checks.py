"""What is wrong with a row is said before a model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.evaluation import LabelledCase, read_cases

ROW = {"path": "a.png", "modality": "image", "question": "Where is it?", "answer": "yes"}


def read(folder: Path, **cells: Any) -> LabelledCase:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    (folder / "t.jsonl").write_text(json.dumps({**ROW, **cells}), encoding="utf-8")
    (case,) = read_cases(folder / "t.jsonl")
    return case


@pytest.mark.parametrize("box", [[0, 0, 1000, 1000], [0.5, 1, 999.5, 1000], [0.1, 0.2, 0.5, 0.9]])
def test_a_box_within_the_picture_is_a_truth(box: list[float], tmp_path: Path) -> None:
    assert read(tmp_path, answer="[]").truth == "[]"
    for answer in ([{"box_2d": box, "label": "it"}], json.dumps([{"box_2d": box}])):
        assert json.loads(read(tmp_path, answer=answer).truth)[0]["box_2d"] == box


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([100, 100, 1800, 2200], "below 0 or above 1000"),
        ([-1, 0, 10, 10], "below 0 or above 1000"),
        ([800, 700, 100, 200], "y0 < y1 and x0"),
        ([5, 5, 5, 9], "y0 < y1"),
        ([float("nan"), 0, 1, 1], "not a finite number"),
        ([0, 0, float("inf"), 1], "not a finite number"),
        (["0", 0, 1, 1], "not a finite number"),
        ([True, 0, 2, 2], "not a finite number"),
        ([0, 0, 1], "not have four numbers"),
        (None, "not have four numbers"),
    ],
)
def test_any_other_box_is_none(box: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, answer=[{"box_2d": box}])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"answer": [{"box_2d": [0, 0, 9, 9]}] * 2}, "2 boxes, but may hold only one"),
        ({"answer": {"box_2d": [0, 0, 9, 9]}}, "not a list of objects with box_2d"),
        ({"answer": "[1, 2"}, "not JSON"),
        ({"options": "yes|no|no"}, "an option occurs twice"),
        ({"page": 1.5}, "page is '1.5', not a whole number"),
        ({"page": -1}, "the first page is 0"),
        ({"page": "first"}, "page is 'first', not a number"),
        ({"path": "a\0.png"}, "NUL"),
        ({"path": "x" * 300}, "too long"),
        ({"icc": "perhaps"}, "icc is 'perhaps'"),
    ],
)
def test_cells_that_say_nothing_that_is_known(cells: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, **cells)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"modality": "ct", "offset": "nan"}, "answer is empty"),
        ({"modality": "ct", "offset": "inf"}, "offset is 'inf', not a number"),
        ({"modality": "slide", "mpp": "0"}, "mpp is '0', but must be above 0"),
        ({"modality": "slide", "magnification": "40x"}, "cannot have a magnification of 40x"),
    ],
)
def test_numbers_are_finite_and_in_range(cells: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, **cells, answer="")


def test_one_way_to_write_an_accent(tmp_path: Path) -> None:
    case = read(tmp_path, options=["o\u0308dem", "none"], answer="\u00f6dem")
    assert case.options == ("\u00f6dem", "none") and case.truth == "\u00f6dem"
