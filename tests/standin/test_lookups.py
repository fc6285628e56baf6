"""The guide: the tokens by which an option's letter is found, and the attention that the model pays to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from helpers import teaching as ask
from helpers.models import STANDIN_FOLDER, ChatModel
from helpers.prompts import image_messages
from helpers.standin.lessons import Lesson, collate, forward
from helpers.standin.lookups import LEAST, STEPS, Guide

NAMES = ["fundus photograph", "skin photograph", "head CT"]


def lesson_of(question: ask.Question) -> Lesson:
    lesson = Lesson("words", torch.empty(0))
    lesson.add(image_messages([], question.text), question)
    return lesson


def choice(style: str, right: int) -> ask.Question:
    listed = "\n".join(style.format(*pair) for pair in zip("ABC", NAMES, strict=True))
    answer = f"Choice: {NAMES[right]} ({'ABC'[right]}). Final Answer: {'ABC'[right]}"
    return ask.Question(f"A bad picture. Which is it? {listed}", answer, "ABC"[right], options=tuple("ABC"))


@pytest.mark.parametrize("style", ask.OPTION_STYLES)
@pytest.mark.parametrize("right", range(3))
def test_a_lookup_is_an_option_its_letter_and_what_the_answer_says(
    standin: ChatModel, style: str, right: int
) -> None:
    batch = collate([lesson_of(choice(style, right))], standin.model, standin.processor)
    [(row, found)] = batch.lookups
    tokens = standin.processor.tokenizer.convert_ids_to_tokens(batch.ids[row].tolist())
    name, letter = [f"▁{word}" for word in NAMES[right].split()], "ABC"[right]
    assert "".join(tokens[k] for k in found.named).lstrip("▁") == "".join(name).lstrip("▁")
    assert [tokens[k] for k in found.said] == name
    assert tokens[found.letter].strip("▁") == tokens[found.asks + 1] == letter
    assert found.letter < found.named[0] < found.said[0] < found.asks


def test_several_questions_and_rows_keep_their_places(standin: ChatModel) -> None:
    lessons = [lesson_of(choice(ask.OPTION_STYLES[1], k)) for k in range(2)]
    lessons[1].asked.append((image_messages([], "Why?"), "", "It is."))
    lessons[1].asked += lessons[0].asked
    batch = collate(lessons, standin.model, standin.processor)
    assert [row for row, _ in batch.lookups] == [0, 1, 1]
    letters = [batch.labels[row, found.asks + 1] for row, found in batch.lookups]
    assert standin.processor.tokenizer.convert_ids_to_tokens(letters) == ["A", "B", "A"]
    assert not collate([lesson_of(ask.text_question(np.random.default_rng(0)))], *parts(standin)).lookups


def parts(chat: ChatModel) -> tuple[object, object]:
    return chat.model, chat.processor


@torch.no_grad()
def test_the_loss_is_of_the_attention_that_the_model_pays(standin: ChatModel) -> None:
    model = AutoModelForImageTextToText.from_pretrained(
        STANDIN_FOLDER, dtype=torch.float32, attn_implementation="eager"
    )
    batch = collate([lesson_of(choice(ask.OPTION_STYLES[0], 1))], model, standin.processor)
    guide = Guide(model)
    usual = model.model.language_model(input_ids=batch.ids, use_cache=False, output_attentions=True).attentions
    [(_, found)] = batch.lookups
    by_hand = 0.0
    for layer, head, looks in STEPS:
        paid = [usual[layer][0, head, place, list(there)].sum() for place, there in looks(found)]
        by_hand -= float(torch.stack(paid).add(LEAST).log().mean())
    assert float(guide.loss(batch)) == pytest.approx(by_hand, rel=1e-3)
    guide.close()
    norms = [
        getattr(layer.self_attn, f"{part}_norm") for layer in model.model.language_model.layers for part in "qk"
    ]
    assert not any(norm._forward_hooks for norm in norms)

    fast = AutoModelForImageTextToText.from_pretrained(STANDIN_FOLDER, dtype=torch.float32)
    guide = Guide(fast)
    forward(fast, batch)  # in another way of attending, as in the training
    assert float(guide.loss(batch)) == pytest.approx(by_hand, rel=1e-3)
