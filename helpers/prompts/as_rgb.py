"""Convert decoded pictures of every mode to 8-bit sRGB, with transparent areas on white."""

from __future__ import annotations

from io import BytesIO

from PIL import ExifTags, Image, ImageCms, ImageOps

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
