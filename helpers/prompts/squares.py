"""Take images as a prompt holds them: RGB of 8 bits, upright, on a black square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from helpers.errors import InputError
from helpers.prompts.as_rgb import orientation_of, to_rgb

_REMEDY = "Read its file with read_image, or make it uint8 with ct_to_rgb, mri_to_rgb or apply_window."


def pad_to_square(image: Image.Image | np.ndarray) -> Image.Image:
    """The image as RGB on a black square of its longer side, centred.

    MedGemma's processor stretches every picture to 896 x 896, so a picture that is not square is padded first
    (technical report). Transparent areas become white, and a photo is turned upright by its EXIF orientation.

    Raises:
        InputError: the image is not a picture of Pillow with 8 bits a channel, or an array of uint8 with shape
            (y, x) or (y, x, 3). More bits, or floats, need a window first, or nearly all of them would be white.
    """
    picture = _picture(image)
    if picture.mode != "RGB" or orientation_of(picture) != 1:
        picture = to_rgb(picture)
    side = max(picture.size)
    if picture.size == (side, side):
        return picture
    square = Image.new("RGB", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def one_by_one(images: Iterable[Any]) -> Iterable[Any]:
    """The images, unless they are a single one that is in no list: its rows would be taken for images.

    Raises `InputError` for one image, the name of a file, or what holds no images at all.
    """
    is_one = isinstance(images, np.ndarray) and (images.ndim < 3 or (images.ndim == 3 and images.shape[2] == 3))
    if is_one or isinstance(images, Image.Image | str) or not isinstance(images, Iterable):
        raise InputError(
            f"A list of images was expected, and not {_kind(images)}.",
            remedy="Put a single image into a list: [image]. Read a file with read_image.",
        )
    return images


def _picture(image: Any) -> Image.Image:
    if isinstance(image, np.ndarray):
        grey, colours = image.ndim == 2, image.ndim == 3 and image.shape[2] == 3
        if image.dtype != np.uint8 or not (grey or colours) or 0 in image.shape:
            raise InputError(
                f"An image array of {image.dtype} with shape {image.shape} cannot be shown to the model, "
                "which sees uint8 of shape (y, x) or (y, x, 3).",
                remedy=_REMEDY,
            )
        return Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise InputError(f"This is not an image, but {_kind(image)}.", remedy=_REMEDY)
    if image.mode.startswith(("I", "F")):
        raise InputError(
            f"An image of Pillow's mode {image.mode} holds more than 8 bits a pixel, and the model sees 8. Which "
            "values are to be black and white is not known.",
            remedy=_REMEDY,
        )
    return image


def _kind(thing: Any) -> str:
    if isinstance(thing, np.ndarray):
        return f"one array of shape {thing.shape}"
    return "one image" if isinstance(thing, Image.Image) else f"{type(thing).__name__}"
