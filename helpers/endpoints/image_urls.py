"""Write chat messages in the form of the API. Each image becomes a data URL that holds only its pixels."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image, features

from helpers.errors import InputError
from helpers.prompts import Message

PNG, WEBP, JPEG = "png", "webp", "jpeg"  # the first two lose nothing
# For CT slices of 512 x 512, WebP needs two thirds of PNG's bytes and four times its time. With more effort (in
# lossless WebP, quality and method set the effort), it saves another fiftieth in half as much more time. The best
# of PNG's filters and strategies needs four fifths of PNG's bytes, but over ten times its time.
_WEBP_EFFORT = {"lossless": True, "quality": 30, "method": 2}


def image_bytes(image: Image.Image, form: str = PNG, quality: int = 90) -> bytes:
    """An image as a PNG, WebP (lossless) or JPEG file in memory, without its metadata.

    In the slices of a CT the colours are data: each channel is a window. JPEG mixes neighbouring pixels. Its usual
    halved colour resolution would also mix the windows, so it is switched off. ``quality`` (1 to 95) is used only
    for JPEG.
    """
    check_form(form)
    clean = image.convert("RGB")  # a copy with its own info
    clean.info = {}  # otherwise comments and colour profiles would go into the file
    stream = io.BytesIO()
    if form == PNG:
        clean.save(stream, "PNG", compress_level=3)  # a fifth of the time of level 9, with an eighth more bytes
    elif form == WEBP:
        clean.save(stream, "WEBP", **_WEBP_EFFORT)
    else:
        clean.save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def check_form(form: str) -> None:
    """Raise `InputError` for an unknown format of images, and for WebP if this Pillow cannot write it."""
    if form not in (PNG, WEBP, JPEG):
        raise InputError(f"Images are sent as png, webp or jpeg, not {form!r}.", remedy='Use image_format="png".')
    if form == WEBP and not features.check("webp"):
        raise InputError("This Pillow was built without WebP.", remedy="Install Pillow anew, or send png.")


def image_url(image: Image.Image, form: str = PNG, quality: int = 90) -> str:
    """The image as ``data:image/png;base64,...`` (or webp, jpeg): a third more bytes than the file itself."""
    return f"data:image/{form};base64,{base64.b64encode(image_bytes(image, form, quality)).decode()}"


def wire_messages(messages: Sequence[Message], form: str = PNG, quality: int = 90) -> list[dict[str, Any]]:
    """The messages in the form of the OpenAI chat API: the same turns and parts, images as `image_url`."""

    def part_of(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] == "text":
            return {"type": "text", "text": part["text"]}
        return {"type": "image_url", "image_url": {"url": image_url(part["image"], form, quality)}}

    with ThreadPoolExecutor() as pool:  # compression does not hold Python's lock
        return [{"role": turn["role"], "content": list(pool.map(part_of, turn["content"]))} for turn in messages]


def wire_bytes(wire: Sequence[dict[str, Any]]) -> int:
    """The size in bytes of the messages as JSON, which is the size of a request without its few settings."""
    return len(json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode())
