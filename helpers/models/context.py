"""The budget of a prompt in tokens: the report's 32K by default, and up to the model's window on request.

A longer prompt costs memory and time (`helpers.models.prompt_memory` counts the memory before it is read), and
MedGemma 1.5 learned volumes and slides in up to 32K.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helpers.errors import InputError, check_count
from helpers.prompts import (
    CONTEXT_BUDGET,
    CONTEXT_WINDOW,
    IMAGE_TOKENS,
    MAX_PATCHES,
    Message,
    TokenCount,
    check_budget,
)

BESIDE = 4_096  # a server's tokens beside the budget: four around each of 126 images, and an answer


def window_of(config: Any) -> int:
    """The tokens that a model can read and write in all: 131,072 for MedGemma and for the stand-in."""
    return config.get_text_config().max_position_embeddings


def check_context(asked: int | None) -> None:
    """Raise `InputError` for a budget that is not a number of tokens; the model's window is not known yet."""
    if asked is not None:
        check_count(
            asked,
            f"The context is {asked!r}, which is not a whole number of 1 or more.",
            remedy="Give the context as a number of tokens.",
        )


def context_for(asked: int | None, window: int, name: str) -> int:
    """The budget of a model's prompts in tokens: the one asked for, by default the report's.

    Raises `InputError` for one that is not a number of tokens, or more than the model's window.
    """
    check_context(asked)
    if asked is None:
        return min(CONTEXT_BUDGET, window)
    if asked > window:
        raise InputError(
            f"A context of {asked:,} tokens is more than the {window:,} that the model can read.",
            path=name,
            remedy=f"Give a context of at most {window}.",
        )
    return asked


def count_within(messages: Sequence[Message], processor: Any, context: int, window: int) -> TokenCount:
    """The tokens of a prompt; raises `InputError` if they are over the budget, or leave no room for an answer."""
    count = check_budget(messages, processor, context, window=window)
    if count.total >= window:  # the total has four tokens around each image, the budget has not
        raise InputError(
            f"The prompt has {count.total:,} tokens, including the tokens around its images ({count}). "
            f"The model can read {window:,} tokens, including the answer.",
            remedy="Use fewer images or a shorter text.",
        )
    return count


def served_length(context: int, window: int = CONTEXT_WINDOW) -> int:
    """Tokens of prompt and answer that a server is started with, for prompts of ``context``."""
    return min(context + BESIDE, window)


def served_images(context: int) -> int:
    """Images of one prompt that a server is started with: those of a whole slide, or as many as fit."""
    return MAX_PATCHES if context <= CONTEXT_BUDGET else context // IMAGE_TOKENS
