"""Read one frame of a DICOM image as a viewer shows it, in grey or in colours, with square pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, MPEGTransferSyntaxes

from helpers.errors import InputError
from helpers.images.dicom_colours import COLOURS, palette_colours, rgb_colours, supplemental_colours
from helpers.images.grey_levels import grey_levels, padding_in_frame
from helpers.images.pages import chosen_page
from helpers.images.rgb import check_size, with_square_pixels
from helpers.images.shutter import hidden_grey, outside_shutter
from helpers.prompts import to_rgb
from helpers.volumes import (
    MADE,
    check_coded,
    coded_frame,
    coded_frames,
    empty_below,
    header_text,
    header_value,
    read_dataset,
    undecodable,
)

# Objects that are made from images but are no images, although some have rows and columns.
_NO_IMAGES = ("Segmentation", "RT Dose", "Parametric Map", "Raw Data", "Surface", "Encapsulated", "Height Map")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_WHOLE_NUMBERS = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit")
_GREY = ("MONOCHROME1", "MONOCHROME2")
# Functional groups with the attributes that the pipeline of a frame needs (PS3.3 C.7.6.16.2).
_GROUPS = ("FrameVOILUTSequence", "PixelValueTransformationSequence", "PixelMeasuresSequence")
# Ratios of a pixel's sides: up to the first it counts as square, over the second as wrong.
_SQUARE, _ODD = 1.01, 20


def read_dicom_image(path: Path, page: int | None = None, *, icc: bool = False) -> Image.Image:
    """One frame of a DICOM image as 8-bit RGB.

    Grey goes through `helpers.images.grey_levels.grey_levels`, colours through ``dicom_colours``. Pixels whose
    sides differ by more than 1% (PixelAspectRatio, else PixelSpacing, ImagerPixelSpacing or
    NominalScannedPixelSpacing) become square; the finer resolution is kept. Arguments as
    `helpers.images.read_image`.

    Raises:
        InputError: the object has no image, there are several frames and none was chosen, the chosen frame does
            not exist, the image is too large, its colours are not in the standard, or its pixels cannot be
            decoded.
    """
    try:
        dataset = read_dataset(path)
        _check_kind(path, dataset)
        frame = chosen_page(path, _frames(dataset), page, "frames", otherwise=_of_many(dataset))
        _correct_types(dataset)
        width, height = dataset.get("Columns"), dataset.get("Rows")
        if not width or not height:
            raise InputError(
                "The file does not state the size of its image (Rows, Columns). It may be cut off.",
                path=path,
                remedy="Copy or export it again.",
            )
        check_size(path, width * height, f"{width} x {height}")
        _check_length(path, dataset)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            _check_coded(path, dataset, frame)
        levels = _levels(dataset, frame)
        return _squared(_shown(path, dataset, levels, frame, icc), levels, path)
    except InputError:
        raise
    except Exception as error:  # pydicom and the decoders raise errors of many unrelated kinds
        raise undecodable(path, error) from error


def made_from_images(name: str, modality: str) -> str:
    """What an object is that was made from images and is none, by the name of its SOP class or by its modality; ""
    for any other.
    """
    return name if any(word in name for word in _NO_IMAGES) else MADE.get(modality, "")


def _check_kind(path: Path, dataset: Dataset) -> None:
    said = header_text(header_value((dataset,), "SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID"))
    name = UID(said).name
    syntax = UID(header_text(dataset.file_meta.get("TransferSyntaxUID")))
    if syntax in MPEGTransferSyntaxes:
        raise InputError(
            f"This is a video ({syntax.name}), which this program cannot decode.",
            path=path,
            remedy="Export one frame as PNG, JPEG or DICOM.",
        )
    if "Whole Slide" in name:
        raise InputError("This is a file of a whole slide, not a 2D image.", path=path, remedy="Use open_slide.")
    what = made_from_images(name, header_text(header_value((dataset,), "Modality")))
    if not what and not any(keyword in dataset and dataset[keyword].value for keyword in _PIXELS):
        what = f"{name} without pixels" if said and name != said else "DICOM without pixels"
        if "Image" in name:
            raise InputError("The file holds no pixels. It may be cut off.", path=path, remedy="Copy it again.")
    if what:
        raise InputError(
            f"This is not a 2D image: {what}.",
            path=path,
            remedy="Give the image that the file belongs to, or another image.",
        )


def _frames(dataset: Dataset) -> int:
    said = header_text(header_value((dataset,), "NumberOfFrames")) or "1"
    return max(1, int(float(said.split("\\")[0])))


def _check_length(path: Path, dataset: Dataset) -> None:
    """Refuse pixels of several frames in a file that does not state them, because the first is not the whole."""
    said = _frames(dataset)
    if said > 1 or not isinstance(dataset.get("PixelData"), bytes):
        return
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        held: float = coded_frames(dataset)
    else:
        pixels = dataset.Rows * dataset.Columns * int(dataset.get("SamplesPerPixel") or 1)
        bits = max(pixels * int(dataset.BitsAllocated), 1)
        padded = 8 * len(dataset.PixelData) - bits == 8  # one byte, to make the length even
        held = 1 if padded else 8 * len(dataset.PixelData) / bits
    if held >= 2 and held == int(held):
        raise InputError(
            f"The file holds the pixels of {held:.0f} frames, but its header says that it has one.",
            path=path,
            remedy="Export it again, or correct its NumberOfFrames.",
        )


def _check_coded(path: Path, dataset: Dataset, frame: int) -> None:
    """Refuse a compressed frame that differs from the header. Correct attributes that the frame decides."""
    coded = coded_frame(dataset.PixelData, dataset, frame, _frames(dataset))
    if coded is None:
        return
    said = (dataset.Columns, dataset.Rows, int(dataset.get("SamplesPerPixel") or 1))
    check_coded(coded, dataset.file_meta.TransferSyntaxUID, said, int(dataset.BitsAllocated), path)
    if coded.coarse and dataset.get("PhotometricInterpretation") == "RGB":
        dataset.PhotometricInterpretation = "YBR_FULL_422"  # only Cb and Cr may be stored more coarsely


def _of_many(dataset: Dataset) -> str:
    name = UID(header_text(header_value((dataset,), "SOPClassUID"))).name
    volume = name.startswith(("Enhanced", "Legacy", "CT", "MR"))
    return "CT and MR volumes are read with read_volume." if volume else ""


def _correct_types(dataset: Dataset) -> None:
    """Give the decoders numbers and words in the types that they need, if their meaning is clear.

    Missing attributes get the value that every viewer assumes.
    """
    for keyword in (*_WHOLE_NUMBERS, "PixelRepresentation"):
        value = header_value((dataset,), keyword)
        if value is not None and not isinstance(value, int):
            del dataset[keyword]  # this also removes its stated type
            setattr(dataset, keyword, int(float(header_text(value).split("\\")[0])))
    kind = header_text(header_value((dataset,), "PhotometricInterpretation")).upper().replace("_COLOR", " COLOR")
    if kind and kind != dataset.get("PhotometricInterpretation"):
        del dataset["PhotometricInterpretation"]
        dataset.PhotometricInterpretation = kind
    if "NumberOfFrames" in dataset:
        count = _frames(dataset)
        del dataset["NumberOfFrames"]
        dataset.NumberOfFrames = count
    bits = dataset.get("BitsStored") or dataset.get("BitsAllocated")
    usual = {"SamplesPerPixel": 3 if kind in COLOURS else 1, "PlanarConfiguration": 0, "PixelRepresentation": 0}
    for keyword, value in {**usual, "BitsStored": bits, "HighBit": bits and bits - 1}.items():
        if value is not None and dataset.get(keyword) is None:
            setattr(dataset, keyword, value)


def _levels(dataset: Dataset, frame: int) -> list[Dataset]:
    """The datasets in which an attribute of a frame is looked up, in this order."""
    frames = header_value((dataset,), "PerFrameFunctionalGroupsSequence") or ()
    shared = header_value((dataset,), "SharedFunctionalGroupsSequence") or ()
    groups = [*frames[frame : frame + 1], *shared[:1]]
    items = [header_value((group,), keyword) for group in groups for keyword in _GROUPS]
    return [*(item[0] for item in items if item), dataset]


def _shown(path: Path, dataset: Dataset, levels: Sequence[Dataset], frame: int, icc: bool) -> Image.Image:
    kind, samples = dataset.get("PhotometricInterpretation"), int(dataset.get("SamplesPerPixel") or 1)
    little = dataset.file_meta.get("TransferSyntaxUID") != ExplicitVRBigEndian
    if samples != (1 if kind in (*_GREY, "PALETTE COLOR") else 3 if kind in COLOURS else None):
        raise InputError(
            f"The pixels are {kind or 'of no stated kind'} with {samples} samples each, so their "
            "colours are not known.",
            path=path,
            remedy="Export it as MONOCHROME2, PALETTE COLOR, RGB or YBR_FULL.",
        )
    hidden = outside_shutter(levels, (dataset.Rows, dataset.Columns))
    if samples == 3:
        return _in_colours(_covered(rgb_colours(dataset, frame), hidden, levels), levels, icc)
    whole, stored = _stored(path, dataset, frame)
    if kind == "PALETTE COLOR":
        return _in_colours(_covered(palette_colours(stored, dataset, little), hidden, levels), levels, icc)
    padding = padding_in_frame(whole, stored, levels)
    if hidden is not None:
        padding = hidden if padding is None else padding | hidden
    grey = _covered(grey_levels(stored, padding, levels, little, path), hidden, levels)
    if header_text(header_value(levels, "PixelPresentation")).upper() in ("COLOR", "MIXED"):
        found = supplemental_colours(stored, dataset, little)
        if found is not None:
            return Image.fromarray(np.where(found[0][..., None], found[1], grey[..., None]))
    return Image.fromarray(grey).convert("RGB")


def _covered(pixels: np.ndarray, hidden: np.ndarray | None, levels: Sequence[Dataset]) -> np.ndarray:
    """Pixels with the shutter's grey where it hides them."""
    if hidden is None:
        return pixels
    return np.where(hidden[..., None] if pixels.ndim == 3 else hidden, np.uint8(hidden_grey(levels)), pixels)


def _in_colours(colours: np.ndarray, levels: Sequence[Dataset], icc: bool) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(colours))
    path_items = header_value(levels, "OpticalPathSequence") or ()
    profile = next((found for one in (*levels, *path_items) if (found := one.get("ICCProfile"))), None)
    if profile:
        image.info["icc_profile"] = bytes(profile)
    return to_rgb(image, icc=icc)


def _stored(path: Path, dataset: Dataset, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of all allocated bits, and of the stored bits. Old overlays are in the other bits."""
    allocated = int(dataset.BitsAllocated)
    bits = int(dataset.get("BitsStored") or allocated)
    if bits >= allocated or allocated not in (8, 16, 32) or "PixelData" not in dataset:
        whole = pixel_array(dataset, index=frame)
        return whole, whole
    whole = pixel_array(dataset, index=frame, correct_unused_bits=False)
    below = empty_below(whole, int(dataset.get("HighBit", bits - 1)), bits, allocated, path)
    above = allocated - bits - below
    return whole, (whole << above) >> (above + below)


def _squared(image: Image.Image, levels: Sequence[Dataset], path: Path) -> Image.Image:
    """Make pixels square. PixelAspectRatio and spacings state the height of a pixel first, then its width."""
    spacings = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    for keyword in spacings:
        parts = header_text(header_value(levels, keyword)).replace(",", ".").split("\\")
        try:
            height, width = map(float, parts)
        except ValueError:
            continue  # absent, or one number for both
        if not (0 < height < np.inf and 0 < width < np.inf):
            continue
        ratio = height / width
        if not 1 / _ODD <= ratio <= _ODD:
            longer = max(ratio, 1 / ratio)
            raise InputError(
                f"The {keyword} {header_text(parts)} says that pixels are {longer:.0f} times as long as wide.",
                path=path,
                remedy="Export the file again, or correct or delete this attribute.",
            )
        if 1 / _SQUARE <= ratio <= _SQUARE:
            return image
        return with_square_pixels(image, ratio, path)
    return image
