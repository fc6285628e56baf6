"""Read TIFF files that Pillow cannot read: pages, colours of 16 bits and floats, white as zero, many bands."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, UnidentifiedImageError
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from helpers.errors import InputError
from helpers.images.pages import chosen_page
from helpers.images.picture import damaged, decoded, opened
from helpers.images.rgb import as_bytes, check_size, stretched, turned, with_square_pixels
from helpers.prompts import to_rgb

_REDUCED, _MASK = 1, 4  # bits of NewSubfileType (TIFF 6.0)
_GREY = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK)
_ASSOCIATED, _UNASSOCIATED = 1, 2  # kinds of alpha in ExtraSamples
_PHOTOMETRIC, _ORIENTATION, _ICC, _NODATA = 262, 274, 34675, 42113
_X_RESOLUTION, _Y_RESOLUTION = 282, 283
_NEARLY_SQUARE, _ODD = 1.1, 5  # height of a pixel by its width; a fax has about 2, 1 or 1/2
_FAX = (COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6)
# Forms that every Pillow decodes. If it fails, the file is damaged, and no decoder is missing.
_USUAL = {
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.JPEG,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
}
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its messages are raised here as an error


def read_tiff_picture(path: Path, page: int | None = None, *, icc: bool = False) -> Image.Image:
    """Read one page of a TIFF as 8-bit RGB.

    Pages of reduced size and masks (NewSubfileType) are not counted. Integer colours are scaled by their depth,
    that of MaxSampleValue where the file has it; colours of floats and signed numbers from 0 to 1, or from the
    lowest to the highest where they exceed that. The first three bands of RGB are its colours. Arguments and
    errors as `helpers.images.picture.read_picture`; bands that are not colours are an error too.
    """
    try:
        with TiffFile(path) as tif:
            pictures, stack = _pictures(tif)
            count = len(pictures) if stack is None else len(stack)
            index = chosen_page(path, count, page, f"pages{_names(tif, count)}")
            chosen = pictures[0 if stack is not None else index]
            check_size(path, chosen.imagewidth * chosen.imagelength, f"{chosen.imagewidth} x {chosen.imagelength}")
            said = _PHOTOMETRIC in chosen.tags
            if not said and chosen.compression not in _FAX:  # libtiff assumes this
                chosen.photometric = PHOTOMETRIC.RGB if chosen.samplesperpixel > 2 else PHOTOMETRIC.MINISBLACK
            _check_form(path, chosen)
            if len(chosen.dataoffsets) < math.prod(chosen.chunked):
                raise damaged(path, EOFError("strips or tiles are missing"))
            if not any(chosen.databytecounts):
                raise damaged(path, EOFError("the page has no pixels"))
            if stack is not None:
                return _of_values(path, chosen, stack[index], icc)
            return _unfaxed(path, chosen, _shown(path, chosen, icc))
    except InputError:
        raise
    except Exception as error:  # tifffile and Pillow raise errors of many unrelated kinds
        raise damaged(path, error) from error


def tiff_page_count(path: Path) -> int:
    """The number of pages of a TIFF, counted as in `read_tiff_picture`. Raises `InputError` if it is damaged."""
    try:
        with TiffFile(path) as tif:
            pictures, stack = _pictures(tif)
            return len(pictures) if stack is None else len(stack)
    except Exception as error:  # tifffile raises errors of many unrelated kinds
        raise damaged(path, error) from error


def _pictures(tif: TiffFile) -> tuple[list[TiffPage], np.ndarray | None]:
    """The pages that are no reduced copies or masks, and the further images behind a single page (`_stack`)."""
    pages = [one for one in tif.pages if isinstance(one, TiffPage)]
    pictures = [one for one in pages if not one.subfiletype & (_REDUCED | _MASK)] or pages
    return pictures, _stack(tif, pages)


def _check_form(path: Path, page: TiffPage) -> None:
    """Refuse a page with more than one image, or with bands that are not colours."""
    count, extra = page.samplesperpixel, tuple(page.extrasamples)
    alpha = extra[:1] in ((_ASSOCIATED,), (_UNASSOCIATED,))
    wanted = {PHOTOMETRIC.RGB: 3, PHOTOMETRIC.SEPARATED: 4}.get(page.photometric, 1)
    if page.dtype is None or page.dtype.kind == "c":
        what = f"The page holds numbers of the type {page.dtype or 'unknown'}, which are not grey levels."
        raise InputError(what, path=path, remedy="Export the image as real numbers, such as the magnitude.")
    if page.imagedepth > 1:
        what = f"The page is a volume of {page.imagedepth} planes."
        raise InputError(what, path=path, remedy="Export one plane as TIFF or PNG.")
    if count < wanted or (page.photometric in _GREY and count > 1 and not (count == 2 and alpha)):
        kind = {PHOTOMETRIC.RGB: "RGB", PHOTOMETRIC.SEPARATED: "CMYK"}.get(page.photometric, "grey")
        raise InputError(
            f"The page holds {count} bands, 0 to {count - 1}, that are not colours (its header says {kind}).",
            path=path,
            remedy="Export one band as a grey image, or three bands as RGB.",
        )


def _stack(tif: TiffFile, pages: list[TiffPage]) -> np.ndarray | None:
    """The images of a file that describes one page but holds more behind it, as ImageJ writes large files."""
    if len(pages) != 1 or not (tif.is_imagej or tif.is_shaped) or tif.series[0].size <= pages[0].size:
        return None
    return tif.series[0].asarray(out="memmap").reshape(-1, *pages[0].shape)


def _shown(path: Path, page: TiffPage, icc: bool) -> Image.Image:
    # Pillow reads all usual forms of 8 bits, also JPEG within TIFF. For more bits, tifffile keeps all of them.
    ways = [_by_pillow, _by_tifffile]
    if page.dtype not in (np.uint8, bool) or _ASSOCIATED in page.extrasamples:
        ways.reverse()
    if _PHOTOMETRIC not in page.tags and page.compression not in _FAX:
        ways = [_by_tifffile]  # Pillow takes zero for white
    errors: list[Exception] = []
    for way in ways:
        try:
            return way(path, page, icc)
        except InputError:
            raise
        except Exception as error:  # each decoder raises errors of many unrelated kinds
            errors.append(error)
    unknown = any(isinstance(error, (UnidentifiedImageError, NotImplementedError)) for error in errors)
    missing = any("imagecodecs" in str(error) for error in errors)
    packed = page.compression == COMPRESSION.NONE
    if missing and (unknown or len(ways) == 1 or page.compression not in _USUAL):
        coding = "pixels" if packed else COMPRESSION(page.compression).name
        form = "with 8 or 16 bits" if packed else "uncompressed"
        raise InputError(
            f"No decoder for {coding} with {page.bitspersample} bits is installed.",
            path=path,
            remedy=f"Run: pip install imagecodecs. You can also save the file {form}.",
        ) from errors[-1]
    if unknown and page.compression not in _USUAL:
        raise InputError(
            f"Its compression ({_name(page.compression)}) cannot be read.",
            path=path,
            remedy="Save the file without compression.",
        ) from errors[-1]
    if unknown and page.compression in _USUAL:
        raise InputError(
            f"Colours stored as {PHOTOMETRIC(page.photometric).name} with {page.bitspersample} bits "
            "cannot be read.",
            path=path,
            remedy="Save it as RGB or grey of 8 or 16 bits.",
        ) from errors[-1]
    raise damaged(path, errors[0]) from errors[0]


def _unfaxed(path: Path, page: TiffPage, image: Image.Image) -> Image.Image:
    """A page of one bit with square pixels. A fax of standard resolution has half as many lines as columns."""
    across, down = (page.tags.valueof(tag, (1, 1)) for tag in (_X_RESOLUTION, _Y_RESOLUTION))
    if page.bitspersample != 1 or not all((*across, *down)):
        return image
    height = (across[0] / across[1]) / (down[0] / down[1])  # of a pixel, in widths
    if page.tags.valueof(_ORIENTATION, 1) > 4:  # the page is turned upright
        height = 1 / height
    if 1 / _NEARLY_SQUARE <= height <= _NEARLY_SQUARE or not 1 / _ODD <= height <= _ODD:
        return image
    return with_square_pixels(image, height, path)


def _by_pillow(path: Path, page: TiffPage, icc: bool) -> Image.Image:
    with opened(path) as image:
        image.seek(int(page.index))
        if image.mode == "P" and page.colormap is not None and page.colormap.max() <= 255:
            image.putpalette(page.colormap.T.astype(np.uint8).tobytes())  # of 8 bits, although the format has 16
        # If zero is white, Pillow inverts pictures of 8 bits, but not those of more bits.
        return decoded(image, path, icc=icc, inverted=page.photometric == PHOTOMETRIC.MINISWHITE)


def _by_tifffile(path: Path, page: TiffPage, icc: bool) -> Image.Image:
    return _of_values(path, page, page.asarray(), icc)


def _of_values(path: Path, page: TiffPage, values: np.ndarray, icc: bool) -> Image.Image:
    values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else values
    if values.ndim == 2:
        values = values[..., None]
    if page.photometric in _GREY:
        image = _grey(path, page, values)
    elif page.photometric == PHOTOMETRIC.RGB:
        image = _colours(page, values)
    elif page.photometric == PHOTOMETRIC.PALETTE:
        image = Image.fromarray(as_bytes(np.moveaxis(page.colormap[:, values[..., 0]], 0, -1) / _whitest(page)))
    elif page.photometric == PHOTOMETRIC.SEPARATED:
        inks = as_bytes(_shares(page, values[..., :4]))
        image = Image.merge("CMYK", [Image.fromarray(np.ascontiguousarray(inks[..., k])) for k in range(4)])
    else:
        raise NotImplementedError(f"colours of the kind {PHOTOMETRIC(page.photometric).name}")
    if _ICC in page.tags:
        image.info["icc_profile"] = bytes(page.tags[_ICC].value)
    orientation = page.tags.valueof(_ORIENTATION, 1)
    return to_rgb(turned(image, int(orientation)), icc=icc)


def _grey(path: Path, page: TiffPage, values: np.ndarray) -> Image.Image:
    level = values[..., 0]
    alpha = _shares(page, values[..., 1]) if values.shape[-1] > 1 else None
    if alpha is not None and page.extrasamples[0] == _ASSOCIATED:
        level = np.divide(level, alpha, out=np.zeros(level.shape), where=alpha > 0)
    if values.dtype == np.uint8:
        grey = np.clip(np.rint(level), 0, 255).astype(np.uint8)
    else:
        counted = None if alpha is None else alpha > 0
        if _NODATA in page.tags:  # GDAL's mark for values that were never measured; they become black, like NaN
            empty = level == _nodata(page)
            level, counted = np.where(empty, np.nan, level), ~empty if counted is None else counted & ~empty
        grey = stretched(level, path, counted)
    grey = 255 - grey if page.photometric == PHOTOMETRIC.MINISWHITE else grey
    if alpha is None:
        return Image.fromarray(grey)
    return Image.fromarray(as_bytes(1 - alpha * (1 - grey / 255)))  # on white


def _colours(page: TiffPage, values: np.ndarray) -> Image.Image:
    # Four bands without a description count as RGBA, as in Pillow.
    extra = tuple(page.extrasamples) or (_UNASSOCIATED,)
    kinds = dict(zip(extra, range(3, values.shape[-1]), strict=False))
    place = kinds.get(_ASSOCIATED, kinds.get(_UNASSOCIATED))
    if place is None:
        return Image.fromarray(as_bytes(_shares(page, values[..., :3])))
    shares = _shares(page, values[..., [0, 1, 2, place]])
    alpha = shares[..., 3:]
    if _ASSOCIATED in kinds and _ICC not in page.tags:  # one addition puts it on white exactly
        return Image.fromarray(as_bytes(np.clip(shares[..., :3] + 1 - alpha, 0, 1)))
    if _ASSOCIATED in kinds:
        shares[..., :3] = np.clip(np.divide(shares[..., :3], alpha, where=alpha > 0, out=shares[..., :3]), 0, 1)
    return Image.fromarray(as_bytes(shares))


def _whitest(page: TiffPage) -> int:
    """The value of white in a palette. Some writers use 8 bits, although the format has 16."""
    return 65535 if page.colormap.max() > 255 else 255


def _nodata(page: TiffPage) -> float:
    """GDAL's value for unmeasured pixels, rounded like the pixels; NaN if the value is not clear."""
    try:
        value = float(page.tags[_NODATA].value)
    except (TypeError, ValueError):
        return float("nan")
    return float(page.dtype.type(value)) if page.dtype.kind == "f" else value


def _name(compression: int) -> str:
    return COMPRESSION(compression).name if compression in set(COMPRESSION) else str(int(compression))


def _shares(page: TiffPage, values: np.ndarray) -> np.ndarray:
    """Values as shares of the highest: float64 of 0 to 1."""
    shares = values.astype(np.float64)
    if values.dtype.kind == "u":
        said = page.tags.valueof("MaxSampleValue")
        most = max(said) if isinstance(said, Iterable) else said or 0
        bits = int(most).bit_length() if most > 255 else np.atleast_1d(page.bitspersample).max()
        return np.clip(shares / (2.0**bits - 1), 0, 1)
    known = shares[np.isfinite(shares)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if low < 0 or high > 1:
        shares = (shares - low) / ((high - low) or 1)
    return np.clip(shares, 0, 1)


def _names(tif: TiffFile, count: int) -> str:
    """The names of channels, if the file names each page."""
    if not tif.ome_metadata:
        return ""
    try:
        elements = ElementTree.fromstring(tif.ome_metadata).iter()
    except ElementTree.ParseError:
        return ""
    names = [one.get("Name", "") for one in elements if one.tag.rpartition("}")[2] == "Channel"]
    return f" (channels {', '.join(names)})" if len(names) == count and all(names) else ""
