"""Replies that ran away."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from helpers.prompts import is_runaway

SENTENCE = "There is no bleed in the left frontal lobe. "


@pytest.mark.parametrize(
    "text",
    [
        "no " * 40,
        "No, no; NO. " * 10,
        "the lesion is " * 12,
        "The scan is read. " + SENTENCE * 6 + "There is no ble",
        "2" + "3" * 250,
        "是" * 50,
        '[{"box_2d": [1, 2, 3, 4]}, ' * 8,
        "It is dense" + "!" * 300,
    ],
)
def test_a_loop_at_the_end_has_run_away(text: str) -> None:
    assert is_runaway(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Final Answer: yes",
        "yes yes yes",
        SENTENCE * 2,
        SENTENCE * 20 + "Final Answer: no",
        "\n".join(f"SLICE {k}: no bleed." for k in range(1, 86)),
        "a | b\n" + "-" * 80,
    ],
)
def test_lists_lines_and_an_answer_in_the_end_have_not(text: str) -> None:
    assert not is_runaway(text)


def test_a_reply_that_was_cut_off_has_run_away() -> None:
    assert is_runaway("There is", finished=False)


@given(st.lists(st.sampled_from(["lesion", "left", "is", "dense"]), min_size=1, max_size=6), st.integers(0, 40))
def test_any_words_again_and_again_are_a_loop_wherever_they_are_cut(words: list[str], cut: int) -> None:
    said = " ".join(words * 40)
    assert is_runaway(f"It began well. {said[: len(said) - cut]}")
