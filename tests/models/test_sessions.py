"""Sessions: token for token what asking each question alone gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image
from transformers import Gemma3ForConditionalGeneration

from helpers.errors import InputError
from helpers.models import ChatModel, Session
from helpers.prompts import image_messages, slide_messages, volume_messages, with_question

QUESTIONS = [
    'Is there "intracranial haemorrhage" in the CT volume?',
    "What is it?",
    "Why? " * 40,  # longer than the others, so that a batch has gaps
    'After looking at the patient history "Fall." is there "oedema or infarct" in the CT volume?',
    "?",
]


@pytest.fixture(scope="module")
def random_chat(standin: ChatModel) -> ChatModel:
    """A random model with the stand-in's processor: its answers go on, and differ from question to question."""
    torch.manual_seed(1)
    config = standin.model.config.__class__.from_dict(standin.model.config.to_dict())
    config.text_config.sliding_window = 64  # far shorter than the prefixes
    model = Gemma3ForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    # Of its own, since a head tied to the embedding would make a random model repeat its input.
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    return ChatModel("random", model, standin.processor, is_standin=True)


def pictures(n: int, seed: int = 0) -> list[Image.Image]:
    """Images of noise."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8)) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 5, 85])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_session_answers_as_generate_does(random_chat: ChatModel, n: int, batch_size: int) -> None:
    open_turn = volume_messages(pictures(n), None)
    alone = [random_chat.generate(with_question(open_turn, q), max_new_tokens=12) for q in QUESTIONS]
    with random_chat.session(open_turn) as session:
        together = session.ask_all(QUESTIONS, batch_size=batch_size, max_new_tokens=12)
        again = session.ask(QUESTIONS[0], max_new_tokens=12)
    for a, b in zip(alone, together, strict=True):
        assert (a.text, a.prompt_tokens, a.completion_tokens, a.finished) == (
            b.text,
            b.prompt_tokens,
            b.completion_tokens,
            b.finished,
        )
    assert again.text == alone[0].text
    assert len({reply.text for reply in alone}) >= len(QUESTIONS) - 1  # else the comparison would show little


@pytest.mark.parametrize("n", [2, 40])
def test_its_logits_are_those_of_one_forward_pass(random_chat: ChatModel, n: int) -> None:
    prompts = [with_question(volume_messages(pictures(n), None), q) for q in QUESTIONS]
    expected = []
    for prompt in prompts:
        with torch.inference_mode():
            expected.append(random_chat.model(**random_chat.inputs(prompt)).logits[0, -1])
    with random_chat.session(prompts[0]) as session:
        got = session.next_token(prompts, "", batch_size=len(prompts))
    torch.testing.assert_close(got, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_slides_and_images_have_sessions_too(random_chat: ChatModel) -> None:
    for prompt in (slide_messages(pictures(3)), image_messages(pictures(2), "What?", system="Be brief.")):
        with random_chat.session(prompt) as session:
            (reply,) = session.generate_all([prompt], max_new_tokens=8)
        assert reply.text == random_chat.generate(prompt, max_new_tokens=8).text


@given(st.integers(1, 4), st.text(alphabet="abc ?", min_size=1).filter(str.strip))
def test_an_open_turn_takes_the_question_that_it_was_left_open_for(n: int, question: str) -> None:
    assert with_question(volume_messages(pictures(n), None), question) == volume_messages(pictures(n), question)
    assert with_question(image_messages(pictures(n), None), question) == image_messages(pictures(n), question)


def test_what_does_not_fit_is_refused(random_chat: ChatModel) -> None:
    open_turn = volume_messages(pictures(6), None)
    with pytest.raises(InputError, match="no image"):
        random_chat.session(image_messages([], "What is a voxel?"))
    with pytest.raises(InputError, match="Use fewer images"):
        random_chat.session(open_turn, cache_limit=1000)
    session = random_chat.session(open_turn)
    tight = Session(random_chat, open_turn, cache_limit=3.5 * session.cache_bytes)
    assert len(tight.ask_all(QUESTIONS, batch_size=2, max_new_tokens=2)) == len(QUESTIONS)
    with pytest.raises(InputError, match="batch_size=2"):
        tight.ask_all(QUESTIONS, batch_size=5)
    with pytest.raises(InputError, match="other images"):
        session.generate_all([volume_messages(pictures(6, seed=1), "Why?")])
    session.close()
    with pytest.raises(InputError, match="closed"):
        session.ask("Why?")
