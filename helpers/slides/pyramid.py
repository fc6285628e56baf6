"""A whole slide's file and its pyramid of levels, of any OpenSlide format including DICOM.

A slide is addressed in level-0 pixels (x to the right, y down) and microns per pixel (mpp); it is only ever read
in small regions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import openslide
from openslide import OpenSlide, OpenSlideError, OpenSlideUnsupportedFormatError
from PIL import Image
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import VLWholeSlideMicroscopyImageStorage

from helpers.errors import InputError
from helpers.prompts import MAGNIFICATION_MPP

# Scanners call 0.499 as well as 0.5034 um/px "20x": a level this close to what is asked for is taken as it is.
MPP_TOLERANCE = 0.02
PLAUSIBLE_MPP = (0.05, 20.0)  # a TIFF that carries a printer's 72 dpi claims 353 um/px


@dataclass(frozen=True)
class Level:
    """One level of a slide's pyramid, in its own pixels; each spans ``downsample`` level-0 pixels."""

    width: int
    height: int
    downsample: float


@dataclass(frozen=True)
class Slide:
    """An open whole slide. Use it as a context manager, or `close` it."""

    path: Path  # the file that OpenSlide opened; of a DICOM slide, one of its files
    width: int  # level-0 pixels
    height: int
    mpp: float  # microns per level-0 pixel
    levels: tuple[Level, ...]  # from fine to coarse
    bounds: tuple[int, int, int, int]  # x, y, width, height of what was scanned, in level-0 pixels
    handle: OpenSlide | None = field(default=None, repr=False, compare=False)

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

        Raises:
            InputError: even level 0 is coarser, so that patches would have to be upsampled.
        """
        fine_enough = [
            index
            for index, level in enumerate(self.levels)
            if level.downsample * self.mpp <= mpp * (1 + MPP_TOLERANCE)
        ]
        if fine_enough:
            return fine_enough[-1]
        possible = [
            f"{power}x (mpp={target})"
            for power, target in MAGNIFICATION_MPP.items()
            if self.mpp <= target * (1 + MPP_TOLERANCE)
        ]
        raise InputError(
            f"The slide was scanned at {self.mpp:.4g} microns per pixel and is never upsampled to {mpp:.4g}.",
            path=self.path,
            remedy=f"Use {', '.join([*possible, f'mpp={self.mpp:.4g}'])} or coarser.",
        )


def open_slide(path: str | os.PathLike[str], mpp: float | None = None) -> Slide:
    """Open a whole slide of any OpenSlide format; no pixel is read yet.

    Args:
        path: the slide's file; for DICOM (VL Whole Slide Microscopy) its folder or a file in it.
        mpp: microns per pixel of level 0, for a slide that does not say (it goes before what the slide says).

    Raises:
        InputError: no such file, no slide, damaged; several slides in a DICOM folder; microns per pixel missing,
            implausible, or so different in x and y that pixels are not square.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("There is no such file.", path=path, remedy="Check the path.")
    file = _dicom_slide_file(path) if path.is_dir() else path
    try:
        handle = OpenSlide(file)
    except OpenSlideUnsupportedFormatError:
        raise InputError(
            "This is no whole slide that OpenSlide can read, or it is cut off.",
            path=file,
            remedy="Copy or download it again, or convert it to a tiled, pyramidal TIFF; "
            "read a small image with read_image.",
        ) from None
    except OpenSlideError as error:
        raise InputError(
            f"The slide is damaged or incomplete ({error}).", path=file, remedy="Copy or download it again."
        ) from error
    try:
        mpp = _microns_per_pixel(handle.properties, file, mpp)
        width, height = handle.dimensions
        return Slide(
            path=file,
            width=width,
            height=height,
            mpp=mpp,
            levels=tuple(
                Level(*size, downsample)
                for size, downsample in zip(handle.level_dimensions, handle.level_downsamples, strict=True)
            ),
            bounds=_bounds(handle.properties, width, height),
            handle=handle,
        )
    except InputError:
        handle.close()
        raise


def _dicom_slide_file(folder: Path) -> Path:
    """Find a file of the one DICOM slide in ``folder``; OpenSlide finds the slide's other files beside it."""
    slides: dict[str, list[Path]] = {}
    for file in sorted(p for p in folder.iterdir() if p.is_file()):
        try:
            header = dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID", "SeriesInstanceUID"])
        except (InvalidDicomError, EOFError, OSError):
            continue
        if header.get("SOPClassUID") == VLWholeSlideMicroscopyImageStorage:
            slides.setdefault(str(header.get("SeriesInstanceUID")), []).append(file)
    if not slides:
        raise InputError(
            "The folder holds no DICOM whole slide.",
            path=folder,
            remedy="Give the folder that its .dcm files lie in, or the file of a slide of another format.",
        )
    if len(slides) > 1:
        names = ", ".join(files[0].name for files in slides.values())
        raise InputError(
            f"The folder holds {len(slides)} DICOM slides.",
            path=folder,
            remedy=f"Give one file of the slide you want: {names}.",
        )
    (files,) = slides.values()
    return files[0]


def _microns_per_pixel(properties: Mapping[str, str], path: Path, given: float | None) -> float:
    remedy = "Give the microns per pixel of level 0, e.g. open_slide(path, mpp=0.5) for a slide scanned at 20x."
    if given is not None:
        x = y = float(given)
    else:
        try:
            x = float(properties[openslide.PROPERTY_NAME_MPP_X])
            y = float(properties[openslide.PROPERTY_NAME_MPP_Y])
        except (KeyError, ValueError):
            raise InputError("The slide does not say its microns per pixel.", path=path, remedy=remedy) from None
    for value in (x, y):
        if not PLAUSIBLE_MPP[0] <= value <= PLAUSIBLE_MPP[1]:  # also false for nan
            raise InputError(f"{value:.4g} microns per pixel cannot be right.", path=path, remedy=remedy)
    if max(x, y) > 1.05 * min(x, y):
        raise InputError(
            f"Its pixels are not square ({x:.4g} by {y:.4g} microns).",
            path=path,
            remedy="Resample the slide, or give one value: open_slide(path, mpp=...).",
        )
    return (x + y) / 2


def _bounds(properties: Mapping[str, str], width: int, height: int) -> tuple[int, int, int, int]:
    """Return the rectangle that the scanner filled, where it says so (MIRAX leaves most of its canvas empty)."""
    names = ("BOUNDS_X", "BOUNDS_Y", "BOUNDS_WIDTH", "BOUNDS_HEIGHT")
    found = [properties.get(getattr(openslide, f"PROPERTY_NAME_{name}")) for name in names]
    if None in found:
        return 0, 0, width, height
    x, y, w, h = (int(value) for value in found)
    return x, y, min(w, width - x), min(h, height - y)


def read_region(
    slide: Slide, handle: OpenSlide, location: tuple[int, int], level: int, size: tuple[int, int]
) -> Image.Image:
    """Read ``size`` pixels of ``level`` at a level-0 ``location`` as RGB on white."""
    try:
        region = handle.read_region(location, level, size)
    except OpenSlideError as error:
        raise InputError(
            f"The slide's pixels at {location} are damaged ({error}).",
            path=slide.path,
            remedy="Copy or download it again.",
        ) from error
    if region.getchannel("A").getextrema()[0] < 255:
        region = Image.alpha_composite(Image.new("RGBA", size, "white"), region)
    return region.convert("RGB")
