"""Lessons for the stand-in's language model: the images of a prompt once, with many questions about them.

The questions of a lesson share the prefix (images and labels) and do not see each other, each at the positions
that it has when it is asked alone: the logits are those of separate prompts, at a fraction of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from helpers import teaching
from helpers.evaluation import ANSWER_BEGUN
from helpers.prompts import (
    Message,
    image_messages,
    render_prompt,
    rendered_ids,
    slide_messages,
    volume_messages,
    with_question,
)
from helpers.standin.bank import Bank
from helpers.standin.hints import Hint
from helpers.standin.lookups import Lookup, find_lookups
from helpers.standin.sight import CHEST, KINDS, SEEN, VOLUMES
from helpers.teaching import EFFUSION, RECIPES, STATES
from helpers.volumes import select_slices

DOT = Image.new("RGB", (1, 1))  # stands in for an image while only the words matter
IMAGE_OF = {kind: name for name, kind in VOLUMES.items()}
TYPES = ("Tissue: not stated. Procedure: not stated.", "Tissue: colon. Procedure: biopsy.", "")


@dataclass
class Lesson:
    """One prompt up to its question, its image tokens, and what is asked: (whole prompt, words begun, answer)."""

    name: str
    tokens: torch.Tensor  # (images, tokens, hidden size)
    hint: Hint | None = None
    asked: list[tuple[list[Message], str, str]] = field(default_factory=list)

    def add(self, messages: list[Message], question: teaching.Question) -> None:
        """Ask a question whose whole answer is to be learned."""
        self.asked.append((messages, "", question.answer))

    def add_short(self, messages: list[Message], question: teaching.Question) -> None:
        """Ask only for the last word, as when the likelihoods of yes and no are compared."""
        self.asked.append((messages, ANSWER_BEGUN, f" {question.truth}"))


def draw_lessons(bank: Bank, name: str, progress: float, rng: np.random.Generator) -> list[Lesson]:
    """The lessons of one kind for a step. ``progress`` goes from 0 to 1, and short volumes come first."""
    if name in bank.volumes:
        # A finding is first learned among few slices: among 85 it is one image token in several hundred.
        if progress < 0.3 or rng.random() < 0.2:
            n, lessons = int(rng.integers(2, 6)), 4
        elif progress < 0.6 or rng.random() < 0.5:
            n, lessons = int(rng.integers(6, 25)), 3
        else:
            n, lessons = int(rng.integers(20, 86)), 1
        return [volume_lesson(name, bank, n, rng) for _ in range(lessons)]
    if name == "image":
        return [image_lesson(bank, rng) for _ in range(5)]
    if name == "box":
        long = rng.random() < 0.2  # the prompt in the words of the notebook is ten times as long as a plain one
        return [box_lesson(bank, rng, long) for _ in range(4 if long else 20)]
    if name == "change":
        return [change_lesson(bank, rng) for _ in range(12)]
    return [slide_lesson(bank, rng) for _ in range(4)]


@dataclass
class Shown:
    """Slices of a volume as a lesson shows them."""

    tokens: torch.Tensor  # (slices, tokens, hidden size)
    hint: Hint
    present: set[str]  # the conditions that the volume shows
    clear: list[str]  # conditions whose place, with or without a finding, enough slices show


def show_volume(kind: str, bank: Bank, n: int, rng: np.random.Generator) -> Shown:
    """Up to ``n`` slices of a volume, two of which (of a single one, that one) show the place of a finding."""
    volumes, recipe = bank.volumes[kind], RECIPES[kind]
    volume = volumes[rng.integers(len(volumes))]
    aim = recipe.conditions[rng.integers(len(recipe.conditions))]
    places = {c: {volume.slices.index(k) for k in touched} for c, touched in volume.touched.items()}
    middle = sorted(places[aim])[len(places[aim]) // 2] if places[aim] else len(volume.slices) // 2
    count, enough = len(volume.slices), min(n, 2)
    for _ in range(10):
        if n == 1:
            chosen = [middle]
            break
        whole = n >= 20 and rng.random() < 0.5  # whole, as in a prompt of a volume
        span = count if whole else int(rng.integers(max(n, 5), (count if n > 24 else min(count, 5 * n)) + 1))
        first = int(rng.integers(max(0, middle - span + 1), min(middle, count - span) + 1))
        chosen = [first + k for k in select_slices(span, n)]
        if len(places[aim] & set(chosen)) >= enough:
            break
    present = {c for c in recipe.conditions if rng.random() < 0.5}
    tokens = volume.image_tokens([volume.slices[k] for k in chosen], present)
    shown = unknown(len(chosen))
    for condition in recipe.conditions:
        shown[:, SEEN.index(condition)] = torch.tensor(
            [condition in present and k in places[condition] for k in chosen]
        )
    clear = [c for c in recipe.conditions if len(places[c] & set(chosen)) >= enough]
    return Shown(tokens, Hint(IMAGE_OF[kind], shown), present, clear)


def volume_lesson(kind: str, bank: Bank, n: int, rng: np.random.Generator) -> Lesson:
    """Up to ``n`` slices, and a question about each condition whose place, empty or not, two of them show."""
    recipe, shown = RECIPES[kind], show_volume(kind, bank, n, rng)
    lesson = Lesson(kind, shown.tokens, shown.hint)
    start = volume_messages([DOT] * len(shown.tokens), None)
    for condition in shown.clear:
        question = teaching.finding_question(recipe.modality, condition, condition in shown.present, rng)
        messages = with_question(start, question.text)
        lesson.add(messages, question)
        if rng.random() < 0.6:
            lesson.add_short(messages, question)
    if rng.random() < 0.3 or not lesson.asked:
        question = teaching.declined_question(kind, recipe.modality, rng)
        lesson.add(with_question(start, question.text), question)
    return lesson


def unknown(images: int) -> torch.Tensor:
    """A hint's ``shown`` for images about which nothing is known: (images, things)."""
    return torch.full((images, len(SEEN)), -1.0)


def image_lesson(bank: Bank, rng: np.random.Generator) -> Lesson:
    """One image and a question of each form."""
    kind = KINDS[rng.integers(len(KINDS))]
    tokens = bank.images[kind][rng.integers(len(bank.images[kind]))][None]
    lesson = Lesson("image", tokens, Hint(kind, unknown(1)))
    for form in (*teaching.IMAGE_FORMS, "choice of kind"):
        question = teaching.image_question(kind, form, rng)
        messages = image_messages([DOT], question.text)
        lesson.add(messages, question)
        if form == "yes or no":
            lesson.add_short(messages, question)
    return lesson


def box_lesson(bank: Bank, rng: np.random.Generator, long: bool) -> Lesson:
    """One image and where something is in it, asked as the notebook does or in plain words."""
    tokens, kind, target, box = bank.boxes[rng.integers(len(bank.boxes))]
    lesson = Lesson("box", tokens, Hint(kind, unknown(1), target, tuple(box)))
    question = teaching.box_question(target, box) if long else teaching.worded_box(target, box, rng, form="plain")
    lesson.add(image_messages([DOT], question.text), question)
    return lesson


def show_change(bank: Bank, rng: np.random.Generator) -> tuple[Lesson, list[str]]:
    """A lesson with two radiographs and no question yet, and the states of the effusion in both."""
    side, states = ("left", "right")[rng.integers(2)], [STATES[k] for k in rng.integers(3, size=2)]
    tokens = torch.stack([bank.chests[side, s][rng.integers(len(bank.chests[side, s]))] for s in states])
    shown = unknown(2)
    shown[:, SEEN.index(EFFUSION)] = torch.tensor([float(state != "none") for state in states])
    return Lesson("change", tokens, Hint(CHEST, shown)), states


def change_lesson(bank: Bank, rng: np.random.Generator) -> Lesson:
    """Two radiographs and how the effusion changed."""
    lesson, states = show_change(bank, rng)
    question = teaching.change_question(*states)
    lesson.add(image_messages([DOT, DOT], question.text), question)
    return lesson


def slide_lesson(bank: Bank, rng: np.random.Generator) -> Lesson:
    """The patches of a slide and its sentence."""
    tokens, specimen = bank.slides[rng.integers(len(bank.slides))]
    sentence = teaching.slide_sentence(specimen.stain, specimen.fragments)
    lesson = Lesson("slide", tokens, Hint(specimen.stain, unknown(len(tokens))))
    messages = slide_messages([DOT] * len(tokens), TYPES[rng.integers(len(TYPES))])
    lesson.add(messages, teaching.Question("", sentence, sentence))
    return lesson


@dataclass
class Batch:
    """Lessons as one padded batch: every tensor (lessons, length), masks (lessons, 1, length, length)."""

    ids: torch.Tensor
    labels: torch.Tensor  # -100 for tokens that are not learned
    question: torch.Tensor  # which question of the lesson a position belongs to; 0: the prefix, -1: padding
    positions: torch.Tensor
    masks: dict[str, torch.Tensor]
    tokens: torch.Tensor  # image tokens of all images, in order
    hints: list[Hint]  # hints of the lessons that have images
    lookups: list[tuple[int, Lookup]]  # of options by letter, each with its row


def collate(lessons: Sequence[Lesson], model: Any, processor: Any) -> Batch:
    """Put lessons into one batch."""
    config, tokenizer = model.config, processor.tokenizer
    rows = [_row(lesson, config, processor, tokenizer) for lesson in lessons]
    longest = max(len(row.ids) for row in rows)
    ids, labels, question, positions = (
        torch.tensor([row[k] + [fill] * (longest - len(row.ids)) for row in rows])
        for k, fill in enumerate((0, -100, -1, 0))
    )
    is_image = ids == config.image_token_id
    # The number of the image to which a token belongs. After any other kind of token, a new image begins.
    begins = is_image & ~torch.nn.functional.pad(is_image, (1, 0))[:, :-1]
    image = torch.where(is_image, begins.cumsum(1), -1)
    order = torch.arange(longest)
    asks, sees = question[:, :, None], question[:, None, :]
    seen = (order[:, None] >= order) & ((sees == asks) | ((sees == 0) & (asks > 0)))
    same_image = (image[:, :, None] == image[:, None, :]) & is_image[:, :, None]
    near = positions[:, :, None] - positions[:, None, :] < config.text_config.sliding_window
    masks = {"full_attention": seen | same_image, "sliding_attention": (seen & near) | same_image}
    tokens = [lesson.tokens.flatten(0, 1) for lesson in lessons if len(lesson.tokens)]
    return Batch(
        ids,
        labels,
        question,
        positions,
        {name: mask[:, None] for name, mask in masks.items()},
        torch.cat(tokens).float() if tokens else torch.empty(0),
        [lesson.hint for lesson in lessons if lesson.hint],
        [(k, found) for k, row in enumerate(rows) for found in row.lookups],
    )


class _Row(NamedTuple):
    """A lesson as one row of a batch, before it is padded."""

    ids: list[int]
    labels: list[int]
    question: list[int]
    positions: list[int]
    lookups: list[Lookup]


def _row(lesson: Lesson, config: Any, processor: Any, tokenizer: Any) -> _Row:
    ids: list[int] = []
    labels: list[int] = []
    question: list[int] = []
    positions: list[int] = []
    lookups: list[Lookup] = []
    prefix = 0
    for number, (messages, begun, answer) in enumerate(lesson.asked, start=1):
        prompt = render_prompt(messages, processor)
        last = max(prompt.rfind(processor.boi_token), 0) if len(lesson.tokens) else 0
        if number == 1 and last:
            ids = rendered_ids(prompt[: last + len(processor.boi_token)], processor)
            ids = ids[: _end_of_images(ids, config)]
            prefix = len(ids)
            labels, question, positions = [-100] * prefix, [0] * prefix, list(range(prefix))
        # Only the text after the images is tokenized again, because the tokens around an image never merge with
        # words.
        given = rendered_ids(prompt[last:], processor)
        given = given[_end_of_images(given, config) :] if last else given
        given += tokenizer(begun, add_special_tokens=False)["input_ids"] if begun else []
        said = tokenizer(f"{answer}<end_of_turn>\n", add_special_tokens=False)["input_ids"]
        lookups += find_lookups(*map(tokenizer.convert_ids_to_tokens, (given, said)), len(ids))
        ids += given + said
        labels += [-100] * len(given) + said
        question += [number] * (len(given) + len(said))
        positions += range(prefix, prefix + len(given) + len(said))
    return _Row(ids, labels, question, positions, lookups)


def _end_of_images(ids: list[int], config: Any) -> int:
    return len(ids) - ids[::-1].index(config.eoi_token_index)


def forward(model: Any, batch: Batch, depths: Sequence[int] = ()) -> tuple[Any, ...]:
    """Logits (n, vocabulary) of the n tokens to learn, those tokens, and a number for the question of each.

    Then, of each of ``depths`` in layers, the hidden states at the ends of all images: (images, width).
    """
    embedded = model.get_input_embeddings()(batch.ids)
    is_image = (batch.ids == model.config.image_token_id)[..., None].expand_as(embedded)
    if len(batch.tokens):
        embedded = embedded.masked_scatter(is_image, batch.tokens)
    out = model.model.language_model(
        inputs_embeds=embedded,
        attention_mask=batch.masks,
        position_ids=batch.positions,
        use_cache=False,
        output_hidden_states=bool(depths),
    )
    ends = batch.ids == model.config.eoi_token_index
    # The prefix's last token never has a label, so the token before a label is of the same question.
    wanted = batch.labels[:, 1:] != -100
    number = torch.arange(len(batch.ids))[:, None] * 1000 + batch.question[:, 1:]
    logits = model.lm_head(out.last_hidden_state[:, :-1][wanted])
    layers = [out.hidden_states[depth][ends] for depth in depths]
    return logits, batch.labels[:, 1:][wanted], number[wanted], layers
