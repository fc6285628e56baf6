"""Decide whether a file is a whole slide or a picture, and find out why OpenSlide cannot read it."""

from __future__ import annotations

import os
from pathlib import Path

from openslide import OpenSlide

from helpers.errors import InputError
from helpers.slides.download import not_the_file
from helpers.slides.scale import PLAUSIBLE_MPP
from helpers.slides.tiff_file import Tiff, read_tiff

# Endings of slides that OpenSlide cannot read.
OTHER_SUFFIXES = frozenset({".czi", ".isyntax", ".vsi", ".lif", ".zvi", ".kfb", ".sdpc", ".tmap", ".mds"})
# A damaged file of these endings is still a slide.
SLIDE_SUFFIXES = OTHER_SUFFIXES | {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide"}
PICTURE_SIDE = 4000  # pixels; a larger tiled TIFF without a scale may be either
MICROSCOPE_MPP = 5.0  # a larger scale is not a microscope's; a paper scan of 2,400 dpi has 10.6
CONVERT = (
    "Convert it to a tiled, pyramidal TIFF, e.g. with libvips: "
    "vips tiffsave IN OUT.tif --tile --pyramid --compression=jpeg (it keeps the scale)."
)


def is_slide(path: str | os.PathLike[str], mpp: float | None = None) -> bool:
    """Whether a file is a whole slide rather than a picture, even if OpenSlide cannot read it. No pixel is read.

    A TIFF without a scanner's format is a slide if it has a pyramid of levels, if it is tiled and has the scale of
    a microscope, or if it is larger than a photograph. If ``mpp`` is given, any tiled TIFF is a slide.

    Raises:
        InputError: a TIFF file that is cut off.
    """
    path = Path(path)
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return True
    tiff, found = read_tiff(path), OpenSlide.detect_format(path)
    if tiff is None or found not in (None, "generic-tiff"):
        return found is not None
    large = max(tiff.width, tiff.height) > PICTURE_SIDE
    scaled = tiff.mpp is not None and PLAUSIBLE_MPP[0] <= tiff.mpp[0] <= MICROSCOPE_MPP
    if tiff.tiled:
        # With a printer's resolution, it is a photograph of any size. Without a resolution, it may be either.
        photographed = tiff.mpp is not None and MICROSCOPE_MPP < tiff.mpp[0] < 1000
        return mpp is not None or tiff.levels > 1 or scaled or (large and not photographed)
    return large and scaled


def check_form(tiff: Tiff, path: Path) -> None:
    """Raise `InputError` for a TIFF that OpenSlide opens but does not show correctly.

    If the pixels are not colours, OpenSlide shows the first plane as grey. If the file holds several images, it
    reads the first, which may be a label or a thumbnail. It stops at pixels that are floating-point numbers. If
    there are more than four channels, it reads the fourth as transparency.
    """
    page, width, height = tiff.largest
    if width * height > tiff.width * tiff.height:
        raise InputError(
            f"The first image of the file ({tiff.width:,} x {tiff.height:,} pixels) is not its largest "
            f"({width:,} x {height:,}), and OpenSlide reads the first.",
            path=path,
            remedy=f'Extract the largest image, e.g. with libvips: vips tiffsave "IN[page={page}]" OUT.tif '
            "--tile --pyramid --compression=jpeg",
        )
    if tiff.bits > 16 or not tiff.whole_numbers:
        kind = "whole" if tiff.whole_numbers else "floating-point"
        raise InputError(
            f"The pixels are {kind} numbers of {tiff.bits} bits, but OpenSlide reads only whole "
            "numbers of 8 or 16 bits.",
            path=path,
            remedy="Export it again with 8 bits a channel.",
        )
    if not tiff.grey and tiff.samples <= 4:
        return
    names = f" ({', '.join(tiff.channels[:8])})" if tiff.channels else ""
    what = f"{tiff.planes} planes of one channel each{names}" if tiff.planes > 1 else "one channel"
    kind = "a fluorescence or grey image"
    if tiff.samples > 1:
        what, kind = f"{tiff.samples} channels{names}", "a fluorescence or multispectral image"
    raise InputError(
        f"The slide has {what}: it is {kind}.",
        path=path,
        remedy="MedGemma reads stained slides in colour; give an RGB scan.",
    )


def unreadable(path: Path, why: str = "") -> InputError:
    """The error for a slide that OpenSlide cannot read; it says what the file is."""
    if other := not_the_file(path):
        return InputError(other[0], path=path, remedy=other[1])
    tiff = read_tiff(path)  # raises an error if it is cut off
    suffix = path.suffix.lower()
    if suffix in OTHER_SUFFIXES:
        return InputError(
            f"OpenSlide does not read slides of this kind ({suffix}).",
            path=path,
            remedy="Export it as a tiled RGB TIFF with its scanner's software, QuPath or Bio-Formats.",
        )
    if tiff is None:
        return InputError(
            "This is not a whole slide that OpenSlide can read, or it is cut off.",
            path=path,
            remedy="Copy or download it again, or convert it to a tiled, pyramidal TIFF; "
            "read a small image with read_image.",
        )
    check_form(tiff, path)
    size = f"{tiff.width:,} x {tiff.height:,} pixels"
    if not is_slide(path):
        return InputError(f"This is a picture ({size}), not a whole slide.", path=path, remedy="Use read_image.")
    if not tiff.tiled:
        return InputError(
            f"OpenSlide reads only tiled TIFF, but this file ({size}) is stored in strips.",
            path=path,
            remedy=CONVERT,
        )
    said = f": {why}" if why else ""
    return InputError(f"OpenSlide does not read this form of TIFF ({size}{said}).", path=path, remedy=CONVERT)
