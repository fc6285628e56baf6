"""Turn pictures and grey values of many bits into what 8 bits can show, and check and square their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from helpers.errors import InputError


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """``image`` turned upright by an orientation of EXIF and TIFF (1 to 8); any other number has no effect."""
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(image)


def stretched(values: np.ndarray, path: Path, counted: np.ndarray | None = None) -> np.ndarray:
    """Grey values from the lowest to the highest that is finite and ``counted``, as uint8 of the same shape.

    NaN is black; an infinite value is black or white by its sign. Raises `InputError` if all values are the same.
    """
    finite = np.isfinite(values)
    known = values[finite if counted is None else finite & counted].astype(np.float64)
    if not known.size:
        raise InputError(
            "The image holds no finite values, so it cannot be shown.", path=path, remedy="Export it again."
        )
    low, high = float(known.min()), float(known.max())
    if low == high:
        raise InputError(
            "All pixels of the image have the same grey.",
            path=path,
            remedy="Check that the whole image was exported.",
        )
    with np.errstate(invalid="ignore", over="ignore"):
        share = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    return as_bytes(share)


def as_bytes(share: np.ndarray) -> np.ndarray:
    """Values of 0 to 1 as uint8 of 0 to 255, rounded to nearest; NaN is 0."""
    return np.rint(np.nan_to_num(share, nan=0.0) * 255).astype(np.uint8)


def with_square_pixels(image: Image.Image, height: float, path: Path) -> Image.Image:
    """``image`` with its shorter side stretched, where a pixel is ``height`` times as high as it is wide."""
    size = round(image.width * max(1, 1 / height)), round(image.height * max(1, height))
    check_size(path, size[0] * size[1], f"{size[0]} x {size[1]} of square pixels")
    return image.resize(size, Image.Resampling.BILINEAR)


def check_size(path: Path, pixels: int, size: str = "") -> None:
    """Raise `InputError` for more pixels than Pillow reads (twice its ``Image.MAX_IMAGE_PIXELS``)."""
    if Image.MAX_IMAGE_PIXELS is None or pixels <= 2 * Image.MAX_IMAGE_PIXELS:
        return
    raise InputError(
        f"The image is too large: {size and f'{size}, '}{pixels / 1e6:.0f} megapixels, where at most "
        f"{2 * Image.MAX_IMAGE_PIXELS // 1_000_000} are read as one picture.",
        path=path,
        remedy="Shrink the image, or cut out a part of it. You can also convert it to a tiled, pyramidal "
        "TIFF (vips tiffsave IN OUT.tif --tile --pyramid), which is read as a whole slide.",
    )
