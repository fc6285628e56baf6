"""Lessons in any words: each kind of them asks about its own images, and its answers are those that were drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from helpers.standin.bank import Bank, TaughtVolume
from helpers.standin.sight import KINDS
from helpers.standin.untouched import Untouched
from helpers.standin.worded import Mix, draw_worded
from helpers.standin.words import words_lesson
from helpers.teaching import RECIPES, STATES, Specimen

TOKENS = (16, 8)  # of one image


@pytest.fixture(scope="module")
def bank() -> Bank:
    """Noise in place of image tokens: only the words are looked at."""

    def noise(n: int) -> torch.Tensor:
        return torch.randn(n, *TOKENS)

    def volume(kind: str) -> TaughtVolume:
        shown = {c: set(range(40, 60)) for c in RECIPES[kind].conditions}
        nothing = {c: set() for c in shown}  # so that one token stands for a slice, whatever is in it
        tokens = {(k, frozenset()): noise(1)[0] for k in range(108)}
        return TaughtVolume(list(range(108)), shown, nothing, tokens)

    untouched = Untouched(
        {kind: [noise(108)] for kind in ("ct", "mri")},
        noise(60),
        {kind: noise(1) for kind in KINDS[:2]},
        [noise(n) for n in (5, 12, 3)],
    )
    boxes = [(noise(1), KINDS[0], "heart", [0.5, 0.4, 0.77, 0.78])]
    chests = {(side, state): noise(2) for side in ("left", "right") for state in STATES}
    slides = [(noise(6), Specimen.draw(np.random.default_rng(k))) for k in range(4)]
    volumes = {kind: [volume(kind)] for kind in ("ct", "mri")}
    return Bank(volumes, {kind: noise(2) for kind in KINDS}, boxes, slides, chests, untouched)


@pytest.mark.parametrize("composed", [0.0, 0.6])
@pytest.mark.parametrize("name", ["ct", "mri", "image", "box", "change", "slide"])
def test_a_lesson_shows_as_many_images_as_it_has_tokens_for(bank: Bank, name: str, composed: float) -> None:
    for seed in range(20):
        for lesson in draw_worded(bank, name, np.random.default_rng(seed), Mix(composed)):
            assert lesson.asked and lesson.tokens.shape[1:] == TOKENS
            assert lesson.hint is None or len(lesson.hint.shown) == len(lesson.tokens)
            for messages, _, answer in lesson.asked:
                parts = messages[-1]["content"]
                assert sum(part["type"] == "image" for part in parts) == len(lesson.tokens)
                assert answer.strip()


def test_lessons_in_words_have_no_images() -> None:
    lesson = words_lesson(np.random.default_rng(0), 8)
    assert len(lesson.asked) == 8 and not len(lesson.tokens)
    assert all(part["type"] == "text" for messages, *_ in lesson.asked for m in messages for part in m["content"])


def test_every_letter_is_looked_up_where_it_stands() -> None:
    lesson = words_lesson(np.random.default_rng(1), 64, composed=1.0)
    asked = [(m[-1]["content"][0]["text"], answer) for m, _, answer in lesson.asked if "every letter" in str(m)]
    assert len(asked) > 10
    for text, answer in asked:
        for word, letter in re.findall(r"Choice: (.+?) \(([A-F])\)\.", answer):
            assert re.search(rf"\b{letter}[).:]+ {re.escape(word)}", text)
