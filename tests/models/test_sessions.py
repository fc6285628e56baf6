"""Sessions: token for token what asking each question alone gives."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from transformers import Gemma3ForConditionalGeneration

from helpers.errors import InputError
from helpers.models import ChatModel, Session, attention, kept_keys, packed, sessions
from helpers.prompts import (
    image_messages,
    images_key,
    images_of,
    prompt_key,
    slide_messages,
    volume_messages,
    with_question,
)

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


def watched(session: Session, monkeypatch: pytest.MonkeyPatch, most: int | None = None) -> list[int]:
    """How many questions each batch that is asked has; with more than ``most``, memory runs out."""
    sizes: list[int] = []
    read = packed.PackedQuestions.read

    def noted(self: packed.PackedQuestions, rows: list[list[int]]) -> torch.Tensor:
        sizes.append(len(rows))
        logits = read(self, rows)
        if most is not None and len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return logits

    monkeypatch.setattr(packed.PackedQuestions, "read", noted)
    return sizes


def test_what_does_not_fit_is_refused(random_chat: ChatModel) -> None:
    open_turn = volume_messages(pictures(6), None)
    with pytest.raises(InputError, match="no image"):
        random_chat.session(image_messages([], "What is a voxel?"))
    with pytest.raises(
        InputError, match=r"random: The keys.*over the limit of 0\.0 MB. Use fewer images, or a higher"
    ):
        random_chat.session(open_turn, cache_limit=1000)
    session = random_chat.session(open_turn)
    with pytest.raises(InputError, match="images of this prompt"):
        session.generate_all([volume_messages(pictures(6, seed=1), "Why?")])
    with pytest.raises(InputError, match="batch_size is 0"):
        session.ask_all(QUESTIONS, batch_size=0)
    with pytest.raises(InputError, match="2 prompts, but 1 beginnings"):
        session.next_token([volume_messages(pictures(6), q) for q in QUESTIONS[:2]], ["Final Answer:"])
    for ask in (session.ask, lambda q, n: random_chat.generate(with_question(open_turn, q), n)):
        with pytest.raises(InputError, match=r"The limit of an answer is -1 tokens.*Use max_new_tokens=1"):
            ask("Why?", -1)
    assert session.ask_all([]) == []
    session.close()
    with random_chat.session(volume_messages(pictures(6), "What is it?")) as asked:
        with pytest.raises(InputError, match=r'already ends with words \("SLICE 6 What is it\?"\)'):
            asked.ask("Why?")
        assert asked.generate_all([volume_messages(pictures(6), "Why?")], max_new_tokens=2)
    with pytest.raises(InputError, match="closed"):
        session.ask("Why?")


def test_as_many_are_asked_together_as_the_limit_has_room_for(random_chat, monkeypatch) -> None:
    open_turn = volume_messages(pictures(6), None)
    with random_chat.session(open_turn) as session:
        expected = [reply.text for reply in session.ask_all(QUESTIONS, max_new_tokens=3)]
        prefix = session.cache_bytes
        lengths = [len(session._question_ids(with_question(open_turn, q))) + 3 for q in QUESTIONS]
    # Each token behind the prefix takes the same in every layer.
    text = random_chat.model.config.text_config
    each = 2 * text.num_key_value_heads * text.head_dim * 4 * text.num_hidden_layers
    room = max(lengths) + min(lengths) + 16  # for the longest and little more
    with random_chat.session(open_turn, cache_limit=prefix + each * room) as tight:
        sizes = watched(tight, monkeypatch)
        assert [reply.text for reply in tight.ask_all(QUESTIONS, batch_size=5, max_new_tokens=3)] == expected
        assert sum(sizes) == len(QUESTIONS) and 1 < len(sizes) < len(QUESTIONS)
        assert tight._kept.nbytes <= prefix + each * room
        with pytest.raises(
            InputError, match=r"Use fewer images, a smaller max_new_tokens, or a higher cache_limit"
        ):
            tight.ask(QUESTIONS[0], max_new_tokens=10 * room)


def test_the_limit_follows_what_is_free(random_chat, monkeypatch) -> None:
    open_turn = volume_messages(pictures(6), None)
    with random_chat.session(open_turn) as session:
        prefix = session.cache_bytes
    for free, refused in ((1.2 * prefix, True), (1.3 * prefix, False)):  # four fifths of it are allowed
        monkeypatch.setattr(sessions, "free_bytes", lambda _, free=free: free)
        if refused:
            with pytest.raises(InputError, match="Use fewer images, or close other programs that use the memory"):
                random_chat.session(open_turn)
        else:
            random_chat.session(open_turn).close()


@pytest.mark.parametrize(("most", "tried"), [(1, [5, 2, 1, 1, 1, 1, 1]), (2, [5, 2, 2, 1])])
def test_fewer_are_asked_together_where_memory_runs_out(random_chat, monkeypatch, most, tried) -> None:
    open_turn = volume_messages(pictures(6), None)
    prompts = [with_question(open_turn, q) for q in QUESTIONS]
    with random_chat.session(open_turn) as session:
        expected = session.ask_all(QUESTIONS, max_new_tokens=4)
        logits = session.next_token(prompts, "Yes")
        full = session._kept.nbytes
        sizes = watched(session, monkeypatch, most)
        replies = session.ask_all(QUESTIONS, max_new_tokens=4)
        assert sizes == tried
        assert session._kept.nbytes < full  # the room of the batch that failed is given back
        torch.testing.assert_close(session.next_token(prompts, "Yes"), logits, rtol=1e-4, atol=1e-4)
        assert [reply.text for reply in replies] == [reply.text for reply in expected]


def test_no_memory_even_for_one_question_or_for_the_images_is_one_error(random_chat, monkeypatch) -> None:
    open_turn = volume_messages(pictures(6), None)
    with random_chat.session(open_turn) as session, monkeypatch.context() as patch:
        sizes = watched(session, patch, most=0)
        with pytest.raises(InputError, match=r"random: cpu does not have enough memory for one question"):
            session.ask_all(QUESTIONS)
        assert sizes == [5, 2, 1]

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(kept_keys.KeptLayer, "update", full)
    with pytest.raises(InputError, match=r"does not have enough memory to read these images. Use fewer images"):
        random_chat.session(open_turn)
    text = random_chat.model.config.get_text_config()
    assert text._attn_implementation == attention.NAMES["sdpa"]  # also after an error


@given(begun=st.lists(st.text(alphabet="Final Aswer: yno", max_size=12), min_size=3, max_size=3))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_prompt_has_its_own_beginning(random_chat: ChatModel, begun: list[str]) -> None:
    prompts = [with_question(volume_messages(pictures(2), None), q) for q in QUESTIONS[:3]]
    with random_chat.session(prompts[0]) as session:
        together = session.next_token(prompts, begun, among=[5, 7, 300])
        alone = [session.next_token([p], [b], among=[5, 7, 300])[0] for p, b in zip(prompts, begun, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-4)


def test_an_adapter_acts_in_sessions_as_in_generate(random_chat: ChatModel) -> None:
    from peft import LoraConfig, get_peft_model

    base = copy.deepcopy(random_chat.model)
    plain = ChatModel("plain", base, random_chat.processor, is_standin=True)
    opened = volume_messages(pictures(3), None)
    before = [plain.generate(with_question(opened, q), max_new_tokens=6).text for q in QUESTIONS]
    torch.manual_seed(3)
    settings_ = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    adapted = replace(plain, model=get_peft_model(base, settings_).eval())
    alone = [adapted.generate(with_question(opened, q), max_new_tokens=6).text for q in QUESTIONS]
    with adapted.session(opened) as session:
        assert [reply.text for reply in session.ask_all(QUESTIONS, max_new_tokens=6)] == alone
    assert alone != before


def test_pictures_that_differ_in_their_palette_alone_are_not_the_same(standin: ChatModel) -> None:
    numbers = Image.fromarray(np.random.default_rng(0).integers(0, 2, (64, 64), np.uint8), "L")
    both = []
    for colours in ((0, 0, 0, 90, 90, 90), (255, 0, 0, 0, 0, 255)):
        picture = numbers.convert("P")
        picture.putdata(list(numbers.getdata()))
        picture.putpalette(colours)
        both.append(
            [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "?"}]}]
        )
    one, other = both
    assert prompt_key(one) != prompt_key(other) and images_key(images_of(one)) != images_key(images_of(other))
    with standin.session(one) as session:
        assert session.fits(one) and not session.fits(other)
