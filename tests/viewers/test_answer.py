"""Answer view and ask box: what a model said is data, asking gives an answer, an error is one line."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image

from helpers.errors import InputError
from helpers.models import load_model
from helpers.prompts import Reply, TokenCount, image_messages
from helpers.viewers import AskBox, answer_view, draw_boxes

EVIL = "<script>alert(1)</script>"


def reply(text: str, thinking: str = "") -> Reply:
    return Reply(text, thinking, 10, 5, 0.1, finished=True)


def test_words_are_escaped_and_thinking_is_folded() -> None:
    image = np.full((20, 30), 90, np.uint8)
    finding = np.zeros((20, 30), bool)
    finding[5:9, 5:9] = True
    answers = {f"model {EVIL}": reply(f"yes {EVIL}", thinking=f"hm {EVIL}"), "other": reply("no")}
    page = answer_view(f"Is it? {EVIL}", answers, image=image, truth=f"yes {EVIL}", finding=finding).data
    assert "<script" not in page and page.count("&lt;script&gt;") == 5
    assert page.index('<details class="answer-thinking"><summary>Thinking, 2 words') > 0
    assert page.count("<section") == 2 and page.count("<img") == page.count("alt=") == 2


def test_boxes_are_drawn_where_the_answer_says() -> None:
    boxes = '[{"box_2d": [250, 500, 750, 1000], "label": "x"}]'
    page = answer_view("Where?", {"m": reply(boxes)}, image=np.zeros((40, 40), np.uint8)).data
    assert page.count("<img") == 2 and "1 box" in page
    drawn = np.asarray(draw_boxes(np.zeros((40, 40), np.uint8), [[250, 500, 750, 1000]], side=100))
    rows, columns = np.nonzero(drawn.any(axis=-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 75, 50, 99)


@dataclass
class Parrot:
    """Says what it was asked; fails when told to."""

    asked: list[str] = field(default_factory=list)

    def count_tokens(self, messages: list) -> TokenCount:
        return TokenCount(1, 16, 4, len(messages[-1]["content"][-1]["text"]))

    def generate(self, messages: list, max_new_tokens: int) -> Reply:
        words = messages[-1]["content"][-1]["text"]
        self.asked.append(words)
        if words == "fail":
            raise RuntimeError("out of\nmemory")
        return reply(words)


def box(chat) -> AskBox:
    image = Image.new("RGB", (30, 20), "white")
    prompts = {
        "white": lambda words: image_messages([image], words),
        "black": lambda words: image_messages([], words),
    }
    return AskBox(chat, prompts, question=f"What? {EVIL}", max_new_tokens=8)


def test_asking_gives_an_answer_and_an_error_is_one_line() -> None:
    chat = Parrot()
    form = box(chat)
    assert form.count.value.startswith("1 image x 16") and form.picture.alt == "white: the image"
    assert not chat.asked and form.reply is None
    form.button.click()
    assert chat.asked == [f"What? {EVIL}"] and form.reply.text == f"What? {EVIL}"
    assert "<script" not in form.answer.value and "5 out" in form.answer.value
    form.question.value = "fail"
    form.button.click()
    assert form.error.value == "Not asked. RuntimeError: out of memory" and not form.button.disabled
    form.question.value = " "
    assert "question is empty" in form.error.value
    form.button.click()
    assert len(chat.asked) == 2
    with pytest.raises(InputError):
        AskBox(chat, {})


def test_the_answer_is_shown_while_it_is_written() -> None:
    seen: list[str] = []
    messages = image_messages([], "What is a Hounsfield unit?")
    chat = load_model("standin")
    whole = chat.generate(messages, max_new_tokens=40, on_text=seen.append)
    assert seen and all(whole.text.startswith(part.rstrip("\ufffd")) for part in seen)
    assert whole.text == chat.generate(messages, max_new_tokens=40).text
    form = box(chat)
    form.button.click()
    assert form.reply is not None and form.reply.completion_tokens <= 8
