"""Read one 2D medical image (radiograph, photograph, patch, page) from a file of any format as 8-bit RGB."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from helpers.errors import InputError
from helpers.images.dicom_image import read_dicom_image
from helpers.images.pdf_pages import is_pdf, pdf_page_count, read_pdf_page
from helpers.images.picture import read_picture
from helpers.images.tiff_picture import read_tiff_picture, tiff_page_count
from helpers.slides import is_slide, is_tiff
from helpers.volumes import begins_as_dicom


def read_image(path: str | os.PathLike[str], page: int | None = None, *, icc: bool = False) -> Image.Image:
    """Read a picture (PNG, JPEG, TIFF, WebP, JPEG 2000, HEIC, ...), a page or a DICOM image as a viewer shows it.

    - DICOM goes through the grayscale pipeline of the standard (PS3.4 N.2) once: modality LUT or rescale, VOI LUT
      or the first window that is valid (PS3.3 C.11.2), inversion where MONOCHROME1. Without a window, values go
      from the lowest to the highest that is not padding. Padding is black. Pixels that are not square become
      square. `helpers.images.dicom_image` and ``grey_levels`` describe the details.
    - Pictures of 8 bits keep their values, colours of more bits are scaled by their depth, grey of more bits from
      the lowest to the highest value. Transparency is composed on white, and the image is turned upright.
    - A page of a PDF is drawn with 1,792 pixels on its longer side, twice what the model sees.

    Args:
        path: the file. Its content decides the format, not its name.
        page: the page or frame to read, from 0, where the file holds several. Thumbnails are not pages.
        icc: whether colours with an embedded ICC profile become sRGB. By default they stay as they are stored, as
            MedGemma's own processor leaves them.

    Returns:
        RGB, 8 bits a channel, in the size of the file where its pixels are square.

    Raises:
        InputError: the file does not exist, is not an image, is a whole slide, is cut off or too large; it has
            several pages and none was chosen; the page does not exist; or the image has no contrast.
    """
    path = Path(path)
    kind = _kind(path)
    # The first page of a slide's file, or a picture in it, is not the slide.
    if kind in ("tiff", "picture") and is_slide(path):
        raise InputError(
            "This is a whole slide, not a 2D image.",
            path=path,
            remedy="Read the file with open_slide, or give the modality slide in a table. If it is a "
            "photograph, save it as PNG.",
        )
    return _READERS[kind](path, page, icc=icc)


def page_count(path: str | os.PathLike[str]) -> int:
    """The number of pages of a PDF or TIFF; 1 for any other file. Raises `InputError` as `read_image` does."""
    path = Path(path)
    count = {"pdf": pdf_page_count, "tiff": tiff_page_count}.get(_kind(path))
    return count(path) if count else 1


_READERS = {
    "dicom": read_dicom_image,
    "pdf": read_pdf_page,
    "tiff": read_tiff_picture,
    "picture": read_picture,
}


def _kind(path: Path) -> str:
    """Which of `_READERS` a file needs, by its content. Raises `InputError` if no file can be read there."""
    if path.is_dir():
        raise InputError("This is a folder, not an image.", path=path, remedy="Give one of the folder's files.")
    if not path.is_file():
        raise InputError("This file does not exist.", path=path, remedy="Check the path.")
    try:
        if begins_as_dicom(path):
            return "dicom"
        return "pdf" if is_pdf(path) else "tiff" if is_tiff(path) else "picture"
    except OSError as error:
        raise InputError(f"The file cannot be read ({error.strerror}).", path=path, remedy="Check it.") from error
