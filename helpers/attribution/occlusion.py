"""Images of a prompt exchanged for a blank, one by one or in blocks: what the log-odds of the answer lose by it.

Occlusion is after Zeiler and Fergus (arXiv:1311.2901), with whole images in the place of squares. It asks what the
answer would be without an image, which is not what the model "thought": if two images show the same finding, the
answer may stay when either is exchanged, so blocks of neighbours are exchanged together too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from helpers.attribution.answers import YES_NO, AnswerTokens, answer_tokens, check_here
from helpers.attribution.blanks import BLACK, blank_image
from helpers.errors import InputError, check_count
from helpers.evaluation import ANSWER_BEGUN
from helpers.models import ImageExchange
from helpers.prompts import Message, images_of


@dataclass(frozen=True)
class Occlusion:
    """The log-odds of an answer with all that is shown, and without each part of it."""

    parts: list[tuple[int, ...]]  # numbers of the images exchanged together, from 0; of regions y0, x0, y1, x1
    plain: float  # log-odds of the first answer against the second
    without: np.ndarray = field(repr=False)  # the same without each part, float64 (parts,)
    answers: tuple[str, str] = YES_NO
    mass: float = 1.0  # likelihood of both answers together, 0 to 1; where it is low, log-odds mean little

    @property
    def drops(self) -> np.ndarray:
        """What the log-odds of the first answer lose without each part, (parts,): positive speaks for it."""
        return self.plain - self.without

    @property
    def answer(self) -> str:
        """The likelier of the two answers, with all that is shown."""
        return self.answers[0] if self.plain > 0 else self.answers[1]

    @property
    def support(self) -> np.ndarray:
        """How much each part speaks for the answer that the model gives: `drops`, or for the second minus them."""
        return self.drops if self.plain > 0 else -self.drops

    @property
    def winner(self) -> int:
        """The number of the part that speaks most for the answer; of equal ones the first."""
        return int(self.support.argmax())


def blocks(images: int, width: int, step: int | None = None) -> list[tuple[int, ...]]:
    """Blocks of ``width`` neighbours that cover all images, each beginning ``step`` (or ``width``) after the last.

    The last block ends with the last image, and may be shorter.
    """
    check_count(images, f"The number of images is {images!r}.", remedy="Give at least one.")
    check_count(width, f"A block cannot have {width!r} images.", remedy="Use 1 or more.")
    step = width if step is None else step
    check_count(step, f"Blocks cannot be {step!r} images apart.", remedy="Use 1 or more.")
    if step > width:
        raise InputError(
            f"Blocks of {width}, {step} apart, leave images out.", remedy=f"Use a step of {width} or less."
        )
    starts = range(0, max(1, images - width + step), step)
    return [tuple(range(start, min(start + width, images))) for start in starts]


def occlude(
    chat: Any,
    messages: Sequence[Message],
    *,
    parts: Sequence[Sequence[int]] | None = None,
    blank: str | Image.Image = BLACK,
    answers: Sequence[str] = YES_NO,
    begun: str = ANSWER_BEGUN,
) -> Occlusion:
    """Exchange parts of a prompt's images for a blank, and read the log-odds of the answer each time.

    Every image is encoded once, and the blank once. Only the tokens from the first exchanged image on are read
    again, on average half of the prompt; the logits are those of the prompt with the blank in its place.

    Args:
        chat: a model that is loaded here.
        messages: a prompt with images.
        parts: the numbers of the images, from 0, that are exchanged together; by default each alone.
        blank: what they are exchanged for: "black", the "mean" of all images, or an image.
        answers: the two that are compared.
        begun: what the model is taken to have said before its answer.

    Raises:
        InputError: a model that is not loaded here, parts that are no images of the prompt, a blank that would
            change nothing, two answers that cannot be told apart, or no room in memory.
    """
    tokens, exchange, feature = _opened(chat, messages, blank, answers, begun)
    chosen = blocks(len(exchange.features), 1) if parts is None else [tuple(part) for part in parts]
    return _measured(tokens, exchange, feature, chosen, answers)


def coarse_to_fine(
    chat: Any,
    messages: Sequence[Message],
    *,
    widths: Sequence[int] = (16, 4, 1),
    blank: str | Image.Image = BLACK,
    answers: Sequence[str] = YES_NO,
    begun: str = ANSWER_BEGUN,
) -> list[Occlusion]:
    """Occlude blocks of images, then smaller blocks of the one that speaks most for the answer, and so on.

    With ``widths`` of 16, 4 and 1 that takes at most 14 readings for 85 images, in place of 85. Returns all steps;
    the winner of the last is the image that was looked for. It can be another one than that of `occlude`, which
    looks into every block. Raises `InputError` as `occlude` does, and for widths that do not fall.
    """
    falls = all(wide > narrow for wide, narrow in pairwise(widths))
    if not widths or not falls:
        raise InputError(f"The widths {list(widths)} do not fall.", remedy="Give widths such as 16, 4, 1.")
    tokens, exchange, feature = _opened(chat, messages, blank, answers, begun)
    left, found = tuple(range(len(exchange.features))), []
    for width in widths:
        parts = [tuple(left[k] for k in block) for block in blocks(len(left), width)]
        found.append(_measured(tokens, exchange, feature, parts, answers))
        left = found[-1].parts[found[-1].winner]
    return found


def _opened(
    chat: Any, messages: Sequence[Message], blank: str | Image.Image, answers: Sequence[str], begun: str
) -> tuple[AnswerTokens, ImageExchange, Any]:
    """The answers' tokens, the prompt read once, and the tokens of the blank."""
    tokens = answer_tokens(check_here(chat).processor.tokenizer, answers, begun)
    images = images_of(messages)
    chosen = blank_image(images, blank)  # a blank that cannot be is found before images are encoded
    exchange = ImageExchange(chat, messages, tokens.begun)
    return tokens, exchange, exchange.encode([chosen])[0]


def _measured(
    tokens: AnswerTokens,
    exchange: ImageExchange,
    feature: Any,
    parts: list[tuple[int, ...]],
    answers: Sequence[str],
) -> Occlusion:
    if not parts or not all(parts):
        raise InputError("A part without images cannot be exchanged.", remedy="Give each part at least one image.")
    logits = exchange.logits([dict.fromkeys(part, feature) for part in parts])
    return Occlusion(
        parts,
        float(tokens.log_odds(exchange.plain)),
        tokens.log_odds(logits).numpy(),
        (answers[0], answers[1]),
        float(tokens.mass(exchange.plain)),
    )
