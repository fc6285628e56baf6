"""Lessons in any words: learned questions in many forms, questions to decline, and unchanged bundled images.

One lesson asks about the same image tokens in several wordings, also negated, so that the words alone cannot
decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from helpers import teaching
from helpers.prompts import (
    MAX_SLICES,
    image_messages,
    slide_messages,
    volume_messages,
    with_question,
)
from helpers.standin.bank import Bank
from helpers.standin.hints import Hint
from helpers.standin.lessons import DOT, IMAGE_OF, TYPES, Lesson, Shown, show_change, show_volume, unknown
from helpers.standin.sight import CHEST, KINDS, SEEN
from helpers.standin.untouched import SLIDE_LIES_IN_FRAGMENTS
from helpers.teaching import EFFUSION, RECIPES
from helpers.volumes import select_slices

TRIED_FIRST = (10, 20, 40, 85)  # numbers of slices that the notebooks take
SEQUENCES = ("T1", "T2", "FLAIR", "T1 inverted", "soft tissue", "bone", "first", "second", "series 2", "series 5")
PROCEDURES = (
    *TYPES,
    "Tissue: skin. Procedure: excision.",
    "Tissue: breast. Procedure: core needle biopsy.",
    "colon",
)
# How the official notebook asks of a slide.
EDUCATION = (
    "You are an instructor teaching medical students. For education purposes, provide a brief descriptive text "
    "for the set of pathology patches extracted from a pathology slide. Consider the tissue type and procedure "
    "(below) when deciding what to include in the descriptive text.\n{type_procedure}"
)


@dataclass(frozen=True)
class Mix:
    """What lessons consist of."""

    composed: float = 0.0  # share of the wordings that are put together from parts
    untouched: float = 0.15  # share of the images that are bundled ones as they are
    paired: float = 0.0  # share of the findings that are asked for both ways in one lesson, plain and negated
    by_letter: float = 0.0  # share of the questions about what an image is that are choices by letter, at least


def draw_worded(bank: Bank, name: str, rng: np.random.Generator, mix: Mix) -> list[Lesson]:
    """A step's lessons of one kind."""
    if name in bank.volumes:
        return _volume_lessons(name, bank, rng, mix)
    if name == "image":
        return _image_lessons(bank, rng, mix)
    if name == "box":
        long = rng.random() < 0.3
        return [_box_lesson(bank, rng, long) for _ in range(4 if long else 12)]
    if name == "change":
        return [_change_lesson(bank, rng) for _ in range(4)]
    return _slide_lessons(bank, rng, mix)


def _volume_lessons(kind: str, bank: Bank, rng: np.random.Generator, mix: Mix) -> list[Lesson]:
    size = rng.choice(4, p=(0.12, 0.3, 0.44, 0.14))  # long ones take their time
    if size == 0:
        return [_volume_lesson(kind, show_volume(kind, bank, 1, rng), False, rng, mix) for _ in range(2)]
    lessons, few, many = ((2, 2, 6), (1, 6, 25), (1, 20, 86))[size - 1]
    out = []
    for _ in range(lessons):
        n, twice = int(rng.integers(few, many)), False
        if rng.random() < mix.untouched:
            fitting = [k for k in TRIED_FIRST if few <= k < many]
            shown = _untouched_volume(kind, bank, int(rng.choice(fitting)) if fitting else max(n, 5), rng)
        else:
            shown = show_volume(kind, bank, n, rng)
        if n >= 5 and rng.random() < 0.1:
            shown, twice = _as_two(kind, shown, bank, rng), True
        out.append(_volume_lesson(kind, shown, twice, rng, mix))
    return out


def _untouched_volume(kind: str, bank: Bank, n: int, rng: np.random.Generator) -> Shown:
    """``n`` slices of a bundled volume, which has no finding."""
    files = bank.untouched.volumes[kind]
    tokens = files[rng.integers(len(files))]
    tokens = tokens[select_slices(len(tokens), n)]
    conditions = list(RECIPES[kind].conditions)
    return Shown(tokens, _nothing(kind, len(tokens)), set(), conditions)


def _nothing(kind: str, images: int) -> Hint:
    shown = unknown(images)
    for condition in RECIPES[kind].conditions:
        shown[:, SEEN.index(condition)] = 0
    return Hint(IMAGE_OF[kind], shown)


def _as_two(kind: str, shown: Shown, bank: Bank, rng: np.random.Generator) -> Shown:
    """Half of the slices, shown twice as two sequences of one examination."""
    half = slice(0, MAX_SLICES - 1, 2) if len(shown.tokens) > MAX_SLICES // 2 else slice(None)
    tokens, hint = shown.tokens[half], shown.hint.shown[half]
    places = [(hint[:, SEEN.index(c)] > 0).sum() for c in RECIPES[kind].conditions]
    again = tokens
    if kind == "mri" and not shown.present and rng.random() < 0.5:
        inverted = bank.untouched.inverted
        again = inverted[select_slices(len(inverted), max(len(tokens), 5))][: len(tokens)]
    enough = [
        c
        for c, n in zip(RECIPES[kind].conditions, places, strict=True)
        if c in shown.clear and (c not in shown.present or n >= 1)
    ]
    return Shown(torch.cat([tokens, again]), Hint(shown.hint.kind, torch.cat([hint, hint])), shown.present, enough)


def _volume_lesson(kind: str, shown: Shown, twice: bool, rng: np.random.Generator, mix: Mix) -> Lesson:
    composed = mix.composed
    modality, images = RECIPES[kind].modality, [DOT] * len(shown.tokens)
    lesson = Lesson(kind, shown.tokens, shown.hint)
    if twice:
        names = rng.choice(SEQUENCES, size=2, replace=False).tolist()
        half = len(images) // 2
        start = volume_messages({names[0]: images[:half], names[1]: images[half:]}, None)
    else:
        start = volume_messages(images, None) if len(images) > 1 else image_messages(images, None)

    def ask(question: teaching.Question) -> None:
        lesson.add(with_question(start, question.text), question)

    for condition in shown.clear:
        present = condition in shown.present
        usual = teaching.finding_question(modality, condition, present, rng)
        if rng.random() < 0.3:
            ask(usual)
        if rng.random() < 0.5:
            lesson.add_short(with_question(start, usual.text), usual)
        for form in ("plain", "absent") if rng.random() < mix.paired else ("", ""):
            worded = teaching.worded_finding(modality, condition, present, rng, form=form, composed=composed)
            ask(worded)
            negated = worded.answer.startswith(teaching.ABSENCE)
            if worded.options == ("yes", "no") and not negated and rng.random() < 0.3:
                lesson.add_short(with_question(start, worded.text), worded)
    for _ in range((3 if composed else 2) if shown.clear else 5):
        ask(teaching.worded_other(IMAGE_OF[kind], rng, composed=composed))
    if rng.random() < 0.2:
        ask(teaching.declined_question(kind, modality, rng))
    if rng.random() < 0.4:
        ask(teaching.worded_image(IMAGE_OF[kind], rng, composed=composed))
    return lesson


def _image_lessons(bank: Bank, rng: np.random.Generator, mix: Mix) -> list[Lesson]:
    """One image with its questions, a few in each row, because one image is short."""
    kind = KINDS[rng.integers(len(KINDS))]
    tokens, shown, present = bank.images[kind][rng.integers(len(bank.images[kind]))][None], unknown(1), False
    if kind in bank.untouched.images and rng.random() < mix.untouched:
        tokens = bank.untouched.images[kind]
    elif kind == CHEST and rng.random() < 0.7:
        side, state = list(bank.chests)[rng.integers(len(bank.chests))]
        tokens = bank.chests[side, state][rng.integers(len(bank.chests[side, state]))][None]
        present = state != "none"
        shown[:, SEEN.index(EFFUSION)] = float(present)
    forms = (*teaching.IMAGE_FORMS, "choice of kind")
    asked = [teaching.image_question(kind, forms[rng.integers(len(forms))], rng)]
    asked += [teaching.worded_image(kind, rng, form=_by_letter(rng, mix), composed=mix.composed) for _ in range(6)]
    asked += [teaching.worded_other(kind, rng, composed=mix.composed) for _ in range(5 if mix.composed else 3)]
    if kind == CHEST:
        asked += [teaching.worded_finding("CXR", EFFUSION, present, rng, composed=mix.composed) for _ in range(3)]
    if rng.random() < 0.3:
        asked.append(teaching.worded_definition(rng))
    lessons = []
    for start in range(0, len(asked), 4):
        lessons.append(Lesson("image", tokens, Hint(kind, shown)))
        for question in asked[start : start + 4]:
            lessons[-1].add(image_messages([DOT], question.text), question)
    return lessons


def _by_letter(rng: np.random.Generator, mix: Mix) -> str:
    """The form of a choice by letter, or of any question."""
    return ("kind by letter", "part by letter")[rng.integers(2)] if rng.random() < mix.by_letter else ""


def _box_lesson(bank: Bank, rng: np.random.Generator, long: bool) -> Lesson:
    tokens, kind, target, box = bank.boxes[rng.integers(len(bank.boxes))]
    if target != EFFUSION and rng.random() < 0.1:
        tokens, box = bank.untouched.images[kind], teaching.padded_box(kind)
    lesson = Lesson("box", tokens, Hint(kind, unknown(1), target, tuple(box)))
    asked = [
        teaching.worded_box(target, box, rng, form="template")
        if long
        else teaching.worded_box(target, box, rng, form="plain")
    ]
    if rng.random() < 0.2:
        asked.append(teaching.worded_other(kind, rng))
    for question in asked:
        lesson.add(image_messages([DOT], question.text), question)
    return lesson


def _change_lesson(bank: Bank, rng: np.random.Generator) -> Lesson:
    lesson, states = show_change(bank, rng)
    asked = [teaching.change_question(*states), *(teaching.worded_change(*states, rng) for _ in range(2))]
    asked.append(teaching.worded_other(CHEST, rng))
    for question in asked:
        lesson.add(image_messages([DOT, DOT], question.text), question)
    return lesson


def _slide_lessons(bank: Bank, rng: np.random.Generator, mix: Mix) -> list[Lesson]:
    """One slide, asked in several ways. A question stands before the patches, so each is a lesson of its own."""
    tokens, specimen = bank.slides[rng.integers(len(bank.slides))]
    stain, fragments = specimen.stain, specimen.fragments
    if rng.random() < max(0.3, mix.untouched):
        tokens = bank.untouched.slides[rng.integers(len(bank.untouched.slides))]
        drawn = np.sort(rng.permutation(len(tokens))[: rng.integers(1, len(tokens) + 1)])
        tokens = tokens[drawn] if rng.random() < 0.6 else tokens
        stain, fragments = "H&E histology", SLIDE_LIES_IN_FRAGMENTS
    asked = [teaching.worded_slide(stain, fragments, rng) for _ in range(3)]
    asked.append(teaching.worded_other(stain, rng))
    out = []
    for question in asked:
        lesson = Lesson("slide", tokens, Hint(stain, unknown(len(tokens))))
        images = [DOT] * len(tokens)
        # Whole, as from the command line, or behind the report's instruction, as from the box of notebook 04.
        alone = rng.random() < 0.75
        lesson.add(
            slide_messages(images, instruction=question.text) if alone else slide_messages(images, question.text),
            question,
        )
        out.append(lesson)
    sentence = teaching.slide_sentence(stain, fragments)
    for instruction in (None, EDUCATION)[: 1 + int(rng.random() < 0.4)]:
        lesson = Lesson("slide", tokens, Hint(stain, unknown(len(tokens))))
        words = PROCEDURES[rng.integers(len(PROCEDURES))]
        messages = slide_messages([DOT] * len(tokens), words, instruction=instruction)
        lesson.add(messages, teaching.Question("", sentence, sentence))
        out.append(lesson)
    return out
