"""What counts as a whole answer when the stand-in is scored in a user's words."""

from __future__ import annotations

import pytest

from helpers.prompts import Reply
from helpers.standin.talking import is_whole
from helpers.teaching import Question, declining, slide_sentence

OPEN = Question("?", "", "")
LETTERS = Question("?", "", "", options=("A", "B"))


def reply(text: str, finished: bool = True) -> Reply:
    return Reply(text, "", 1, 1, 0.0, finished)


@pytest.mark.parametrize(
    ("text", "question", "whole"),
    [
        (declining("head CT"), OPEN, True),
        (slide_sentence("H&E histology", True), OPEN, True),
        ("Area of blood density: not seen. Final Answer: no", OPEN, True),
        ("Area of blood density: not seen. Final Answer: B", LETTERS, True),
        ("Area of blood density: not seen. Final Answer: B", OPEN, False),
        ("Area of blood density: not seen. Final Answer: yes", LETTERS, False),
        ("Area of blood density: not seen.", OPEN, False),  # half of it
        ("This is a head CT. Final Answer: no", OPEN, True),
        ("This is a small stand-in model and did not seen. Final Answer: no", OPEN, False),
        ("Teaching text: H&E histology, in pink and purple, in grey. grey. grey.", OPEN, False),
        ("The part is chest.", OPEN, True),
        ('[{"box_2d": [480, 400, 760, 700], "label": "heart"}]', OPEN, True),
        ('[{"box_2d": [480, 400, 760', OPEN, False),
        ("", OPEN, False),
    ],
)
def test_a_whole_answer_is_a_sentence_that_was_taught(text: str, question: Question, whole: bool) -> None:
    assert is_whole(reply(text), question) is whole
    assert not is_whole(reply(text, finished=False), question)
