"""Exchange images of a prompt for a blank, one by one or in blocks, and measure what the log-odds lose.

Occlusion is a method of Zeiler and Fergus (arXiv:1311.2901), who covered squares of one image. Here whole images
are covered. The method tells what the answer would be without an image, but not what the model "thought". If two
images show the same finding, the answer may stay the same without either of them. So blocks of neighbours can be
exchanged together.
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
    """The log-odds of an answer with the whole prompt, and without each part of its images."""

    parts: list[tuple[int, ...]]  # numbers from 0 of images exchanged together; for regions y0, x0, y1, x1
    plain: float  # log-odds of the first answer against the second
    without: np.ndarray = field(repr=False)  # these log-odds without each part, float64 (parts,)
    answers: tuple[str, str] = YES_NO
    mass: float = 1.0  # likelihood of both answers together, 0 to 1; where it is low, log-odds mean little

    @property
    def drops(self) -> np.ndarray:
        """How much the log-odds lose without each part, (parts,). Above 0, a part speaks for the first answer."""
        return self.plain - self.without

    @property
    def answer(self) -> str:
        """The likelier of the two answers, with the whole prompt."""
        return self.answers[0] if self.plain > 0 else self.answers[1]

    @property
    def support(self) -> np.ndarray:
        """How much each part speaks for the model's answer: `drops`, with the other sign if it is the second."""
        return self.drops if self.plain > 0 else -self.drops

    @property
    def winner(self) -> int:
        """The number of the part that speaks most for the answer. If several are equal, the first of them."""
        return int(self.support.argmax())


def blocks(images: int, width: int, step: int | None = None) -> list[tuple[int, ...]]:
    """Blocks of ``width`` neighbours that cover all images. Each begins ``step`` images after the one before.

    By default, ``step`` is ``width``, so that no image is in two blocks. The last block ends with the last image,
    and may be shorter.
    """
    check_count(images, f"There are no blocks of {images!r} images.", remedy="Give at least one.")
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

    The vision tower encodes every image once, and the blank once. The language model reads only the tokens from
    the first exchanged image on, which is half of the prompt on average. The logits are those of a prompt that has
    the blank in the place of the image.

    Args:
        chat: a model that is loaded here.
        messages: a prompt with images.
        parts: the numbers of the images, from 0, that are exchanged together; by default, each image alone.
        blank: the image that takes their place: "black", the "mean" of all images, or an image of your own.
        answers: the two answers to compare.
        begun: the words that the model is made to say before its answer.

    Raises:
        InputError: the model is not loaded here, a part is no image of the prompt, the blank would change nothing,
            the tokens cannot tell the two answers apart, or memory is too small.
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

    With ``widths`` of 16, 4 and 1, the model reads at most 14 prompts for 85 images, and not 85. Returns one
    `Occlusion` a step. The winner of the last step is the image that was searched for. `occlude` may find another
    one, because it looks into every block. Raises `InputError` as `occlude` does, and if each width is not smaller
    than the one before.
    """
    falls = all(wide > narrow for wide, narrow in pairwise(widths))
    if not widths or not falls:
        raise InputError(
            f"The widths {list(widths)} do not become smaller from one to the next.",
            remedy="Give widths such as 16, 4, 1.",
        )
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
    """The tokens of both answers, the prompt after the model has read it once, and the features of the blank."""
    tokens = answer_tokens(check_here(chat).processor.tokenizer, answers, begun)
    images = images_of(messages)
    chosen = blank_image(images, blank)  # an impossible blank is refused before images are encoded
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
