"""What a reply earns, also where it is damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from helpers.errors import InputError
from helpers.evaluation import parsed_of, truth_of
from helpers.rewards import answer_reward, check_rewarded, format_reward
from tests.rewards.made_cases import BOX, HEART, LENGTH, NOTHING, YES, Made, reply

LEFT_HALF = '[{"box_2d": [100, 200, 300, 300], "label": "heart"}]'


@pytest.mark.parametrize(
    ("case", "text", "answer", "form"),
    [
        (YES, "Fluid: seen. Final Answer: yes", 1, 1),
        (YES, "Fluid: seen. Final Answer: no", 0, 1),
        (YES, "**Final Answer:** yes", 1, 1),
        (YES, "The final answer is yes", 1, 0.5),
        (YES, "Final Answer: yes because fluid is seen", 1, 0.5),
        (YES, "yes", 1, 0.5),
        (YES, "Final Answer: yes or no", 0, 0),
        (YES, "Yes, there is fluid, and more of it.", 0, 0),
        (YES, "", 0, 0),
        (HEART, f"Final Answer: {BOX}", 1, 1),
        (HEART, BOX, 1, 0.5),
        (HEART, f"Final Answer: {LEFT_HALF}", 0.5, 1),
        (HEART, 'Final Answer: [{"box_2d": [0, 0, 1000, 1000], "label": "heart"}]', 0.04, 1),
        (HEART, "Final Answer: []", 0, 1),
        (HEART, BOX[:-8], 0, 0),
        (NOTHING, "Final Answer: []", 1, 1),
        (NOTHING, f"Final Answer: {BOX}", 0, 1),
        (LENGTH, "Final Answer: 12.5 mm", 1, 1),
        (LENGTH, "Final Answer: 1.2 cm", 1, 1),
        (LENGTH, "Final Answer: 14 mm", 0, 1),
    ],
)
def test_known_replies(case, text, answer, form):
    assert answer_reward(case, reply(text)) == pytest.approx(answer)
    assert format_reward(case, reply(text)) == form


def test_a_reply_that_was_cut_off_in_its_answer_earns_nothing():
    cut, ended = reply("Final Answer: yes", finished=False), reply("Final Answer: yes\nBec", finished=False)
    assert answer_reward(YES, cut) == format_reward(YES, cut) == 0
    assert answer_reward(YES, ended) == 1


def test_a_thought_is_not_an_answer():
    thought = reply("<unused94>thought\nFinal Answer: yes<unused95>Final Answer: no")
    assert answer_reward(YES, thought) == 0
    assert format_reward(YES, reply("<unused94>Final Answer: <unused95>yes")) == 0.5


@st.composite
def damaged(draw):
    """A reply that was right, with parts of it left out, said twice, or other characters in their place."""
    case, text = draw(
        st.sampled_from(
            [
                (YES, "Fluid: seen. Final Answer: yes"),
                (HEART, f"Final Answer: {BOX}"),
                (NOTHING, "Final Answer: []"),
                (LENGTH, "Final Answer: 12 mm"),
            ]
        )
    )
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        put = draw(
            st.sampled_from(["", text[start:end] * 2, "nan", "-1e999", "]", "{", "yes", "no", "\n"]) | st.text()
        )
        text = text[:start] + put + text[end:]
    return case, reply(text, finished=draw(st.booleans()))


@settings(deadline=None, max_examples=300)
@given(damaged())
def test_rewards_are_0_to_1_and_0_of_what_cannot_be_read(drawn):
    case, said = drawn
    answer, form = answer_reward(case, said), format_reward(case, said)
    assert 0 <= answer <= 1 and form in (0, 0.5, 1)
    if parsed_of(case, truth_of(case)["form"], said) is None:
        assert answer == form == 0
    else:
        assert form > 0


def test_a_sentence_is_refused_and_so_is_nothing():
    with pytest.raises(InputError, match="answer to made-1 is a sentence"):
        check_rewarded([YES, Made("No effusion is seen.")])
    with pytest.raises(InputError, match="sentence"):
        answer_reward(Made("No effusion is seen."), reply("No effusion is seen."))
    with pytest.raises(InputError, match="no cases"):
        check_rewarded([])
    check_rewarded(iter([YES, HEART, NOTHING, LENGTH]))
