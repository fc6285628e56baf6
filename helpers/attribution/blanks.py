"""Make the blank that takes the place of an image. It should remove the finding and change nothing else.

Black is the default, because it is air on CT and MRI, and the prompt of a volume has slices that are nearly all
air. On a slide, the colour of bare glass is a better blank, because no place of a slide is black. The mean of all
images blurs a finding away and keeps the rest of the anatomy.

No blank is free of error: the model has seldom seen one between real images, and this alone may change its answer.
Notebook 12 compares blanks on a case without a finding, because a good blank changes little there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from helpers.errors import InputError

MEAN, BLACK = "mean", "black"
GLASS = (243, 243, 243)  # the colour of a bright-field slide where there is no tissue


def blank_image(images: Sequence[Image.Image], blank: str | Image.Image = BLACK) -> Image.Image:
    """The image that stands in for the others: RGB, of the size of the first image.

    Args:
        images: all images of the prompt.
        blank: "black", "mean" (each pixel is the mean of that pixel in all images), or an image of your own.

    Raises:
        InputError: there are no images, no blank has this name, or the blank is equal to each image, so that
            exchanging them would change nothing. The mean of a single image is such a blank.
    """
    if not images:
        raise InputError("There is no image to make a blank for.", remedy="Give a prompt with images.")
    chosen = _made(images, blank)
    if all(image.convert("RGB").resize(chosen.size).tobytes() == chosen.tobytes() for image in images):
        raise InputError(
            "The blank is the same as each of the images, so exchanging them would change nothing.",
            remedy="Use another blank: black, the mean, or an image of your own. For a single image, use "
            "occlude_regions.",
        )
    return chosen


def _made(images: Sequence[Image.Image], blank: str | Image.Image) -> Image.Image:
    if isinstance(blank, Image.Image):
        return blank.convert("RGB")
    size = images[0].size
    if blank == BLACK:
        return Image.new("RGB", size)
    if blank != MEAN:
        raise InputError(f"There is no blank {blank!r}.", remedy=f"Use {BLACK!r}, {MEAN!r} or an image.")
    total = np.zeros((size[1], size[0], 3))
    for image in images:
        total += np.asarray(image.convert("RGB").resize(size), float)
    return Image.fromarray(np.rint(total / len(images)).astype(np.uint8))


def mean_colour(image: Image.Image) -> tuple[int, int, int]:
    """The mean colour of an image, 0 to 255 for red, green and blue."""
    red, green, blue = np.rint(np.asarray(image.convert("RGB"), float).mean((0, 1))).astype(int).tolist()
    return red, green, blue
