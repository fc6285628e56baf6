"""The limits of one request to a server, and checks of a prompt against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from helpers.errors import InputError, check_count
from helpers.prompts import (
    CONTEXT_BUDGET,
    CONTEXT_WINDOW,
    IMAGE_TOKENS,
    MAX_PATCHES,
    Message,
    TokenCount,
    images_of,
)


@dataclass(frozen=True)
class Limits:
    """The limits of one request to a server. They are checked before anything is sent."""

    images: int = MAX_PATCHES
    request_bytes: int = 64_000_000
    context_tokens: int = CONTEXT_BUDGET  # replaced by what the server tells
    image_tokens: int = IMAGE_TOKENS  # of one image

    def check_prompt(self, count: TokenCount, url: str) -> None:
        """Raise `InputError` for a prompt with more images or tokens than the server at ``url`` takes."""
        if count.images > self.images:
            raise InputError(
                f"{count.images} images are more than the server's limit of {self.images}.",
                path=url,
                remedy="Use fewer images. If the server takes more, give its limit of tokens with context=N "
                "(--context N).",
            )
        if count.budgeted > self.context_tokens:
            raise InputError(
                f"The prompt is {count}, over the server's context of {self.context_tokens:,}.",
                path=url,
                remedy="Use fewer images or a shorter text. If the server takes more, give its limit of "
                "tokens with context=N (--context N).",
            )

    def check_request(self, size: int, url: str) -> None:
        """Raise `InputError` for a request of more bytes than the server at ``url`` takes."""
        if size > self.request_bytes:
            raise InputError(
                f"The request has {size / 1e6:.2f} MB, but the server takes "
                f"{self.request_bytes / 1e6:.2f} MB at most.",
                path=url,
                remedy='Use fewer images, or image_format="jpeg".',
            )


def limits_within(limits: Limits, context: int, told: int | None, url: str) -> Limits:
    """The limits with a budget of ``context`` tokens for a prompt, and enough images to fill it.

    Raises `InputError` for a context below one token, above the one that the server stated (``told``), or above
    MedGemma's window.
    """
    most = told or CONTEXT_WINDOW
    check_count(
        context,
        f"The context is {context!r}, which is not a whole number of 1 or more.",
        path=url,
        remedy="Give the context as a number of tokens.",
    )
    if context > most:
        raise InputError(
            f"A context of {context:,} tokens is more than the {most:,} that the server takes.",
            path=url,
            remedy=f"Give at most {most}, or start the server with more: medgemma-tutorials serve --context N, or "
            "vLLM's --max-model-len and --limit-mm-per-prompt.",
        )
    images = limits.images if context <= CONTEXT_BUDGET else max(limits.images, context // limits.image_tokens)
    return replace(limits, context_tokens=context, images=images)


def estimate_tokens(messages: Sequence[Message], image_tokens: int = IMAGE_TOKENS) -> TokenCount:
    """Estimate the tokens of a prompt without a tokenizer: exact for images of a known cost; 4 characters of text
    are one token.
    """
    images = len(images_of(messages))
    characters = sum(len(part.get("text", "")) for turn in messages for part in turn["content"])
    return TokenCount(images, images * image_tokens, 4 * images, -(-characters // 4), estimated=True)
