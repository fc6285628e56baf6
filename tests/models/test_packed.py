"""Questions in one row at the true width of attention: each answered as alone, and none seen by another."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from helpers.models import ChatModel
from helpers.prompts import Message, volume_messages, with_question
from tests.models.conftest import noise

QUESTIONS = ["Is there haemorrhage?", "?", "Where is it? " * 140, "What is shown in the left half of this slice?"]


@functools.cache
def prompts(images: int) -> list[list[Message]]:
    opened = volume_messages(noise(images), None)
    return [with_question(opened, question) for question in QUESTIONS]


# One image is shorter than the window of 1,024 tokens, five are longer; the long question is read in pieces.
@pytest.mark.parametrize("images", [1, 5])
def test_packed_questions_are_answered_as_alone(wide_chat: ChatModel, images: int) -> None:
    asked = prompts(images)
    with torch.inference_mode():
        alone = torch.stack([wide_chat.model(**wide_chat.inputs(one)).logits[0, -1] for one in asked])
    with wide_chat.session(asked[0]) as session:
        logits = session.next_token(asked, "")
        together = [reply.text for reply in session.generate_all(asked, max_new_tokens=8)]
    scale = alone.abs().max()
    torch.testing.assert_close(logits / scale, alone / scale, rtol=0, atol=1e-5)
    assert together[2:] == [wide_chat.generate(one, max_new_tokens=8).text for one in asked[2:]]
    assert len(set(together)) == len(together)


def test_no_question_sees_another(wide_chat: ChatModel) -> None:
    asked, opened = prompts(5), volume_messages(noise(5), None)
    with wide_chat.session(opened) as session:
        before = session.next_token(asked, "")
        changed = [with_question(opened, "Is there infarction?"), *asked[1:]]
        after = session.next_token(changed, "")
        fewer = session.next_token(asked[1:], "")
    assert not torch.equal(before[0], after[0])
    torch.testing.assert_close(after[1:], before[1:], rtol=0, atol=1e-6 * float(before.abs().max()))
    torch.testing.assert_close(fewer, before[1:], rtol=0, atol=1e-5 * float(before.abs().max()))


@contextmanager
def transfers_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of all calls that make Python wait for a tensor's numbers."""
    seen: list[str] = []
    with monkeypatch.context() as patch:
        for name in ("tolist", "item", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "nonzero"):
            real = getattr(torch.Tensor, name)

            def noted(self: torch.Tensor, *a: Any, real: Any = real, name: str = name, **k: Any) -> Any:
                seen.append(name)
                return real(self, *a, **k)

            patch.setattr(torch.Tensor, name, noted)
        yield seen


def test_words_with_which_several_rows_begin_are_read_once(
    wide_chat: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    question, tokens = prompts(1)[3], []
    language_model = wide_chat.model.model.language_model
    forward = language_model.forward
    words = ["Yes, it is", "No"]
    with wide_chat.session(question) as session:
        alone = torch.cat([session.next_token([question], text) for text in words])
        monkeypatch.setattr(
            language_model,
            "forward",
            lambda **given: tokens.append(given["input_ids"].shape[1]) or forward(**given),
        )
        session.next_token([question], "")
        together = session.next_token([question] * 3, [*words, words[0]])
    added = [len(wide_chat.processor.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in words]
    assert tokens == [tokens[0], tokens[0] + sum(added)]
    assert torch.equal(together[0], together[2])
    torch.testing.assert_close(together[:2], alone, rtol=0, atol=1e-5 * float(alone.abs().max()))


def test_a_token_waits_for_the_device_once(wide_chat: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = prompts(1)
    with wide_chat.session(asked[0]) as session:
        with transfers_counted(monkeypatch) as few:
            session.generate_all(asked, max_new_tokens=2)
        with transfers_counted(monkeypatch) as many:
            session.generate_all(asked, max_new_tokens=12)
    assert 0 < len(many) - len(few) <= 10, many


def test_rows_that_have_ended_are_left_out(wide_chat: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, rows = prompts(1), []
    language_model = wide_chat.model.model.language_model
    forward = language_model.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        rows.append(kwargs["input_ids"].shape[1])
        return forward(*args, **kwargs)

    with wide_chat.session(asked[0]) as session:
        firsts = session.next_token(asked, "").argmax(-1).tolist()
        end = min(firsts, key=firsts.count)
        monkeypatch.setattr(wide_chat.model.generation_config, "eos_token_id", [end])
        monkeypatch.setattr(language_model, "forward", watched)
        replies = session.generate_all(asked, max_new_tokens=6)
    assert [reply.completion_tokens == 1 for reply in replies] == [first == end for first in firsts]
    going = [sum(reply.completion_tokens > k for reply in replies) for k in range(1, 6)]
    assert 0 < max(going) < len(asked)
    assert rows[-sum(n > 0 for n in going) :] == [n for n in going if n]
