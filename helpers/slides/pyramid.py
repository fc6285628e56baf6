"""Open a whole slide of any OpenSlide format, including DICOM, and read from its pyramid of levels.

A slide is addressed in level-0 pixels (x to the right, y down) and microns per pixel (mpp); only small regions are
ever read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import openslide
from openslide import OpenSlide, OpenSlideError, OpenSlideUnsupportedFormatError
from PIL import Image, ImageCms

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP
from helpers.slides.dicom_slide import dicom_slide_file, imaged_volume_mpp
from helpers.slides.scale import microns_per_pixel
from helpers.slides.slide_file import OTHER_SUFFIXES, check_form, unreadable
from helpers.slides.tiff_file import Tiff, read_tiff
from helpers.volumes import is_dicom_file

# Scanners call both 0.499 and 0.5034 um/px "20x". A level that is this close to the wanted scale is used without
# resampling.
MPP_TOLERANCE = 0.02
# A slide of 0.55 um/px is still shown as 20x, pixel for pixel, because upsampling would add no detail.
COARSER = 0.15
COARSEST = 1000.0  # um/px; a patch would be a metre wide
SHAPE = 0.05  # how much the shape of a level may differ from the slide's
SEVERAL_FILES = {".mrxs", ".vms", ".vmu"}  # slides whose main file names other files
TIFF = "generic-tiff"  # OpenSlide's name for a TIFF without a scanner's format


@dataclass(frozen=True)
class Level:
    """One level of a slide's pyramid, in its own pixels; each spans ``downsample`` level-0 pixels."""

    width: int
    height: int
    downsample: float


@dataclass(frozen=True)
class Slide:
    """An open whole slide. Use it as a context manager, or `close` it."""

    path: Path  # the file that OpenSlide opened; for a DICOM slide, one of its files
    width: int  # level-0 pixels
    height: int
    mpp: float  # microns per level-0 pixel
    levels: tuple[Level, ...]  # from fine to coarse
    bounds: tuple[int, int, int, int]  # x, y, width and height of the scanned area, in level-0 pixels
    notes: tuple[str, ...] = ()  # sentences about anything that was estimated, skipped or left out
    handle: OpenSlide | None = field(default=None, repr=False, compare=False)
    # From its ICC profile.
    to_srgb: ImageCms.ImageCmsTransform | None = field(default=None, repr=False, compare=False)

    def close(self) -> None:
        """Close the slide's file."""
        if self.handle is not None:
            self.handle.close()

    def __enter__(self) -> Slide:
        """Return the slide itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the slide."""
        self.close()

    def best_level(self, mpp: float) -> int:
        """Return the coarsest level that is not coarser than ``mpp`` microns per pixel.

        Level 0 is also returned if it is at most 15 % coarser.

        Raises:
            InputError: even level 0 is coarser, so that patches would have to be upsampled; or the scale is not
                possible.
        """
        if not 0 < mpp < COARSEST:
            raise InputError(
                f"Patches cannot have {mpp:g} microns per pixel.",
                path=self.path,
                remedy="Use 0.5 (20x), 1 (10x) or 2 (5x).",
            )
        fine_enough = [
            index
            for index, level in enumerate(self.levels)
            if level.downsample * self.mpp <= mpp * (1 + MPP_TOLERANCE)
        ]
        if fine_enough:
            return fine_enough[-1]
        if self.mpp <= mpp * (1 + COARSER):
            return 0
        possible = [
            f"{power}x (mpp={target}, --magnification {power})"
            for power, target in MAGNIFICATION_MPP.items()
            if self.mpp <= target * (1 + COARSER)
        ]
        raise InputError(
            f"The slide was scanned at {self.mpp:.4g} microns per pixel, and this program does not "
            f"enlarge it to {mpp:.4g}.",
            path=self.path,
            remedy=(
                f"Use {', '.join(possible)} or coarser." if possible else "The slide is too coarse to show cells."
            )
            + " If the scale of the slide is wrong, give the right one, e.g. mpp=0.5 (--mpp 0.5).",
        )


def open_slide(path: str | os.PathLike[str], mpp: float | None = None, *, icc: bool = True) -> Slide:
    """Open a whole slide of any OpenSlide format; no pixel is read yet.

    Args:
        path: the slide's file; for DICOM (VL Whole Slide Microscopy) its folder or a file in it.
        mpp: microns per pixel of level 0, for a slide that does not state them. This value overrides the slide's
            own.
        icc: whether colours are converted to sRGB with the slide's ICC profile, if it has one.

    Raises:
        InputError: the file does not exist, is not a slide, is cut off, or has one channel; a DICOM folder holds
            several slides; or the microns per pixel are missing together with the objective, are implausible, or
            differ so much in x and y that pixels are not square.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("This file does not exist.", path=path, remedy="Check the path.")
    file, passed_over = dicom_slide_file(path) if path.is_dir() or is_dicom_file(path) else (path, ())
    if file.suffix.lower() in OTHER_SUFFIXES:
        raise unreadable(file)
    tiff = read_tiff(file)
    try:
        handle = OpenSlide(file)
    except OpenSlideUnsupportedFormatError:
        raise unreadable(file) from None
    except OpenSlideError as error:
        if tiff is not None and "nsupported" in str(error):
            raise unreadable(file, str(error)) from error
        several = file.suffix.lower() in SEVERAL_FILES
        raise InputError(
            f"The slide is damaged or incomplete ({error}).",
            path=file,
            remedy=f"Copy or download it again{', with all files that belong to it' if several else ''}.",
        ) from error
    try:
        if tiff is not None:
            check_form(tiff, file)
        plain = tiff is not None and handle.properties.get(openslide.PROPERTY_NAME_VENDOR) == TIFF
        imaged = imaged_volume_mpp(file) if is_dicom_file(file) else None
        stated = tiff.mpp if plain else (imaged, imaged) if imaged else None
        mpp, notes = microns_per_pixel(handle.properties, file, mpp, stated)
        levels = _levels(handle)
        if plain:
            levels = _of_one_shape(levels, notes)
            notes += _other_images(tiff)
            if tiff.unnamed:
                notes.append("The file does not name the slide's fourth channel, so it was read as transparency.")
        to_srgb = _to_srgb(handle, notes) if icc else None
        width, height = handle.dimensions
        return Slide(
            path=file,
            width=width,
            height=height,
            mpp=mpp,
            levels=levels,
            bounds=_bounds(handle.properties, width, height),
            notes=(*passed_over, *notes),
            handle=handle,
            to_srgb=to_srgb,
        )
    except InputError:
        handle.close()
        raise


def _levels(handle: OpenSlide) -> tuple[Level, ...]:
    sizes = zip(handle.level_dimensions, handle.level_downsamples, strict=True)
    return tuple(Level(*size, downsample) for size, downsample in sizes)


def _of_one_shape(levels: tuple[Level, ...], notes: list[str]) -> tuple[Level, ...]:
    """The levels before the first one with another shape.

    In a plain TIFF, OpenSlide takes every page that is marked as reduced for a level. A label may be marked so,
    and would be taken for the overview.
    """
    first = levels[0]
    for index, level in enumerate(levels):
        across, down = level.width * first.height, level.height * first.width
        if abs(across - down) > max(SHAPE * across, 2 * (first.width + first.height)):
            notes.append(
                f"The levels from {level.width:,} x {level.height:,} pixels on were passed over, "
                "because they do not have the shape of the slide."
            )
            return levels[:index]
    return levels


def _other_images(tiff: Tiff) -> list[str]:
    """A sentence about a file with several images, of which OpenSlide reads only the first; "" for one image."""
    count = tiff.planes + len(tiff.apart)
    sizes = ", ".join(f"{width:,} x {height:,}" for width, height in tiff.apart[:5])
    others = f"; there are others of {sizes} pixels" if sizes else ""
    return [f"Only the first of the file's {count} images was read{others}."] if count > 1 else []


def _to_srgb(handle: OpenSlide, notes: list[str]) -> ImageCms.ImageCmsTransform | None:
    """The transform from the scanner's colours to sRGB, if the slide holds an ICC profile."""
    try:
        profile = handle.color_profile
        if profile is None:
            return None
        return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, OpenSlideError) as error:
        notes.append(f"The ICC profile cannot be used ({error}), so the colours were not converted.")
        return None


def _bounds(properties: Mapping[str, str], width: int, height: int) -> tuple[int, int, int, int]:
    """The rectangle that the scanner filled, if the file says so (MIRAX leaves most of its canvas empty)."""
    names = ("BOUNDS_X", "BOUNDS_Y", "BOUNDS_WIDTH", "BOUNDS_HEIGHT")
    found = [properties.get(getattr(openslide, f"PROPERTY_NAME_{name}")) for name in names]
    if None in found:
        return 0, 0, width, height
    left, top, w, h = (int(value) for value in found)
    x, y = max(left, 0), max(top, 0)
    w, h = min(left + w, width) - x, min(top + h, height) - y
    return (x, y, w, h) if w > 0 and h > 0 else (0, 0, width, height)


def read_region(
    slide: Slide,
    handle: OpenSlide,
    location: tuple[int, int],
    level: int,
    size: tuple[int, int],
    glass: tuple[int, int, int] = (255, 255, 255),
) -> Image.Image:
    """Read ``size`` pixels of ``level`` at a level-0 ``location`` as RGB.

    Areas that were not scanned get the colour ``glass``.
    """
    # For a place beyond the upper or left edge, OpenSlide drops the fraction, which would shift the picture by up
    # to a pixel.
    downsample = slide.levels[level].downsample
    beyond = [min(max(round(-at / downsample), 0), side) for at, side in zip(location, size, strict=True)]
    location = max(location[0], 0), max(location[1], 0)
    if any(beyond):
        picture, rest = Image.new("RGB", size, glass), (size[0] - beyond[0], size[1] - beyond[1])
        if min(rest) > 0:
            picture.paste(read_region(slide, handle, location, level, rest, glass), tuple(beyond))
        return picture
    try:
        region = handle.read_region(location, level, size)
    except OpenSlideError as error:
        raise InputError(
            f"The slide's pixels at {location} are damaged ({error}).",
            path=slide.path,
            remedy="Copy or download it again.",
        ) from error
    scanned = region.getchannel("A")
    rgb = region.convert("RGB")
    if slide.to_srgb is not None:
        rgb = ImageCms.applyTransform(rgb, slide.to_srgb)
    if scanned.getextrema()[0] < 255:
        rgb = Image.composite(rgb, Image.new("RGB", size, glass), scanned)
    return rgb
