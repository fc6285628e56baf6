"""The shared parts of the viewers without widgets: colours, and pictures as bytes, small for a saved notebook."""

from __future__ import annotations

import io

from PIL import Image

# Colours that colour-blind people can also tell apart (Okabe and Ito, Color Universal Design, 2008).
ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def encode(image: Image.Image, mime: str = "image/png") -> bytes:
    """The picture as a JPEG, or as a PNG with little compression, because speed counts more here."""
    out = io.BytesIO()
    if mime == "image/png":
        image.save(out, "PNG", compress_level=1)
    else:
        image.save(out, "JPEG", quality=85)
    return out.getvalue()


def compact(image: Image.Image) -> bytes:
    """The picture as a small PNG for a saved notebook: without transparency, and in grey if it has no colours."""
    if image.mode != "L":
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
        red, green, blue = opaque.split()
        image = red if red.tobytes() == green.tobytes() == blue.tobytes() else opaque
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=9)
    return out.getvalue()
