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
# Of CT slices of 512 x 512 it makes two thirds of PNG's bytes in four times its time. More effort (which quality
# and method are, where nothing is lost) gains a fiftieth in half as much time again. The best of PNG's filters and
# strategies makes four fifths of PNG's bytes, in over ten times its time.
_WEBP_EFFORT = {"lossless": True, "quality": 30, "method": 2}


def image_bytes(image: Image.Image, form: str = PNG, quality: int = 90) -> bytes:
    """An image as a PNG or WebP (lossless) or JPEG file in memory, without any of the metadata that it came with.

    In the slices of a CT the colours are data: each channel is a window. JPEG mixes neighbouring pixels. Its usual
    halved colour resolution would also mix the windows, so it is switched off. ``quality`` (1 to 95) is used only
    for JPEG.
    """
    check_form(form)
    clean = image.convert("RGB")  # a copy, whose info is its own
    clean.info = {}  # comments and colour profiles would be written into the file
    stream = io.BytesIO()
    if form == PNG:
        clean.save(stream, "PNG", compress_level=3)  # a fifth of level 9's time for an eighth more bytes
    elif form == WEBP:
        clean.save(stream, "WEBP", **_WEBP_EFFORT)
    else:
        clean.save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def check_form(form: str) -> None:
    """Raise `InputError` for a format that images are not sent in, and for WebP where this Pillow has none."""
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

    with ThreadPoolExecutor() as pool:  # packing holds no lock of Python's
        return [{"role": turn["role"], "content": list(pool.map(part_of, turn["content"]))} for turn in messages]


def wire_bytes(wire: Sequence[dict[str, Any]]) -> int:
    """The size in bytes of the messages as JSON, which is the size of a request without its few settings."""
    return len(json.dumps(wire, ensure_ascii=False, separators=(",", ":")).encode())
