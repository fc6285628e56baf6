"""Convert decoded pictures of every mode to 8-bit sRGB, with transparent areas on white."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from helpers.errors import InputError

_GREY = {"1", "L", "LA", "La"}


def to_rgb(image: Image.Image, *, icc: bool = False) -> Image.Image:
    """A picture of 8 bits as it is shown: RGB, upright by its EXIF orientation, transparency composed on white.

    What lies under a transparent pixel is never seen. ``icc``: colours with an embedded ICC profile become sRGB;
    grey stays as it is, and so do colours whose profile is damaged or is one of another kind of colours. CMYK and
    CIELAB become RGB either way.
    """
    image = _upright(image)
    profile = image.info.get("icc_profile") if icc else None
    if image.mode == "LAB":
        laboratory = ImageCms.createProfile("LAB")
        return _converted(image, laboratory, "RGB") or image.convert("RGB")
    if image.mode == "CMYK":
        return (profile and _converted(image, _opened(profile), "RGB")) or image.convert("RGB")
    grey, alpha = image.mode in _GREY, image.has_transparency_data
    if image.mode == "La":  # Pillow cannot convert it directly
        image = image.convert("LA")
    image = image.convert("RGBA" if alpha else "RGB")
    if profile and not grey:
        image = _converted(image, _opened(profile), image.mode) or image
    if alpha:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def orientation_of(image: Image.Image) -> int:
    """The orientation in a picture's EXIF, 1 to 8; 1 where it has none, or where its EXIF is damaged."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises errors of many kinds; viewers ignore such a block too
        return 1


def _upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image) if orientation_of(image) in range(2, 9) else image


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


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _converted(image: Image.Image, profile: object, mode: str) -> Image.Image | None:
    """``image`` from the colours of ``profile`` to sRGB; None if the profile does not fit or is damaged."""
    if profile is None:
        return None
    try:
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
