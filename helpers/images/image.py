"""2D medical images (radiographs, photographs, patches) from files to 8-bit RGB."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from helpers.errors import InputError
from helpers.volumes import begins_as_dicom, read_dataset, undecodable


def read_image(path: str | os.PathLike[str]) -> Image.Image:
    """Read a PNG, JPEG, TIFF or single-frame DICOM image as RGB, 8 bits a channel, in its own size.

    A DICOM image goes through its modality and VOI transformations and is inverted when MONOCHROME1, so that it
    looks as on a viewer (PS3.4 N.2). Values without a window, and pictures of 16 bits, are scaled from the lowest
    to the highest.

    Raises:
        InputError: no such file, not an image, cut off, or several frames.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("There is no such file.", path=path, remedy="Check the path.")
    try:
        image = Image.open(path)
        if image.mode.startswith(("I", "F")):  # 16 bits and more: a conversion would clip them at 255
            image = Image.fromarray(_full_range(np.asarray(image), path))
        return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        return _read_dicom_image(path)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"The image is damaged ({error}).", path=path, remedy="Copy it again.") from error


def _read_dicom_image(path: Path) -> Image.Image:
    if not begins_as_dicom(path):
        raise InputError("This is no image that can be read.", path=path, remedy="Use PNG, JPEG, TIFF or DICOM.")
    try:
        dataset = read_dataset(path)
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            raise InputError(
                "The file holds several frames.",
                path=path,
                remedy="Read CT and MR with read_volume, and slides with open_slide.",
            )
        pixels = dataset.pixel_array
    except InputError:
        raise
    except Exception as error:  # the decoders raise errors of many unrelated kinds
        raise undecodable(path, error) from error
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return Image.fromarray(_eight_bits(apply_color_lut(pixels, dataset), 16 if _deep(dataset) else 8))
    if dataset.get("SamplesPerPixel", 1) == 3:  # pydicom has turned YBR into RGB
        return Image.fromarray(_eight_bits(pixels, dataset.BitsStored))
    values = apply_voi_lut(apply_modality_lut(pixels, dataset), dataset).astype(np.float32)
    grey = _full_range(values, path)
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # high values are dark
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB")


def _deep(dataset: Dataset) -> bool:
    """Whether the entries of a palette have 16 bits (PS3.3 C.7.6.3.1.5)."""
    return dataset.RedPaletteColorLookupTableDescriptor[2] == 16


def _eight_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Colours of ``bits`` as uint8, white as white."""
    if bits <= 8:
        return values.astype(np.uint8)
    return np.rint(values.astype(np.float32) / (2**bits - 1) * 255).astype(np.uint8)


def _full_range(values: np.ndarray, path: Path) -> np.ndarray:
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError("The image is of one grey only.", path=path, remedy="Check that it was exported whole.")
    return np.rint((values - low) / (high - low) * 255).astype(np.uint8)
