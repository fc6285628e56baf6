"""Read from the directories of a TIFF file its levels, planes, channels and scale, and whether it is complete."""

from __future__ import annotations

import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from helpers.errors import InputError

_MAGIC = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}  # TIFF and BigTIFF, of either byte order
_MICRONS = {  # OME's units of length
    **{"m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "pm": 1e-6},
    **{"Å": 1e-4, "\u212b": 1e-4, "in": 25_400.0, "thou": 25.4},
}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_PER_UNIT = {2: 25_400.0, 3: 10_000.0}  # ResolutionUnit of TIFF 6.0: inch and centimetre, in microns


@dataclass(frozen=True)
class Tiff:
    """The image of a TIFF file; the first one if the file has several pages."""

    width: int  # pixels
    height: int
    tiled: bool
    levels: int  # 1 + the number of copies of lower resolution
    planes: int  # images of the same size: channels, focal planes, or pages
    samples: int  # values in a pixel: 3 for RGB, 1 for grey
    grey: bool  # whether its values are shades of grey
    unnamed: bool  # whether its pixels have a fourth value beside RGB that the file does not name
    bits: int  # bits of a value
    whole_numbers: bool  # whether its values are whole numbers, not floating-point numbers
    mpp: tuple[float, float] | None  # microns per pixel in x and y, from its resolution or OME-XML, not checked
    channels: tuple[str, ...]  # names of the channels, from OME-TIFF
    apart: tuple[
        tuple[int, int], ...
    ]  # width and height of further tiled images that are not copies, such as other scenes
    largest: tuple[int, int, int]  # number from 0, width and height of the largest tiled image


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF or BigTIFF. Raises `OSError` if it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def read_tiff(path: str | os.PathLike[str]) -> Tiff | None:
    """The content of a TIFF file; None for any other file. No pixel is read.

    Raises:
        InputError: the file ends before the last of its pages or pixels, or they were never written.
    """
    path = Path(path)
    if not is_tiff(path):
        return None
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its messages are raised here as an error
    try:
        with tifffile.TiffFile(path) as file:
            pages = list(file.pages)
            below = [smaller for page in pages if page.subifds for smaller in page.pages]
            if not pages or not all(_is_whole(page, file) for page in [*pages, *below]):
                raise _cut_off(path)
            return _facts(file, pages)
    except (tifffile.TiffFileError, IndexError, ValueError, struct.error) as error:
        raise _cut_off(path) from error


def _cut_off(path: Path) -> InputError:
    return InputError(
        "The file is cut off, because it ends before its last pages or pixels.",
        path=path,
        remedy="Copy or download it again.",
    )


def _is_whole(page, file) -> bool:
    """Whether a page's pixels, the values of its tags, and the page after it lie within the file."""
    tiff, size = file.tiff, file.filehandle.size
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not any(page.databytecounts) or _unwritten(page, file):
        return False
    if tiff.is_ndpi:  # its directories have another form
        return max(ends) <= size
    file.filehandle.seek(page.offset)
    (count,) = struct.unpack(tiff.tagnoformat, file.filehandle.read(tiff.tagnosize))
    directory = file.filehandle.read(count * tiff.tagsize + tiff.offsetsize)
    (next_page,) = struct.unpack(tiff.offsetformat, directory[-tiff.offsetsize :])
    for at in range(0, count * tiff.tagsize, tiff.tagsize):
        _, kind = struct.unpack(tiff.tagformat1, directory[at : at + 4])
        number, value = struct.unpack(tiff.tagformat2, directory[at + 4 : at + tiff.tagsize])
        # Otherwise the value is in the directory itself.
        if (length := number * _SIZES.get(kind, 0)) > tiff.offsetsize:
            ends.append(struct.unpack(tiff.offsetformat, value)[0] + length)
    return max(ends) <= size and next_page < size


def _unwritten(page, file) -> bool:
    """Whether a page's last compressed pixels are zeros, so that space was reserved but not filled."""
    offset, count = max(zip(page.dataoffsets, page.databytecounts, strict=False))
    file.filehandle.seek(offset)
    return page.compression != 1 and count >= 16 and not any(file.filehandle.read(16))


def _facts(file, pages) -> Tiff:
    first = pages[0]
    same = [page for page in pages if page.shape[:2] == first.shape[:2] and not page.is_reduced]
    # Copies of lower resolution are pages of their own, or subpages of the page (OME-TIFF).
    tiled = [page for page in pages if page.is_tiled]
    smaller = [p for p in tiled if p is not first and (p.is_reduced or (not file.is_ome and _is_copy(p, first)))]
    apart = [page for page in tiled if page is not first and page not in smaller and page not in same]
    largest = max(tiled or [first], key=lambda page: page.imagewidth * page.imagelength)
    levels = 1 + max(len(smaller), len(first.subifds or ()))
    ome_mpp, channels = _ome(file.ome_metadata) if file.is_ome else (None, ())
    return Tiff(
        width=first.imagewidth,
        height=first.imagelength,
        tiled=first.is_tiled,
        levels=levels,
        planes=len(same),
        samples=first.samplesperpixel,
        grey=first.photometric in (0, 1),  # PhotometricInterpretation of TIFF 6.0
        unnamed=first.photometric == 2 and first.samplesperpixel == 4 and not any(first.extrasamples),
        bits=first.bitspersample,
        whole_numbers=first.sampleformat in (1, 2, 4),  # SampleFormat: unsigned, signed, not said
        mpp=ome_mpp or _resolution(first),
        channels=channels,
        apart=tuple((page.imagewidth, page.imagelength) for page in apart),
        largest=(pages.index(largest), largest.imagewidth, largest.imagelength),
    )


def _is_copy(page, first) -> bool:
    """Whether a page is smaller than the first and has its shape. Some writers do not mark their levels."""
    ratio = page.imagewidth * first.imagelength / (page.imagelength * first.imagewidth)
    return page.imagewidth < first.imagewidth and abs(ratio - 1) < 0.05


def _resolution(page) -> tuple[float, float] | None:
    unit = _PER_UNIT.get(int(page.tags.valueof("ResolutionUnit", 2)), 0.0)
    ratios = (page.tags.valueof(name, (0, 0)) for name in ("XResolution", "YResolution"))
    x, y = (unit * below / above if above and below else None for above, below in ratios)
    return _both(x, y)


def _both(x: float | None, y: float | None) -> tuple[float, float] | None:
    """Both values, if at least one is there, because some writers state only one."""
    return (x or y, y or x) if x or y else None


def _ome(xml: str) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Microns per pixel and names of channels of the first image in OME-XML (www.openmicroscopy.org/Schemas)."""
    try:
        pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    except ElementTree.ParseError:
        return None, ()
    if pixels is None:
        return None, ()
    names = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    return _both(_length(pixels, "PhysicalSizeX"), _length(pixels, "PhysicalSizeY")), tuple(filter(None, names))


def _length(pixels: ElementTree.Element, name: str) -> float | None:
    try:
        return float(pixels.get(name, "")) * _MICRONS.get(pixels.get(f"{name}Unit", "µm"), 0.0)
    except ValueError:
        return None
