"""Boxes: the last that a reply states, put right where that is clear; truths are checked and not put right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from helpers.errors import InputError
from helpers.prompts import parse_boxes, read_truth_boxes

BOX = '[{"box_2d": [1, 2, 30, 40], "label": "heart"}]'
ONE = [[1, 2, 30, 40]]


HEART = '[{"box_2d": [10, 20, 300, 400], "label": "heart"}]'


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (BOX, ONE),
        (
            'Here:\n```json\n[{"box_2d": [1, 2, 3, 4]}, {"box_2d": [5, 6, 7, 8]}]\n```',
            [[1, 2, 3, 4], [5, 6, 7, 8]],
        ),
        ("The box is [y0, x0, y1, x1]. Final Answer: " + BOX, ONE),
        (f"The heart [see image] is large, {{so}} it is.\n```json\n{BOX}\n```", ONE),
        (f'Draft: [{{"box_2d": [5, 5, 9, 9]}}], too small. Final Answer: {BOX}', ONE),
        (f"{BOX}\nAgain: {BOX}", ONE),
        ('{"box_2d": [1, 2, 30, 40], "label": "heart"}', ONE),
        ('{"boxes": [{"box_2d": [1, 2, 30, 40]}]}', ONE),
        ('{"box_2d": [1, 2, 30, 40]},\n{"box_2d": [5, 6, 7, 8]}', [[1, 2, 30, 40], [5, 6, 7, 8]]),
        ('[{"box_2d": [1, 2, 30, 40]},]', ONE),
        ("[{'box_2d': [1, 2, 30, 40], 'label': \"the heart's\"}]", ONE),
        ("[{box_2d: [1, 2, 30, 40]}]", ONE),
        (f'{BOX}\nThe format was [{{"box_2d": [y0, x0, y1, x1], "label": ...}}].', ONE),
        (f"{BOX}\nHad nothing been there I had written [] instead.", ONE),
        ('[{"box_2d": [0.25, 0, 0.5, 1], "label": "heart"}]', [[250, 0, 500, 1000]]),
        ('[{"box_2d": [0.25, -0.01, 0.5, 1.02]}]', [[250, 0, 500, 1000]]),
        ('[{"box_2d": [-10, 2, 1030, 40]}]', [[0, 2, 1000, 40]]),
        ('[{"box_2d": [30, 2, 1, 40]}]', ONE),
        ('[{"box_2d": [30, 40, 1, 2]}]', ONE),
        ("[]", []),
        ("There is none. **Final Answer:** []", []),
        ("```json\n[]\n```", []),
        (f"First I saw {BOX}, which is a rib.\nFinal Answer: []", []),
        ("An empty list [] means that nothing is there.", None),
        ('[{"box_2d": [y0, x0, y1, x1], "label": ...}]', None),
        ('[{"box_2d": [1, 2, 30], "label": "mass"}]', None),
        ('[{"box_2d": [1, 2, 30, "wide"]}]', None),
        ('[{"box_2d": [true, 2, 30, 40]}]', None),
        ('[{"box_2d": [NaN, 2, 30, 40]}]', None),
        ('[{"box_2d": [1, 2, 1e999, 40]}]', None),
        ('[{"box_2d": [1, 2, 3000, 40]}]', None),
        ('[{"box_2d": [5, 5, 5, 5]}]', None),
        ('[{"box_2d": [0.1, 0.1, 0.9, 0.5]}, {"box_2d": [10, 10, 900, 500]}]', None),
        ('[{"box_2d": [1, 2, 30, 40]}, {"box_2d": [1, 2, 30]}]', None),
        ('[{"box": [1, 2, 30, 40]}]', None),
        ('[{"box_2d": [1, 2, 30, 4', None),
        (f'{BOX} No: [{{"box_2d": [1, 2, 3', None),
        ("[1, 2, 3, 4]", None),
        (f"<unused94>{BOX}", None),
        ("[" * 5000 + "]" * 5000, None),
        ("There is none.", None),
        (f"Final Answer: {HEART}\nOther findings: []", [[10, 20, 300, 400]]),
        (f"{HEART}\n\nDevices: []", None),
        (f"The final answer is: {HEART}\n\nAlternatively: {HEART.replace('10', '90')}", [[10, 20, 300, 400]]),
        ("Final Answer: [] (no mass is seen)", []),
        (f"First I thought of {HEART}\nFinal Answer: []", []),
        (f"Final Answer: []\n\nA box would be written {HEART}.", []),
        (
            f'{{"heart": {HEART}, "lung": [{{"box_2d": [50, 60, 70, 80]}}]}}',
            [[10, 20, 300, 400], [50, 60, 70, 80]],
        ),
    ],
)
def test_boxes_are_what_a_reply_ends_on(reply: str, expected: list[list[float]] | None) -> None:
    boxes = parse_boxes(reply)
    assert boxes == (expected if not expected else [pytest.approx(box) for box in expected])


corner = st.floats(0, 1000, width=32)
proper = st.tuples(corner, corner, corner, corner).filter(lambda b: b[0] < b[2] and b[1] < b[3] and max(b) > 1.05)


@given(st.lists(proper, min_size=1, max_size=4), st.sampled_from([json.dumps, repr]))
def test_a_truth_that_is_said_is_read_as_it_is(boxes: list[tuple[float, ...]], write: object) -> None:
    entries = [{"box_2d": list(box), "label": "a [mass]"} for box in boxes]
    assert parse_boxes(f"It is [here]. Final Answer: {write(entries)}") == read_truth_boxes(json.dumps(entries))


def test_truths_are_of_1_or_of_1000_or_none() -> None:
    assert read_truth_boxes(BOX) == ONE
    assert read_truth_boxes('[{"box_2d": [0.25, 0, 0.5, 1]}]') == [[250, 0, 500, 1000]]
    assert read_truth_boxes("[]") == []


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("the heart", "is not JSON"),
        ("[{'box_2d': [1, 2, 30, 40]}]", "is not JSON"),
        ('{"box_2d": [1, 2, 30, 40]}', "not a list of objects"),
        ('[{"box": [1, 2, 30, 40]}]', "not a list of objects"),
        ('[{"box_2d": [1, 2, 30]}]', r"box 1 of 1, \[1.0, 2.0, 30.0\], does not have four numbers"),
        ('[{"box_2d": [1, 2, 30, 40]}, {"box_2d": [30, 2, 1, 40]}]', "box 2 of 2, .* y0 < y1"),
        ('[{"box_2d": [1, 2, 30, 2]}]', "x0 < x1"),
        ('[{"box_2d": [1, 2, 30, 4000]}]', "below 0 or above 1000"),
        ('[{"box_2d": [-1, 2, 30, 40]}]', "below 0 or above 1000"),
        ('[{"box_2d": [NaN, 2, 30, 40]}]', "not a finite number"),
        ('[{"box_2d": ["1", 2, 30, 40]}]', "not a finite number"),
        ('[{"box_2d": [1, 2, 1' + "0" * 400 + ", 40]}]", "not a finite number"),
        ('[{"box_2d": [0.1, 0.1, 0.9, 0.5]}, {"box_2d": [1, 2, 30, 40]}]', "box 1 of 2 run from 0 to 1"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_truth_that_is_no_box_is_refused(cell: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_truth_boxes(cell)


LONG = {
    "breaks": "The scan." + "\n" * 5000 + "see [] x",
    "breaks between": ("\n" * 200 + "[] x ") * 98,
    "bullets": "*\n" * 9000 + "[] x " * 400,
    "lists": "[]" * 9000,
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_reply_without_boxes_is_read_in_time(name: str) -> None:
    assert not parse_boxes(LONG[name])  # quadratic and cubic patterns took minutes here
