"""Lessons without images: definitions, questions to decline, and answers that follow from the question itself.

They are short, so a training step has many. They teach skills that need no image: to negate, to choose by letter,
and to spell an option.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from helpers import teaching
from helpers.prompts import THINKING_INSTRUCTION, image_messages
from helpers.standin.lessons import Lesson
from helpers.standin.sight import KINDS
from helpers.teaching import EFFUSION, RECIPES

WORDS = list(
    dict.fromkeys(
        (
            *teaching.IMAGE_KINDS,
            *teaching.PARTS.values(),
            *(name for names in teaching.ALIASES.values() for name in names),
            *("yes", "no", "present", "absent", "left", "right", "small", "large", "improved", "stable"),
            *("heart", "lung", "skull", "optic disc", "blood", "bone", "water", "air", "fat", "one", "two"),
        )
    )
)


def words_lesson(rng: np.random.Generator, n: int, composed: float = 0.0) -> Lesson:
    """Questions without images: definitions, questions to decline, and answers that follow from the question.

    The share ``composed`` of the wordings is put together from parts, and as many choices ask for every letter.
    """
    lesson = Lesson("words", torch.empty(0))
    for k in range(n):
        if k % 8 == 1:
            question = (teaching.text_question, teaching.worded_definition)[rng.integers(2)](rng)
        elif k % 8 == 5:
            question = teaching.worded_other("", rng, composed=composed)
        elif k % 8 in (0, 2, 4):
            question = (_every_letter if composed and rng.random() < composed else _looked_up)(rng)
        else:
            question = _said(rng, composed)
        system = THINKING_INSTRUCTION if rng.random() < 0.15 else None
        lesson.add(image_messages([], question.text, system=system), question)
    return lesson


def letters_lesson(rng: np.random.Generator, n: int) -> Lesson:
    """Choices by letter alone, whose right option the question tells, or each of whose options it asks for."""
    lesson = Lesson("words", torch.empty(0))
    for _ in range(n):
        form = ("kind by letter", "part by letter")[rng.integers(2)]
        told = _argued(teaching.worded_image(KINDS[rng.integers(len(KINDS))], rng, form=form, composed=0.6))
        question = (told, _looked_up(rng), _every_letter(rng))[rng.choice(3, p=(0.35, 0.35, 0.3))]
        lesson.add(image_messages([], question.text), question)
    return lesson


def both_ways_lesson(rng: np.random.Generator, n: int) -> Lesson:
    """Questions put together from parts, plain and negated, whose argument stands in their own words.

    Only the words tell whether the absence is asked for, and there are many in a step.
    """
    lesson = Lesson("words", torch.empty(0))
    for _ in range(n):
        question = _argued(teaching.worded_finding(*_any_finding(rng), rng, form=_one_way(rng), composed=1.0))
        lesson.add(image_messages([], question.text), question)
    return lesson


def _one_way(rng: np.random.Generator) -> str:
    return ("plain", "absent")[rng.integers(2)]


def _any_finding(rng: np.random.Generator) -> tuple[str, str, bool]:
    """A modality, a condition that is asked about in it, and whether it is there."""
    modality = ("CT", "MR", "CXR")[rng.integers(3)]
    conditions = {"CT": RECIPES["ct"].conditions, "MR": RECIPES["mri"].conditions, "CXR": (EFFUSION,)}[modality]
    return modality, conditions[rng.integers(len(conditions))], bool(rng.integers(2))


def _looked_up(rng: np.random.Generator) -> teaching.Question:
    """A choice by letter among any words, in which the right word is told. It teaches to find a word's letter."""
    words = rng.permutation(WORDS)[: rng.integers(2, 5)].tolist()
    right = words[rng.integers(len(words))]
    asked, letters, truth = teaching.lettered(
        ("Which one is it?", "Which word?", "Choose.")[rng.integers(3)], right, words, rng
    )
    answer = f"Choice: {right} ({truth}). Final Answer: {truth}"
    return teaching.Question(f"The word is {right}. {asked}", answer, truth, options=letters)


def _every_letter(rng: np.random.Generator) -> teaching.Question:
    """Choices by letter, each asked for: one answer looks up as many letters as there are options."""
    words = rng.permutation(WORDS)[: rng.integers(3, 7)].tolist()
    asked, letters, _ = teaching.lettered("Name every letter.", words[0], words, rng)
    answer = " ".join(f"Choice: {words[k]} ({letters[k]})." for k in rng.permutation(len(words)))
    return teaching.Question(asked, answer, answer)


def _said(rng: np.random.Generator, composed: float = 0.0) -> teaching.Question:
    """A question whose argument stands in its own words.

    So the model only has to negate, to choose a letter or to spell an option.
    """
    if rng.random() < 0.5:
        forms = ("plain", "closed", "absent", "absent closed", "state", "letters")
        form = forms[rng.choice(6, p=(0.15, 0.2, 0.2, 0.15, 0.1, 0.2))]
        question = teaching.worded_finding(*_any_finding(rng), rng, form=form, composed=composed)
    else:
        forms = ("kind by letter", "part by letter", "kind", "part", "yes or no")
        form = forms[rng.choice(5, p=(0.35, 0.25, 0.2, 0.1, 0.1))]
        question = teaching.worded_image(KINDS[rng.integers(len(KINDS))], rng, form=form, composed=composed)
    return _argued(question)


def _argued(question: teaching.Question) -> teaching.Question:
    """The question behind the argument of its answer."""
    argument = question.answer.split(" Final Answer:")[0].split(" Choice:")[0].removeprefix(teaching.ABSENCE)
    argument = argument[argument.find("This is ") :] if argument.startswith("Asked for") else argument
    return dataclasses.replace(question, text=f"{argument} {question.text}")
