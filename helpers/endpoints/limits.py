"""What a server takes in one request, and how much of it a prompt is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.prompts import CONTEXT_BUDGET, IMAGE_TOKENS, MAX_PATCHES, Message, TokenCount, images_of


@dataclass(frozen=True)
class Limits:
    """What a server takes in one request. Checked before anything is sent."""

    images: int = MAX_PATCHES
    request_bytes: int = 64_000_000
    context_tokens: int = CONTEXT_BUDGET  # replaced by what the server tells
    image_tokens: int = IMAGE_TOKENS  # of one image


def estimate_tokens(messages: Sequence[Message], image_tokens: int = IMAGE_TOKENS) -> TokenCount:
    """Tokens of a prompt without a tokenizer: exact for images of a known cost, for text one for 4 characters."""
    images = len(images_of(messages))
    characters = sum(len(part.get("text", "")) for turn in messages for part in turn["content"])
    return TokenCount(images, images * image_tokens, 4 * images, -(-characters // 4), estimated=True)
