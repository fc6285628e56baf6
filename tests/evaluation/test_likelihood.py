"""The likelihood of yes: where a reply states its answer, as one pass gives it, and as a server tells it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from helpers.endpoints import Step
from helpers.errors import InputError
from helpers.evaluation import ANSWER_BEGUN, text_before_answer
from helpers.evaluation.likelihood import of_model, of_server, word_tokens
from helpers.models import ChatModel
from helpers.prompts import Message, Reply, volume_messages
from helpers.teaching import HELD_OUT, generate


def reply(text: str, thinking: str = "") -> Reply:
    return Reply(text, thinking, 10, 5, 0.0, finished=True)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("Blood is seen. Final Answer: yes", "Blood is seen. Final Answer:"),
        ('Seen.\n\n**Final Answer:** "Yes".', 'Seen.\n\n**Final Answer:** "'),
        ("Final Answer:\nno", "Final Answer:\n"),
        ("No. Final Answer: no. Wait. Final Answer: yes", "No. Final Answer: no. Wait. Final Answer:"),
        ("Final Answer: yes\n\nThis final answer is no substitute for a radiologist.", "Final Answer:"),
        ("The final answer is no.", "The final answer is"),
        ("Final Answer: perhaps", "Final Answer:"),
        ("I cannot tell, yes or no.", None),
        ("", None),
    ],
)
def test_a_reply_is_taken_up_to_the_words_of_its_answer(text: str, before: str | None) -> None:
    assert text_before_answer(text) == before


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(["yes", "no"]))
def test_whatever_was_argued_stays_before_the_answer(argument: str, said: str) -> None:
    assert text_before_answer(f"{argument}\nFinal Answer: {said}") == f"{argument}\nFinal Answer:"


def words_of(tokens: dict[str, list[int]]) -> Any:
    class Tokenizer:
        unk_token_id = 3
        name_or_path = "made-up"

        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": tokens.get(text, [3])}

    return Tokenizer()


def test_a_form_counts_where_yes_and_no_are_one_token_each() -> None:
    cut = {" yes": [10], " no": [11], "Yes": [12], "No": [13], "yes": [14, 15], "no": [16], " YES": [17]}
    assert word_tokens(words_of(cut)) == ([10, 12], [11, 13])
    with pytest.raises(InputError, match="no token for yes and no"):
        word_tokens(words_of({"yes": [1, 2]}))


def test_likelihoods_are_those_of_one_pass_over_prompt_and_reply(standin: ChatModel) -> None:
    case = next(case for case in generate("ct", 4, HELD_OUT + 40) if not case.is_declined)
    prompt = volume_messages(case.images[:6], "Is there blood?")
    replies = [reply("Blood: seen. Final Answer: yes", thinking="Let me see."), reply("I see nothing.")]
    replies += [reply("Final Answer: no")]
    with standin.session(prompt) as session:
        found = of_model(standin, session, [prompt] * 3, replies)
    begun = "<unused94>thought\nLet me see.<unused95>Blood: seen. Final Answer:"
    for name, text in (("", begun), ("_direct", ANSWER_BEGUN)):
        share, mass = by_one_pass(standin, prompt, text)
        assert found[0][f"p_yes{name}"] == pytest.approx(share, abs=1e-5)
        assert found[0][f"yes_no_mass{name}"] == pytest.approx(mass, abs=1e-5)
    assert found[1]["p_yes"] is None and found[1]["yes_no_mass"] is None
    assert found[1]["p_yes_direct"] == pytest.approx(found[0]["p_yes_direct"], abs=1e-6)
    assert found[2]["p_yes"] == found[2]["p_yes_direct"]  # nothing stands before its answer


def by_one_pass(chat: ChatModel, messages: list[Message], begun: str) -> tuple[float, float]:
    tokenizer = chat.processor.tokenizer
    inputs = chat.inputs(messages)
    words = tokenizer(begun, add_special_tokens=False, return_tensors="pt")["input_ids"]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], words], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["token_type_ids"] = torch.cat([inputs["token_type_ids"], torch.zeros_like(words)], dim=1)
    with torch.inference_mode():
        shares = torch.softmax(chat.model(**inputs).logits[0, -1].double(), dim=-1).numpy()
    yes, no = (np.sum(shares[tokenizer(f" {w}", add_special_tokens=False)["input_ids"]]) for w in ("yes", "no"))
    return float(yes / (yes + no)), float(yes + no)


def step(spelled: str, **likely: float) -> Step:
    return Step(spelled.encode(), tuple((word.replace("_", " "), p) for word, p in likely.items()))


def test_a_served_reply_is_read_at_its_own_answer() -> None:
    steps = [
        step("Is it yes? ", yes=0.9, no=0.1),
        step("Größe. Final Answer:"),
        step(" yes", _yes=0.6, _no=0.2, Yes=0.1),
    ]
    found = of_server(reply("Is it yes? Größe. Final Answer: yes"), [*steps, step("<end>")])
    assert found["p_yes"] == pytest.approx(0.7 / 0.9) and found["yes_no_mass"] == pytest.approx(0.9)
    assert found["p_yes_direct"] is None and found["yes_no_mass_direct"] is None


def test_a_served_reply_in_which_a_word_is_not_told_has_a_mass_and_no_share() -> None:
    steps = [step("Final Answer:"), step(" "), step("yes", yes=0.6, maybe=0.3)]
    found = of_server(reply("Final Answer: yes"), steps)
    assert found["p_yes"] is None and found["yes_no_mass"] == pytest.approx(0.6)
    for said, told in (("Final Answer: yes", None), ("Nothing.", steps), ("Other words.", steps)):
        assert set(of_server(reply(said), told).values()) == {None}


@settings(deadline=None)
@given(st.floats(-40, 0), st.floats(-40, 0))
def test_the_share_of_yes_is_its_part_of_both(yes: float, no: float) -> None:
    p, q = math.exp(yes) / 2, math.exp(no) / 2
    found = of_server(reply("Final Answer: no"), [step("Final Answer:"), step(" no", _yes=p, _no=q)])
    assert found["p_yes"] == pytest.approx(p / (p + q), abs=1e-9)
    assert found["yes_no_mass"] == pytest.approx(p + q, abs=1e-9)
