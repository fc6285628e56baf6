"""Make short names for pixels and prompts from their content, by which results on disk are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from PIL import Image

from helpers.prompts.messages import Message


def images_key(images: Iterable[Image.Image]) -> str:
    """32 letters that identify images with their order, modes and sizes; an empty text for no images."""
    digest, n = hashlib.sha256(), 0
    for image in images:
        _add(digest, image)
        n += 1
    return digest.hexdigest()[:32] if n else ""


def prompt_key(messages: Iterable[Message]) -> str:
    """16 letters that identify a prompt's turns, words and pixels, to check that two runs asked the same."""
    digest = hashlib.sha256()
    for turn in messages:
        digest.update(f"{turn['role']}{len(turn['content'])}:".encode())
        for part in turn["content"]:
            if (image := part.get("image")) is None:
                text = part["text"].encode()
                digest.update(f"text{len(text)}:".encode() + text)
            else:
                _add(digest, image)
    return digest.hexdigest()[:16]


def same_pixels(one: Image.Image, other: Image.Image) -> bool:
    """Whether two images show the same, pixel by pixel."""
    return one is other or (one.mode == other.mode and one.size == other.size and _bytes(one) == _bytes(other))


def _add(digest: Any, image: Image.Image) -> None:
    digest.update(f"{image.mode}{image.size}".encode())
    digest.update(_bytes(image))


def _bytes(image: Image.Image) -> bytes:
    """The values of the pixels, and the colours that these stand for where they are numbers of a palette."""
    return image.tobytes() + (bytes(image.getpalette() or ()) if image.mode in ("P", "PA") else b"")
