"""Packed lessons: many questions share one prefix, and each sees just what it sees when it is asked alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from helpers import teaching as ask
from helpers.models import ChatModel
from helpers.prompts import image_messages, volume_messages, with_question
from helpers.standin.lessons import DOT, Lesson, collate, forward

IMAGES = 3


@pytest.fixture(scope="module")
def lessons(standin: ChatModel) -> list[Lesson]:
    """Two volumes with four questions each, one of them begun, and words alone."""
    config, rng = standin.model.config, np.random.default_rng(0)
    out = []
    for k in range(2):
        generator = torch.Generator().manual_seed(k)
        size = (IMAGES + 20 * k, config.mm_tokens_per_image, config.text_config.hidden_size)
        lesson = Lesson("ct", torch.randn(size, generator=generator))  # the second is longer than the window
        start = volume_messages([DOT] * len(lesson.tokens), None)
        for condition in (ask.HAEMORRHAGE, ask.OEDEMA, ask.MASS):
            question = ask.finding_question("CT", condition, bool(rng.integers(2)), rng)
            lesson.add(with_question(start, question.text), question)
        lesson.add_short(with_question(start, question.text), question)
        out.append(lesson)
    words = Lesson("words", torch.empty(0))
    for text in ("What is a window?", "What is a voxel?"):
        words.add(image_messages([], text), ask.Question(text, ask.DEFINITIONS[text], ""))
    return [*out, words]


@torch.no_grad()
def test_a_packed_question_has_the_logits_that_it_has_alone(standin: ChatModel, lessons: list[Lesson]) -> None:
    packed, wanted, number, _ = forward(standin.model, collate(lessons, standin.model, standin.processor))
    alone = [Lesson(lesson.name, lesson.tokens, None, [one]) for lesson in lessons for one in lesson.asked]
    assert len(number.unique()) == len(alone) == 10
    each = [forward(standin.model, collate([one], standin.model, standin.processor)) for one in alone]
    assert torch.equal(wanted, torch.cat([w for _, w, _, _ in each]))
    torch.testing.assert_close(packed, torch.cat([logits for logits, _, _, _ in each]), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_lesson_is_what_the_model_itself_makes_of_the_prompt(standin: ChatModel, lessons: list[Lesson]) -> None:
    lesson = Lesson("ct", lessons[1].tokens, None, lessons[1].asked[:1])
    batch = collate([lesson], standin.model, standin.processor)
    logits, wanted, _, _ = forward(standin.model, batch)
    images = BaseModelOutputWithPooling(pooler_output=batch.tokens.reshape(len(lesson.tokens), 16, -1))
    usual = standin.model(
        input_ids=batch.ids,
        token_type_ids=(batch.ids == standin.model.config.image_token_id).long(),
        mm_encoder_outputs={"image": images},
        use_cache=False,
    ).logits[:, :-1][batch.labels[:, 1:] != -100]
    torch.testing.assert_close(logits, usual, atol=1e-4, rtol=1e-4)
    assert standin.processor.tokenizer.decode(wanted) == f"{lesson.asked[0][2]}<end_of_turn>\n"
