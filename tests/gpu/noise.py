"""Prompts of noise, with as many tokens as a real one."""

from __future__ import annotations

import itertools

import numpy as np
from PIL import Image

from helpers.models import ChatModel
from helpers.prompts import Message, slide_messages, volume_messages

WAYS = ("sdpa", "flex_attention")  # to read a prompt


def pictures(count: int) -> list[Image.Image]:
    """So many images of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)
    return [Image.fromarray(one) for one in noise]


def opened(count: int) -> list[Message]:
    """A prompt with so many slices and no question yet."""
    return volume_messages(pictures(count), None)


def prompt(chat: ChatModel, count: int, *, whole_eights: bool = True) -> list[Message]:
    """A prompt with so many images: slices up to 85, patches above; its tokens a multiple of 8, or one more."""
    images, rest = pictures(count), 0 if whole_eights else 1
    for more, dots in itertools.product(range(8), range(8)):  # what a word costs depends on the vocabulary
        words = f"Is there haemorrhage?{' a' * more}{' .' * dots}"
        messages = volume_messages(images, words) if count <= 85 else slide_messages(images, instruction=words)
        if chat.count_tokens(messages).total % 8 == rest:
            return messages
    raise AssertionError(f"no prompt of {count} images has {rest} tokens more than a multiple of 8")
