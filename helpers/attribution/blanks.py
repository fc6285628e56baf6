"""What takes the place of an image, or of a region: a blank should take the finding away and change nothing else.

Black is air on CT and MRI, and a prompt of a volume has slices that are nearly all air; so it is the default. On
slides black is nothing, and bare glass stands for it. The mean of all images blurs a finding away and keeps the
rest. None is free of error: a model has seldom seen them in such a place, and may answer otherwise for that alone.
Notebook 12 chooses between them where there is no finding: a good blank changes little there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from helpers.errors import InputError

MEAN, BLACK = "mean", "black"
GLASS = (243, 243, 243)  # of a bright-field slide without tissue


def blank_image(images: Sequence[Image.Image], blank: str | Image.Image = BLACK) -> Image.Image:
    """The image that the others are exchanged for: RGB, of the size of the first.

    Args:
        images: all images of the prompt.
        blank: "black"; "mean", pixel by pixel the mean of all images; or an image of your own.

    Raises:
        InputError: another word, or a blank that is the same as each of the images, as the mean of one is:
            exchanging them would change nothing.
    """
    if not images:
        raise InputError("There is no image to make a blank for.", remedy="Give a prompt with images.")
    chosen = _made(images, blank)
    if all(image.convert("RGB").resize(chosen.size).tobytes() == chosen.tobytes() for image in images):
        raise InputError(
            "The blank is the same as each of the images, so exchanging them would change nothing.",
            remedy="Use another blank: black, the mean, or an image of your own. For one image, occlude_regions.",
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
