"""What one answer is worth: boxes, none of them, and what cannot be parsed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from helpers.evaluation import mark, overlap, score
from tests.evaluation.made_answers import number

BOX = st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(501, 1000)] * 2)


@settings(deadline=None)
@given(BOX, BOX)
def test_overlap_is_a_share_alike_from_both_sides(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert overlap(a, a) == pytest.approx(1)
    assert overlap(a, b) == pytest.approx(overlap(b, a))
    assert 0 <= overlap(a, b) <= 1
    assert overlap(b[:2] + a[:2], a) == pytest.approx(overlap(a, b[:2] + a[:2]))  # also of a box turned inside out


def test_overlap_of_two_known_boxes() -> None:
    assert overlap([0, 0, 10, 10], [0, 5, 10, 15]) == pytest.approx(1 / 3)
    assert mark({"form": "box", "parsed": None, "truth": [0, 0, 1, 1]}) == 0


@pytest.mark.parametrize(
    ("truth", "parsed", "worth"),
    [
        ([], [], 1),
        ([], None, 0),
        ([], [[0.0, 0.0, 9.0, 9.0]], 0),
        ([0.0, 0.0, 10.0, 10.0], [], 0),
        ([0.0, 0.0, 10.0, 10.0], None, 0),
        ([0.0, 0.0, 10.0, 10.0], [[0.0, 0.0, 10.0, 5.0]], 0.5),
    ],
)
def test_no_box_is_an_answer_and_an_unparsable_one_is_none(truth: Any, parsed: Any, worth: float) -> None:
    answer = {"id": "b", "kind": "box", "group": "b", "condition": "", "form": "box", "options": [], "text": ""}
    answer |= {"truth": truth, "parsed": parsed}
    assert mark(answer) == worth
    found = score([answer])
    assert found["kinds"]["box"]["IoU"]["mean"] == worth
    assert found["unparsable"] == (parsed is None)


@pytest.mark.parametrize(
    ("truth", "parsed", "tolerance", "worth"),
    [
        (10, 11, 1, 1),
        (10, 9, 1, 1),
        (10, 11.01, 1, 0),
        (1.2, 1.2000000000000002, 0, 1),
        (3, 4, 0, 0),
        (3, None, 9, 0),
    ],
)
def test_a_number_is_right_within_its_tolerance(
    truth: float, parsed: float | None, tolerance: float, worth: float
) -> None:
    assert mark(number(0, truth, parsed, tolerance=tolerance)) == worth
