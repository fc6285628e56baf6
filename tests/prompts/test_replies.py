"""A reply without its thinking trace."""

from __future__ import annotations

import pytest

from helpers.prompts import Reply, parse_boxes, parse_final_answer, parse_number, split_thinking


@pytest.mark.parametrize(
    ("decoded", "answer", "thinking"),
    [
        ("yes", "yes", ""),
        ("<unused94>thought\nIt is dense.<unused95>Final Answer: no", "Final Answer: no", "It is dense."),
        ("<unused94>thought\nFinal Answer: yes", "", "Final Answer: yes"),  # cut off: no answer yet
        ("<unused94>a<unused95> b <unused94>c<unused95>", "b", "a\nc"),
    ],
)
def test_a_trace_is_no_answer(decoded: str, answer: str, thinking: str) -> None:
    assert split_thinking(decoded) == (answer, thinking)


@pytest.mark.parametrize(
    ("text", "whole", "cut"),
    [
        ("It is dense.\nFinal Answer: yes\nThis is no", "yes", "yes"),
        ("Final Answer: yes. It is dense, and", "yes", "yes"),
        ("It is dense. Final Answer: no", "no", None),  # or "not seen"
        ("It is dense. Final Answer: yes.", "yes", None),  # the next word is not known
        ("Final Answer: yes\nI look again.\nFinal Answer: no", "no", None),  # what was begun states another
        ("Final Answer: yes. Final Answer: yes. Final Answer: yes", "yes", "yes"),  # ran away
        ("It is dense, and the", None, None),
        ("", None, None),
    ],
)
def test_of_a_cut_answer_counts_what_was_said_to_the_end(text: str, whole: str | None, cut: str | None) -> None:
    read = [
        Reply(text, "", 1, 1, 0, is_whole).read(lambda t: parse_final_answer(t, ["yes", "no"]))
        for is_whole in (True, False)
    ]
    assert read == [whole, cut]


@pytest.mark.parametrize(
    ("text", "whole", "cut"),
    [
        ("Final Answer: 12 m", 12_000, None),  # or 12 mm
        ("Final Answer: 3.", 3, None),  # or 3.5
        ("Final Answer: 12 mm.\nIt", 12, 12),
        ("Final Answer: 12 mm。它", 12, 12),
    ],
)
def test_a_number_at_the_cut_may_be_a_part_of_one(text: str, whole: float | None, cut: float | None) -> None:
    read = [Reply(text, "", 1, 1, 0, is_whole).read(lambda t: parse_number(t, "mm")) for is_whole in (True, False)]
    assert read == [whole, cut]


def test_boxes_at_the_cut_count_if_their_line_had_ended() -> None:
    list_of_one = '[{"box_2d": [1, 2, 3, 4]}]'
    for text, expected in (
        (f"Final Answer: {list_of_one}\nIt", [[1, 2, 3, 4]]),
        (f"```json\n{list_of_one[:-1]}, {{", None),
        (f"Final Answer: {list_of_one}", None),
    ):
        assert Reply(text, "", 1, 1, 0, False).read(parse_boxes) == expected
