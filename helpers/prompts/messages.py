"""Turn images and words into chat messages, in the order that MedGemma 1.5 was trained on and within its budget.

Messages are plain data: a list of turns ``{"role", "content"}`` whose content is a list of ``{"type": "text"}``
and ``{"type": "image"}`` parts with PIL images. The same list goes to a local model, to an endpoint and into a
fine-tuning set. Limits are in `helpers.prompts.limits`, the words in `helpers.prompts.templates`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from helpers.errors import InputError
from helpers.prompts.limits import CONTEXT_BUDGET, IMAGE_TOKENS, MAX_PATCHES, MAX_SLICES
from helpers.prompts.squares import one_by_one, pad_to_square
from helpers.prompts.templates import (
    CHOICE_QUESTION,
    SLIDE_INSTRUCTION,
    SLIDES_INSTRUCTION,
    VOLUME_INSTRUCTION,
    VOLUMES_INSTRUCTION,
    YES_NO_QUESTION,
)

Message = dict[str, Any]
_LABEL = re.compile(r"SLICE \d+( \(.+\))?", re.DOTALL)


def image_messages(
    images: Iterable[Image.Image | np.ndarray], question: str | None, *, system: str | None = None
) -> list[Message]:
    """One user turn: the images, then the question. Without images, the turn holds only the question.

    ``question`` None leaves the turn open for `with_question`. ``system`` adds a system turn; MedGemma knows one,
    `helpers.prompts.THINKING_INSTRUCTION`, for text questions.
    """
    content = [_image(image) for image in one_by_one(images)]
    turns = [{"role": "system", "content": [_text(system, "system text")]}] if system else []
    messages = [*turns, {"role": "user", "content": content}]
    return messages if question is None else with_question(messages, question)


def volume_messages(
    slices: Sequence[Image.Image | np.ndarray] | Mapping[str, Sequence[Image.Image | np.ndarray]],
    question: str | None,
    *,
    instruction: str | None = None,
    limit: int = MAX_SLICES,
) -> list[Message]:
    """One user turn for a volume: instruction, then each slice followed by ``SLICE k`` (from 1), question last.

    The question stays last, as in the official notebook. In Google-Health/medgemma issue 76, a user put the
    question before the slices of a CT and got a chest X-ray template. A maintainer supposed there that the order
    was the cause; we know of no test of this. ``question`` None leaves the turn open for `with_question`.

    Several volumes of one examination (a name, e.g. "T1" or "FLAIR", with its slices;
    `helpers.volumes.share_slices`) follow one another, numbered on, each slice with its volume's name:
    ``SLICE 44 (FLAIR)``. The report lets them share the limit; that layout is ours.

    Raises `InputError` for no slices, a volume without any, or more than ``limit`` in all.
    """
    volumes = slices if isinstance(slices, Mapping) else {"": slices}
    for each in volumes.values():
        _check_count(len(one_by_one(each)), limit, "slice", "Choose them with select_slices(n, limit={limit}).")
    total = sum(map(len, volumes.values()))
    _check_count(total, limit, "slice", "Choose them together: share_slices(volumes, limit={limit}).")
    if instruction is None:
        instruction = VOLUME_INSTRUCTION if len(volumes) == 1 else _volumes_instruction(volumes)
    content = [_text(instruction, "instruction")]
    for name, image in ((name, image) for name, each in volumes.items() for image in each):
        k = len(content) // 2 + 1
        label = f"SLICE {k}" if len(volumes) == 1 else f"SLICE {k} ({_text(name, 'name')['text']})"
        content += [_image(image), _text(label, "label")]
    messages = [{"role": "user", "content": content}]
    return messages if question is None else with_question(messages, question)


def _volumes_instruction(volumes: Mapping[str, Sequence[Any]]) -> str:
    """The instruction for several volumes, with the slices of each."""
    places, last = [], 0
    for name, each in volumes.items():
        first, last = last + 1, last + len(each)
        places.append(f"{name} (SLICE {first} to {last})")
    return VOLUMES_INSTRUCTION.format(count=len(volumes), volumes=", ".join(places))


def with_question(messages: Sequence[Message], question: str) -> list[Message]:
    """The messages, with a question added at the end of their last turn.

    Raises `InputError` if words other than a slice's label end it, because the model would read two questions.
    """
    *before, turn = messages
    *parts, last = turn["content"] or [None]
    asked = _text(question, "question")
    if last is not None and last["type"] == "text":
        if not _LABEL.fullmatch(last["text"]):
            end = " ".join(last["text"][-60:].split())
            raise InputError(
                f'The prompt already ends with words ("{end}"), and a question would follow them.',
                remedy="Leave them out, e.g. volume_messages(slices, None), or write them into the question.",
            )
        # The question goes into the same part as a slice's label, because the chat template trims parts and would
        # join the two.
        asked, last = _text(f"{last['text']}\n\n{question}", "question"), None
    return [*before, {**turn, "content": [*parts, *filter(None, [last]), asked]}]


def closed_question(question: str, options: Sequence[str]) -> str:
    """A question in the report's form, whose answer is one of ``options``: yes and no, or any other options."""
    if set(options) == {"yes", "no"}:
        return YES_NO_QUESTION.format(question=question)
    return CHOICE_QUESTION.format(question=f"{question} Options: {', '.join(options)}.")


def slide_messages(
    patches: Sequence[Image.Image] | Sequence[Sequence[Image.Image]],
    type_procedure: str = "",
    *,
    instruction: str | None = None,
    text_first: bool = True,
    limit: int = MAX_PATCHES,
) -> list[Message]:
    """One user turn for a slide: the instruction with tissue type and procedure, then the patches.

    The sources differ in the order: the official notebook puts the text first, Table 9 of the report the patches.
    Nobody has published which order gives better answers. The default is the notebook's order, because it is
    published as code and the stand-in learned it. ``text_first=False`` takes the report's order.

    A list of patches for each of several slides of one specimen (`helpers.slides.sample_slides`) puts ``SLIDE k``,
    from 1, before the patches of each. That layout and its instruction are ours, because the report has only
    single slides. ``instruction`` replaces the template; ``{type_procedure}`` in it is filled in.

    Raises `InputError` for no patches, a slide without any, or more than ``limit`` in all.
    """
    of_several = len(one_by_one(patches)) and isinstance(patches[0], (list, tuple))
    several = [list(one) for one in patches] if of_several else None
    slides = several or [list(patches)]
    for each in slides:
        _check_count(len(each), limit, "patch", "Sample them with sample_patches(slide, limit={limit}).")
    total = sum(map(len, slides))
    _check_count(total, limit, "patch", "Sample them together: sample_slides(slides, limit={limit}).")
    if instruction is None:
        instruction = SLIDE_INSTRUCTION if len(slides) == 1 else SLIDES_INSTRUCTION
    text = instruction.replace("{type_procedure}", type_procedure).replace("{slides}", str(len(slides))).strip()
    words, content = _text(text, "instruction"), []
    for k, each in enumerate(slides, start=1):
        # The text goes into the same part as the first label, because the chat template trims parts and would join
        # the two.
        label = f"{text}\n\nSLIDE 1" if k == 1 and text_first else f"SLIDE {k}"
        content += [_text(label, "label")] if len(slides) > 1 else [words] if text_first else []
        content += map(_image, each)
    return [{"role": "user", "content": content if text_first else [*content, words]}]


@dataclass(frozen=True)
class TokenCount:
    """Tokens of one prompt: ``image`` soft tokens, ``wrapper`` tokens around images, and ``text``."""

    images: int
    image: int
    wrapper: int
    text: int
    estimated: bool = False  # True for a served model, whose tokenizer is elsewhere

    @property
    def total(self) -> int:
        """All tokens that the model reads."""
        return self.image + self.wrapper + self.text

    @property
    def budgeted(self) -> int:
        """Tokens that a budget counts, as the report does: 256 for an image, and the text."""
        return self.image + self.text

    def __str__(self) -> str:
        """One line for a notebook."""
        each = self.image // self.images if self.images else 0
        about, note = ("about ", " (estimated)") if self.estimated else ("", "")
        images = "1 image" if self.images == 1 else f"{self.images} images"
        return f"{images} x {each} + {about}{self.text} of text = {self.budgeted:,} tokens{note}"


def render_prompt(messages: Sequence[Message], processor: Any) -> str:
    """The prompt as the tokenizer gets it, with one ``<start_of_image>`` for each image."""
    return processor.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)


def prompt_ids(messages: Sequence[Message], processor: Any) -> list[int]:
    """The token ids of a prompt up to the beginning of the answer, with all tokens of each image."""
    return rendered_ids(render_prompt(messages, processor), processor)


def rendered_ids(prompt: str, processor: Any) -> list[int]:
    """The token ids of a rendered prompt, in which one ``<start_of_image>`` becomes all tokens of an image.

    The tokenizer gets one of an image's tokens, which are all the same; the others are added to its ids. In whole,
    85 images are 400,000 characters. A special token is never merged with what stands beside it.
    """
    tokenizer = processor.tokenizer
    whole, token = processor.full_image_sequence, tokenizer.image_token
    many = whole.count(token)
    short = prompt.replace(processor.boi_token, whole.replace(token * many, token))
    ids = tokenizer(short, add_special_tokens=False)["input_ids"]
    begins, image = tokenizer.convert_tokens_to_ids([processor.boi_token, token])
    out: list[int] = []
    for before, each in pairwise([None, *ids]):
        out += [each] * (many if (before, each) == (begins, image) else 1)
    return out


def images_of(messages: Sequence[Message]) -> list[Image.Image]:
    """The images of a prompt, in order."""
    return [part["image"] for turn in messages for part in turn["content"] if part["type"] == "image"]


def with_images(messages: Sequence[Message], images: Iterable[Image.Image]) -> list[Message]:
    """The messages with their images replaced by others, in order. The words stay as they are.

    Surplus images are not used. Raises `InputError` where there are fewer images than places.
    """
    source = iter(images)

    def placed(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] != "image":
            return part
        if (image := next(source, None)) is None:
            raise InputError(
                "The messages have more places for images than there are images.",
                remedy="Give an image for each place.",
            )
        return _image(image)

    return [{**turn, "content": [placed(part) for part in turn["content"]]} for turn in messages]


def count_tokens(messages: Sequence[Message], processor: Any) -> TokenCount:
    """Count the tokens of a prompt with the processor's own tokenizer, without touching a pixel."""
    prompt = render_prompt(messages, processor)
    images = prompt.count(processor.boi_token)
    ids = rendered_ids(prompt, processor)
    image = ids.count(processor.tokenizer.image_token_id)
    per_wrapper = len(rendered_ids(processor.boi_token, processor))
    wrapper = images * per_wrapper - image
    return TokenCount(images=images, image=image, wrapper=wrapper, text=len(ids) - image - wrapper)


def check_budget(
    messages: Sequence[Message], processor: Any, budget: int = CONTEXT_BUDGET, *, window: int | None = None
) -> TokenCount:
    """Count the tokens and raise `InputError` when they are over ``budget``, with the limit that would fit.

    ``window`` is the largest budget that the caller could set. If it would suffice, the remedy says so.
    """
    count = count_tokens(messages, processor)
    over = count.budgeted - budget
    if over > 0:
        each = count.image // count.images if count.images else IMAGE_TOKENS
        fits = max(0, (budget - count.text) // each)
        remedy = f"Use at most {fits} images with this text." if fits else "Shorten the text of the prompt."
        if window and count.total < window:
            raised = min(window, -(-count.budgeted // 1024) * 1024)
            remedy += (
                f" Or raise the budget with load_model(..., context={raised}) or --context {raised}. "
                "Twice the tokens need two to four times the memory and time. MedGemma 1.5 was "
                "trained on volumes and slides in prompts of up to 32K tokens."
            )
        raise InputError(f"The prompt is {over:,} tokens over the budget of {budget:,} ({count}).", remedy=remedy)
    return count


def _check_count(n: int, limit: int, what: str, remedy: str) -> None:
    plural = "patches" if what == "patch" else f"{what}s"
    if n == 0:
        raise InputError(f"There are no {plural}.", remedy=f"Give at least one {what}.")
    if n > limit:
        raise InputError(
            f"{n} {plural} are {n - limit} over the limit of {limit} for one prompt. They would be "
            f"{n * IMAGE_TOKENS:,} image tokens on MedGemma; the default budget of a whole prompt is "
            f"{CONTEXT_BUDGET:,}.",
            remedy=remedy.format(limit=limit),
        )


def _image(image: Image.Image | np.ndarray) -> dict[str, Any]:
    return {"type": "image", "image": pad_to_square(image)}


# If a user's words held one of these tokens, they would break the prompt's structure.
RESERVED = (
    *("<start_of_image>", "<end_of_image>", "<image_soft_token>", "<start_of_turn>", "<end_of_turn>"),
    *("<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<unused"),  # the last is the beginning of numbered tokens
)


def _text(text: str, what: str) -> dict[str, Any]:
    if not text or not text.strip():
        raise InputError(f"The {what} is empty.", remedy="Write a text that tells the model what to do.")
    found = [token for token in RESERVED if token in text]
    if found:
        raise InputError(
            f"The {what} contains {found[0]}, a token that is reserved for the prompt's format.",
            remedy="Take this token out of the text.",
        )
    return {"type": "text", "text": text}
