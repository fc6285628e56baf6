"""The limits of one request to a server, and checks of a prompt against them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

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

# Ways to make a request smaller, from one that loses nothing to one that loses slices.
SMALLER = (
    'Send image_format="webp" (--image-format webp), which loses nothing, where the server reads it (llama.cpp '
    'does not). Else use image_format="jpeg", which changes a CT by about 3 HU (brain window), or fewer images. A '
    "server that fetches DICOM itself needs no images in the request (helpers.cloud.image_dicom_request)."
)
DEDICATED = ".prediction.vertexai.goog"  # the end of the host of a dedicated endpoint of Vertex AI
DEDICATED_BYTES = 10_000_000  # https://cloud.google.com/vertex-ai/docs/predictions/using-dedicated-endpoints


@dataclass(frozen=True)
class Limits:
    """The limits of one request to a server. They are checked before anything is sent."""

    images: int = MAX_PATCHES
    request_bytes: int = 64_000_000
    context_tokens: int = CONTEXT_BUDGET  # replaced by the server's own limit
    image_tokens: int = IMAGE_TOKENS  # tokens of one image

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
                remedy=SMALLER,
            )


def usual_limits(url: str) -> Limits:
    """The limits of a server by its address. A dedicated endpoint of Vertex AI takes requests of 10 MB."""
    dedicated = (urlsplit(url).hostname or "").endswith(DEDICATED)
    return Limits(request_bytes=DEDICATED_BYTES) if dedicated else Limits()


def warn_of_cut(read: int, images: int, url: str) -> None:
    """Warn if a server ``read`` fewer tokens than the images have, because it then cut the prompt silently.

    Ollama cuts prompts that do not fit into its context, by default a few thousand tokens, and answers about the
    rest.
    """
    if 0 < read < images:
        warnings.warn(
            f"{url}: The server says that it read {read:,} tokens, and the images of this prompt are {images:,} "
            "tokens of MedGemma. So it left some of them out, or serves another model. Give it room for all: "
            "OLLAMA_CONTEXT_LENGTH=32768, llama.cpp's -c 32768, or the context length in LM Studio.",
            stacklevel=2,
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
