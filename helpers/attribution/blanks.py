"""What takes the place of an image, or of a region: a blank should take the finding away and change nothing else.

Black is what no tissue looks like, and on slides no glass. So the default is the mean of the prompt's images, in
which no finding of a single image is left. Neither is free of error: a model has seldom seen either, so it may
answer otherwise for that reason alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from helpers.errors import InputError

MEAN, BLACK = "mean", "black"


def blank_image(images: Sequence[Image.Image], blank: str | Image.Image = MEAN) -> Image.Image:
    """The image that the others are exchanged for: RGB, of the size of the first.

    Args:
        images: all images of the prompt.
        blank: "mean", pixel by pixel the mean of all images; "black"; or an image of your own.

    Raises:
        InputError: another word; the mean of one image, or of images that are all the same, which would exchange
            them for themselves.
    """
    if isinstance(blank, Image.Image):
        return blank.convert("RGB")
    if not images:
        raise InputError("There is no image to make a blank for.", remedy="Give a prompt with images.")
    size = images[0].size
    if blank == BLACK:
        return Image.new("RGB", size)
    if blank != MEAN:
        raise InputError(f"There is no blank {blank!r}.", remedy=f"Use {MEAN!r}, {BLACK!r} or an image.")
    total = np.zeros((size[1], size[0], 3))
    for image in images:
        total += np.asarray(image.convert("RGB").resize(size), float)
    mean = Image.fromarray(np.rint(total / len(images)).astype(np.uint8))
    if all(image.convert("RGB").resize(size).tobytes() == mean.tobytes() for image in images):
        raise InputError(
            "The mean of these images is each of them, so exchanging them would change nothing.",
            remedy=f"Use blank={BLACK!r} or an image of your own; for one image, occlude_regions.",
        )
    return mean


def mean_colour(image: Image.Image) -> tuple[int, int, int]:
    """The mean colour of an image, 0 to 255 for red, green and blue."""
    red, green, blue = np.rint(np.asarray(image.convert("RGB"), float).mean((0, 1))).astype(int).tolist()
    return red, green, blue
