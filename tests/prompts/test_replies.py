"""A reply without its thinking trace."""

from __future__ import annotations

import pytest

from helpers.prompts import split_thinking


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
