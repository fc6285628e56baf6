"""Read the header of one DICOM file of a whole slide: a level of the pyramid, or a picture beside it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, MutableSequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import Tag
from pydicom.uid import UID, VLWholeSlideMicroscopyImageStorage

from helpers.errors import InputError
from helpers.volumes import begins_as_dicom, header_text, header_value

_PICTURES = ("LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER")  # PS3.3 C.8.12.4.1.1, value 3
_LAST = Tag(0x0048FFFF)  # behind it are the positions of up to 100,000 frames
_TAGS = ["SOPClassUID", "SOPInstanceUID", "ImageType", "SeriesInstanceUID", "SeriesNumber", "PyramidUID"]
_TAGS += ["ContainerIdentifier", "ConcatenationUID", "ConcatenationFrameOffsetNumber", "InConcatenationNumber"]
_TAGS += [
    "InConcatenationTotalNumber",
    "DimensionOrganizationType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
]
_TAGS += ["NumberOfFrames", "Rows", "Columns", "BitsAllocated", "ImagedVolumeWidth", "ImagedVolumeHeight"]
_TAGS += ["TotalPixelMatrixColumns", "TotalPixelMatrixRows", "TotalPixelMatrixFocalPlanes", "OpticalPathSequence"]
_NUMBERS = [Tag(keyword) for keyword in _TAGS]


@dataclass(frozen=True)
class SlideImage:
    """The header of one file; `text` and `number` read its attributes, whatever their VR."""

    file: Path
    header: Dataset = field(repr=False)

    def text(self, keyword: str) -> str:
        """An attribute as text, with backslashes between several values; "" if it is absent."""
        return header_text(header_value((self.header,), keyword))

    def number(self, keyword: str) -> float:
        """An attribute as a number; 0 if it is absent or not a number."""
        try:
            return float(self.text(keyword))
        except ValueError:
            return 0.0

    @property
    def picture(self) -> str:
        """The kind of a picture beside the pyramid, such as "label image"; "" for a level."""
        return slide_picture(self.text("ImageType"))

    @property
    def series(self) -> str:
        """SeriesInstanceUID: OpenSlide takes all levels of one series in one folder for one pyramid."""
        return self.text("SeriesInstanceUID")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole level in pixels, not of a tile; (0, 0) if the header does not say."""
        return int(self.number("TotalPixelMatrixColumns")), int(self.number("TotalPixelMatrixRows"))

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of a tile in pixels, 1 at least."""
        return max(1, int(self.number("Columns"))), max(1, int(self.number("Rows")))

    @property
    def optical_path(self) -> Dataset:
        """The first optical path: illumination, lens and channel; "" if none is described."""
        paths = header_value((self.header,), "OpticalPathSequence")
        return paths[0] if isinstance(paths, MutableSequence) else Dataset()

    @property
    def syntax(self) -> str:
        """TransferSyntaxUID; empty without meta information."""
        return header_text(header_value((self.header.file_meta,), "TransferSyntaxUID"))

    @property
    def shown(self) -> str:
        """A description of the slide without a patient's name: series number, container and size."""
        said = [
            f"series {number}" if (number := self.text("SeriesNumber")) else "",
            f"container {container}" if (container := self.text("ContainerIdentifier")) else "",
            "{:,} x {:,} pixels".format(*self.size),
        ]
        return ", ".join(filter(None, said))


def slide_picture(image_type: str) -> str:
    """What an image of a slide is by its ImageType ("ORIGINAL\\\\PRIMARY\\\\LABEL\\\\NONE": a "label image").

    "" for a level of the pyramid (VOLUME), and if the ImageType does not say (PS3.3 C.8.12.4.1.1).
    """
    values = [value.strip().upper() for value in image_type.split("\\")]
    if "VOLUME" in values or len(values) < 3:
        return ""
    found = next((value for value in values if value in _PICTURES), values[2])
    return f"{found.lower()} image"


def slide_key(get: Callable[[str], Any]) -> Hashable:
    """The values that all files of one slide share: series, glass slide (container), and pyramid."""
    return tuple(
        header_text(get(keyword)) for keyword in ("SeriesInstanceUID", "ContainerIdentifier", "PyramidUID")
    )


def read_slide_image(file: Path) -> SlideImage | str:
    """The header of a file of a DICOM slide, or, for any other file, words that say what it is.

    Raises:
        InputError: the file is not DICOM although its name says so, or its header is damaged or cut off.
    """
    if not begins_as_dicom(file):
        what = "an empty file" if not file.stat().st_size else "not a DICOM file"
        raise InputError(
            f"The name of the file suggests a DICOM file, but this is {what}.",
            path=file,
            remedy="Copy or export it again.",
        )
    try:
        with file.open("rb") as stream:
            header = read_partial(stream, lambda tag, *_: tag > _LAST, specific_tags=_NUMBERS, force=True)
        said = (
            header_value((header,), "SOPClassUID"),
            header_value((header.file_meta,), "MediaStorageSOPClassUID"),
        )
        classes = [UID(header_text(value)) for value in said if value]
    except Exception as error:  # a damaged header raises errors of many unrelated kinds
        raise InputError(
            f"The DICOM header cannot be read ({error}).", path=file, remedy="Copy or export the file again."
        ) from error
    if VLWholeSlideMicroscopyImageStorage not in classes:
        return classes[0].name if classes else "DICOM of an unknown kind"
    image = SlideImage(file, header)
    if not image.series or not all(image.size):
        raise InputError(
            "The header of this slide's file is cut off, or it does not state the series or the size "
            "of the level.",
            path=file,
            remedy="Copy or export it again, or take it out of the folder.",
        )
    return image
