"""Paint over each field of a grid on one image, and measure what the log-odds of the answer lose.

The vision tower has to encode the changed image again for each field. But the language model need not read the
words and the images before it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from helpers.attribution.answers import YES_NO, answer_tokens, check_here
from helpers.attribution.blanks import mean_colour
from helpers.attribution.occlusion import Occlusion
from helpers.errors import InputError, check_count
from helpers.evaluation import ANSWER_BEGUN
from helpers.models import ImageExchange
from helpers.prompts import Message, images_of

AT_ONCE = 32  # changed images that are held in memory together


def fields(size: tuple[int, int], rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """The fields of a grid on an image of ``size`` (width, height), row by row, as y0, x0, y1, x1 in pixels."""
    for n, side, what in ((rows, size[1], "rows"), (columns, size[0], "columns")):
        check_count(n, f"A grid cannot have {n!r} {what}.", remedy="Use 1 or more.")
        if n > side:
            raise InputError(f"{n} {what} do not fit on {side} pixels.", remedy=f"Use at most {side}.")
    ys, xs = (
        np.rint(np.linspace(0, side, n + 1)).astype(int).tolist()
        for side, n in zip(size[::-1], (rows, columns), strict=True)
    )
    return [(y0, x0, y1, x1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]


def occlude_regions(
    chat: Any,
    messages: Sequence[Message],
    *,
    image: int = 0,
    rows: int = 8,
    columns: int = 8,
    colour: tuple[int, int, int] | None = None,
    answers: Sequence[str] = YES_NO,
    begun: str = ANSWER_BEGUN,
) -> Occlusion:
    """Paint over each field of a grid on one image of a prompt, and read the log-odds of the answer each time.

    Args:
        chat: a model that is loaded here.
        messages: a prompt with images.
        image: the number of the image, from 0.
        rows: rows of the grid. MedGemma makes 16 x 16 tokens of an image, so more than 16 rows tell little.
        columns: columns of the grid.
        colour: red, green and blue, 0 to 255, of the paint; by default, the mean colour of the image.
        answers: the two answers to compare.
        begun: the words that the model is made to say before its answer.

    Returns:
        An `Occlusion` whose parts are the fields, row by row: ``support.reshape(rows, columns)`` is the map. The
        grid lies on the image padded to a square, as the model gets it.

    Raises:
        InputError: the model is not loaded here, the prompt has no such image, the grid does not fit on the image,
            or memory is too small.
    """
    tokens, images = answer_tokens(check_here(chat).processor.tokenizer, answers, begun), images_of(messages)
    if not 0 <= image < len(images):
        raise InputError(f"There is no image {image} in a prompt of {len(images)}.", remedy="Count from 0.")
    shown = images[image].convert("RGB")
    parts, colour = fields(shown.size, rows, columns), colour or mean_colour(shown)
    exchange = ImageExchange(chat, messages, tokens.begun)
    without = []
    for start in range(0, len(parts), AT_ONCE):
        painted = [_painted(shown, part, colour) for part in parts[start : start + AT_ONCE]]
        logits = exchange.logits([{image: feature} for feature in exchange.encode(painted)])
        without.append(tokens.log_odds(logits).numpy())
    plain, mass = float(tokens.log_odds(exchange.plain)), float(tokens.mass(exchange.plain))
    return Occlusion(list(parts), plain, np.concatenate(without), (answers[0], answers[1]), mass)


def _painted(image: Image.Image, part: tuple[int, int, int, int], colour: tuple[int, int, int]) -> Image.Image:
    y0, x0, y1, x1 = part
    out = image.copy()
    out.paste(colour, (x0, y0, x1, y1))
    return out
