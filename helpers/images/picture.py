"""Read one page of a picture that Pillow reads (PNG, JPEG, WebP, JPEG 2000, GIF, HEIC and more) as 8-bit RGB."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from helpers.errors import InputError
from helpers.images.pages import chosen_page
from helpers.images.rgb import as_bytes, check_size, stretched, turned
from helpers.prompts import orientation_of, to_rgb
from helpers.slides import not_the_file

_TIFF = {".tif", ".tiff"}
_JPEG_2000 = {".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"}
_HEIF = {".heic", ".heif", ".hif"}
# Endings of pictures. A file with another name may also be a picture, and its content tells.
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".gif", ".bmp", ".dib", ".pgm", ".ppm"}
    | {".pnm", ".tga", *_TIFF, *_JPEG_2000, *_HEIF}
)
# The brands of ISO 23008-12 (HEIF) that Pillow does not read by itself.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
# Pillow scales the grey levels of PNG files of 2 and 4 bits by these factors, but not the transparent level.
_KEY_SCALES = {"L;2": 85, "L;4": 17}
# In a JPEG with several images, the first is the picture, and the others are previews or maps. Layers of PSD are
# not pages.
_ONE_PAGE = {"MPO", "PSD"}
# Formats that Pillow recognises, but reads only with another program (Ghostscript), or not at all.
_NO_PICTURES = {"EPS", "WMF", "HDF5", "GRIB", "BUFR", "MPEG"}


def read_picture(path: Path, page: int | None = None, *, icc: bool = False) -> Image.Image:
    """One page or frame of a picture as 8-bit RGB, upright, transparency on white.

    Grey and colours of 8 bits stay as they are; colours of more bits are scaled by their depth; grey of more bits
    from the lowest to the highest value. Arguments as `helpers.images.read_image`.

    Raises:
        InputError: the file is not a readable picture, is damaged or too large, or has several pages and none was
            chosen.
    """
    try:
        with opened(path) as image:
            if image.format in _NO_PICTURES:
                raise _unknown(path)
            count = 1 if image.format in _ONE_PAGE else getattr(image, "n_frames", 1)
            index = chosen_page(path, count, page, "frames" if getattr(image, "is_animated", False) else "pages")
            if count > 1:
                image.seek(index)
            return decoded(image, path, icc=icc)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise _unknown(path) from None
    except Exception as error:  # the decoders raise errors of many unrelated kinds
        raise damaged(path, error) from error


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture with Pillow, without decoding pixels. Raises `InputError` if it is too large for Pillow."""
    if _is_heif(path):
        _register_heif(path)
    with warnings.catch_warnings():
        # Pillow warns at half the size that is refused.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            # From a stream, because Pillow does not turn upright a picture that it maps from a named file.
            with path.open("rb") as stream, Image.open(stream) as image:
                yield image
        except Image.DecompressionBombError as error:
            pixels = re.search(r"\d+", str(error))
            check_size(path, int(pixels[0]) if pixels else 0)
            raise


def decoded(image: Image.Image, path: Path, *, icc: bool, inverted: bool = False) -> Image.Image:
    """The current page of ``image`` as RGB. ``inverted``: whether the lowest of many grey values is white."""
    _correct_key(image)
    fine = _with_fine_alpha(image)
    image.load()
    if fine:
        return _on_white(image, path)
    if image.format == "TGA" and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        image.putalpha(255)  # many writers leave the fourth byte of a pixel empty
    if not image.mode.startswith(("I", "F")):
        return to_rgb(image, icc=icc)
    values, key = np.asarray(image), image.info.get("transparency")
    clear = None if key is None else values == key
    grey = stretched(values, path, None if clear is None else ~clear)
    if inverted:
        grey = 255 - grey
    if clear is not None:
        grey[clear] = 255
    return to_rgb(turned(Image.fromarray(grey), orientation_of(image)), icc=icc)


def damaged(path: Path, error: Exception) -> InputError:
    """The error for a picture that a decoder cannot read."""
    return InputError(
        f"The image is damaged or cut off ({str(error) or type(error).__name__}).",
        path=path,
        remedy="Copy or export it again.",
    )


def _correct_key(image: Image.Image) -> None:
    """Scale the transparent colour of a PNG to the bits that its pixels have after Pillow decodes them."""
    key, tile = image.info.get("transparency"), getattr(image, "tile", None)
    if image.format != "PNG" or key is None or not tile:
        return
    raw = tile[0][3]
    if raw == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    elif raw in _KEY_SCALES and isinstance(key, int):
        image.info["transparency"] = key * _KEY_SCALES[raw]


def _with_fine_alpha(image: Image.Image) -> bool:
    """Whether this is a PNG with grey and alpha of 16 bits. Pillow would keep only 8, so all bytes are kept here.

    The filters of a PNG go by the bytes of a pixel, so that RGBA of 8 bits is decoded to the same bytes.
    """
    tile = getattr(image, "tile", None)
    if image.format != "PNG" or not tile or tile[0][3] != "LA;16B":
        return False
    image.tile = [tile[0]._replace(args="RGBA")]
    image._mode = "RGBA"
    return True


def _on_white(image: Image.Image, path: Path) -> Image.Image:
    values = np.asarray(image).view(">u2")
    share = values[..., 1] / 65535
    grey = stretched(values[..., 0], path, share > 0)
    shown = Image.fromarray(as_bytes(1 - share * (1 - grey / 255)))
    return to_rgb(turned(shown, orientation_of(image)))


def _is_heif(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(64)
    if head[4:8] != b"ftyp":
        return False
    length = min(int.from_bytes(head[:4], "big"), 64)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))}
    return bool(brands & _HEIF_BRANDS) and not brands & {b"avif", b"avis"}


def _register_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise InputError(
            "HEIC needs the package pillow-heif.",
            path=path,
            remedy="Run: pip install 'medgemma-tutorials[heif]'",
        ) from error
    register_heif_opener()


def _unknown(path: Path) -> InputError:
    if instead := not_the_file(path):
        return InputError(instead[0], path=path, remedy=instead[1])
    with path.open("rb") as stream:
        head = stream.read(64)
    if head[4:8] == b"ftyp" and (b"avif" in head or b"avis" in head):
        return InputError(
            "This Pillow reads no AVIF, or the file is damaged.",
            path=path,
            remedy='Run: pip install "pillow>=11.3"',
        )
    return InputError(
        "This is not an image that can be read.",
        path=path,
        remedy="Use PNG, JPEG, TIFF, WebP, JPEG 2000, HEIC or DICOM.",
    )
