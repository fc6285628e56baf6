"""Turn one DICOM header into `Slice` records.

Single-frame and multi-frame (Enhanced) files become the same records, so that all other code need not tell them
apart. Attribute names are those of DICOM PS3.3.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from helpers.errors import InputError
from helpers.volumes.dicom_files import modality_of
from helpers.volumes.dicom_private import PHILIPS_SCALE, philips_scale, private_b_value
from helpers.volumes.header_values import (
    header_text,
    header_value,
    numbers,
    orientation_of,
    padding_in,
    plain_numbers,
    units_of,
    whole_number,
)

# Attributes that name a series in lists.
GROUP_KEYWORDS = ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "AcquisitionNumber", "ImageType")
# These tell whether two volumes belong together.
EXAMINATION_KEYWORDS = ("PatientID", "FrameOfReferenceUID")
_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_PIXELS = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation")
_PIXELS += ("BitsAllocated", "BitsStored", "HighBit", "NumberOfFrames")
_PADDINGS = ("PixelPadding", "FloatPixelPadding", "DoubleFloatPixelPadding")
_PIXELS += tuple(f"{padding}{end}" for padding in _PADDINGS for end in ("Value", "RangeLimit"))
_RESCALE = ("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence")
_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
HEADER_KEYWORDS = ["SOPClassUID", "Modality", "SOPInstanceUID", *GROUP_KEYWORDS, *_PLANE, *_PIXELS, *_RESCALE]
HEADER_KEYWORDS += [*EXAMINATION_KEYWORDS, _SHARED, _PER_FRAME]
_COMMON = ("SOPClassUID", "Modality", "SeriesInstanceUID", "AcquisitionNumber", "ImageType", "FrameType")
_COMMON += (*_PLANE[1:], *_PIXELS, *_RESCALE)
_COMMON_TAGS = {int(tag) for tag in (*map(Tag, _COMMON), PHILIPS_SCALE)}  # pydicom's tags are slow to compare
_POSITION = Tag("ImagePositionPatient")
LARGEST = 1e5  # mm, the largest position or spacing
# Attributes that have another name in Enhanced objects.
_ENHANCED = {
    "EchoTime": "EffectiveEchoTime",
    "AcquisitionNumber": "FrameAcquisitionNumber",
    "TriggerTime": "NominalCardiacTriggerDelayTime",
}


@dataclass(frozen=True)
class Slice:
    """One image plane: where its pixels are stored and where it lies in the patient (LPS, mm)."""

    path: Path | str  # str: the address of an instance on a DICOMweb server
    frame: int
    series: str  # SeriesInstanceUID
    acquisition: str  # AcquisitionNumber
    modality: str
    image_type: tuple[str, ...]  # values of ImageType in capitals
    units: str | None  # for a CT: "HU", or the name of another quantity
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    floating: bool  # stored as floating-point numbers
    inverted: bool  # MONOCHROME1: high values are dark
    padding: tuple[float, float] | None  # the range of stored values that are not measurements
    position: np.ndarray  # centre of the first pixel, (3,)
    along_row: np.ndarray  # unit vector of increasing column index, (3,)
    down_column: np.ndarray  # unit vector of increasing row index, (3,)
    pixel_spacing: tuple[float, float]  # between rows, between columns
    thickness: float | None
    slope: float
    intercept: float
    rescaled: bool  # whether the file states slope and intercept; if not, they are 1 and 0
    lut: Dataset | None = field(repr=False, compare=False)  # Modality LUT, in place of slope and intercept
    private_scale: float | None  # Philips' own
    in_place: bool  # whether the file states its encoding, so that its pixels can be read in place
    compressed: bool | None  # None if the header does not say
    pixels_at: int | None  # where the pixels of all frames begin in the file, if they are plain numbers there
    _headers: tuple[Dataset, ...] = field(repr=False, compare=False)
    _whole: Callable[[], Dataset] = field(repr=False, compare=False)  # the header with every attribute
    _told: dict[str, Any] = field(repr=False, compare=False, default_factory=dict)  # values that were looked up
    padding_is_nan: bool = False  # True if the slices of a volume have different paddings

    def get(self, keyword: str) -> Any:
        """The value of a header attribute, from the frame or else from the file; None if absent or empty."""
        # Values are converted only when they are needed, because converting all of them takes longer than reading
        # the file.
        return header_value(self._headers, keyword)

    def look_up(self, *keywords: str) -> tuple[Any, ...]:
        """The values of any attributes. For attributes that were not read before, the file is read again."""
        values = {k: self.get(k) for k in keywords if k not in self._told}
        if absent := [k for k, value in values.items() if value is None]:
            header = self._whole()
            headers: tuple[Dataset, ...] = (header,)
            frames = header_value(headers, _PER_FRAME)
            if isinstance(frames, DicomSequence) and self.frame < len(frames):
                headers = (_flatten(_shared(header), frames[self.frame]), header)
            for keyword in absent:
                names = (keyword, _ENHANCED.get(keyword, keyword))
                values[keyword] = next((v for n in names if (v := header_value(headers, n)) is not None), None)
            if "DiffusionBValue" in absent and values["DiffusionBValue"] is None:
                values["DiffusionBValue"] = private_b_value(header)
        self._told.update(values)
        return tuple(self._told[keyword] for keyword in keywords)

    @property
    def name(self) -> str:
        """The file, and the frame if it is not the first, for messages."""
        return f"{self.path}" if self.frame == 0 else f"{self.path} (frame {self.frame + 1})"

    @property
    def normal(self) -> np.ndarray:
        """Unit normal of the plane, turned so that it points to the patient's head, else left, else back."""
        normal = np.cross(self.along_row, self.down_column)
        normal /= np.linalg.norm(normal)
        leading = normal[np.argmax(np.abs(normal) + np.array([0, 1e-6, 2e-6]))]  # if equal, to the head
        return normal if leading >= 0 else -normal


def slices_of_header(
    path: Path | str,
    header: Dataset,
    known: dict[tuple, dict[str, Any]],
    floating: bool = False,
    whole: Callable[[], Dataset] = Dataset,
    place: int | None = None,
) -> list[Slice]:
    """One record for each image plane that a header describes; ``known`` is shared by the headers of a series.

    ``whole`` gives the header with every attribute. ``place`` is where uncompressed pixels begin in the file.
    """
    record = partial(_record, path, header, known, floating, whole, place)
    frames = header_value((header,), _PER_FRAME)
    said = header_value((header,), "NumberOfFrames")
    count = 1 if said is None else whole_number(said, "NumberOfFrames", path)
    if not isinstance(frames, DicomSequence):
        if count > 1:
            what = getattr(header_value((header,), "SOPClassUID"), "name", "an object of no known class")
            raise InputError(
                f"The file holds {count} frames without positions ({what}), so they are not a volume.",
                path=path,
                remedy="Export the series as single images, or as Enhanced CT or MR.",
            )
        return [record(0, header)]
    if count != len(frames):
        raise InputError(
            f"The header says that the file has {count} frames, but describes {len(frames)}.",
            path=path,
            remedy="Copy or export it again.",
        )
    shared = _shared(header)
    return [record(i, _flatten(shared, frame)) for i, frame in enumerate(frames)]


def _shared(header: Dataset) -> Dataset:
    groups = header_value((header,), _SHARED)
    return groups[0] if isinstance(groups, DicomSequence) else Dataset()


def _flatten(shared: Dataset, frame: Dataset) -> Dataset:
    """The attributes of one frame from its functional groups. Its own attributes win over shared ones."""
    flat = Dataset()
    # Makers' private groups repeat standard attributes, sometimes with other values. The standard attributes win,
    # also those that all frames share.
    for private, groups in itertools.product((True, False), (shared, frame)):
        for element in groups:
            if element.tag.is_private is private and element.VR == "SQ" and element.value:
                flat.update(element.value[0])
                # The direction of diffusion is one sequence deeper.
                for inner in header_value(element.value, "DiffusionGradientDirectionSequence") or ():
                    flat.update(inner)
    return flat


def _record(
    path: Path | str,
    header: Dataset,
    known: dict[tuple, dict[str, Any]],
    floating: bool,
    whole: Callable[[], Dataset],
    place: int | None,
    index: int,
    plane: Dataset,
) -> Slice:
    headers = (header,) if plane is header else (plane, header)
    # Most files of a series differ only in the position, and converting values takes longer than reading them.
    key = (floating, header.original_encoding, *_unconverted(headers))
    if key not in known:
        known[key] = _common_facts(path, headers, floating)
    position = plain_numbers(headers, _POSITION, 3)
    if position is None:
        if (where := header_value(headers, "ImagePositionPatient")) is None:
            raise _no_place(path, ["ImagePositionPatient"])
        position = numbers(where, 3, "ImagePositionPatient", path)
    if max(map(abs, position)) > LARGEST:
        shown = header_text(header_value(headers, "ImagePositionPatient"))
        raise InputError(f"The ImagePositionPatient is {shown}.", path=path, remedy="Export the file again.")
    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    return Slice(
        path=path,
        frame=index,
        position=np.array(position),
        floating=floating,
        in_place=isinstance(path, str) or syntax not in (None, "", DeflatedExplicitVRLittleEndian),
        compressed=syntax.is_compressed if syntax and syntax.is_transfer_syntax else None,
        pixels_at=place if syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian) and not floating else None,
        **known[key],
        _headers=headers,
        _whole=whole,
    )


def _unconverted(headers: tuple[Dataset, ...]) -> Iterator[tuple]:
    """The stored values of the attributes that slices share, to find whether two headers are the same."""
    for header in headers:
        for element in header.values():
            if int(element.tag) not in _COMMON_TAGS:
                continue
            value = element.value
            if isinstance(value, DicomSequence):
                value = tuple((inner.tag, repr(inner.value)) for item in value for inner in item)
            yield element.tag, value if isinstance(value, (bytes, tuple)) else str(value)
        yield ()


class NoSliceError(InputError):
    """An image that is not a slice of a volume."""

    def __init__(self, problem: str, path: Path | str, remedy: str, what: str) -> None:
        super().__init__(problem, path=path, remedy=remedy)
        self.what = what


def _no_place(path: Path | str, missing: Iterable[str]) -> InputError:
    problem = f"The image has no {', '.join(missing)}, so its place in a volume is not known."
    remedy = "Read a radiograph or a photograph as a 2D image, with read_image."
    return NoSliceError(problem, path, remedy, "without a position")


def _common_facts(path: Path | str, headers: tuple[Dataset, ...], floating: bool) -> dict[str, Any]:
    """What the slices of a series usually share, as fields of `Slice`."""
    get = partial(header_value, headers)

    def number(keyword: str, default: float) -> float:
        value = get(keyword)
        return default if value is None else numbers(value, 1, keyword, path)[0]

    if missing := [k for k in (*_PLANE[:3], *_PIXELS[:2]) if get(k) is None]:
        raise _no_place(path, missing)
    rows, columns = (whole_number(get(k), k, path) for k in ("Rows", "Columns"))
    spacing = numbers(get("PixelSpacing"), 2, "PixelSpacing", path)
    if not (min(rows, columns) > 0 and all(1 / LARGEST < abs(x) < LARGEST and x > 0 for x in spacing)):
        wrong = "size" if min(rows, columns) <= 0 else "PixelSpacing"
        shown = f"{rows} x {columns}" if wrong == "size" else header_text(get("PixelSpacing"))
        raise InputError(f"The {wrong} is {shown}.", path=path, remedy="Export it again.")
    colour = header_text(get("PhotometricInterpretation")).upper()
    if number("SamplesPerPixel", 1) != 1 or colour == "PALETTE COLOR":
        problem = "The image is in colour, but a CT or MR slice has one value for each pixel."
        remedy = "Take screenshots and reports out of the folder, or read the file as a 2D image, with read_image."
        raise NoSliceError(problem, path, remedy, "in colour")
    if colour not in ("MONOCHROME1", "MONOCHROME2"):
        problem = f"The PhotometricInterpretation is {colour or 'absent'}, so it is not known what is bright."
        raise InputError(problem, path=path, remedy="Export it again.")
    if not floating and number("PixelRepresentation", -1) not in (0, 1):
        problem = "The PixelRepresentation says neither 0 nor 1, so it is not known whether values are signed."
        raise InputError(problem, path=path, remedy="Export it again.")
    if number("RescaleSlope", 1) == 0:
        raise InputError("The RescaleSlope is 0.", path=path, remedy="Export it again.")
    modality = (header_text(get("Modality")) or modality_of(headers[-1])).upper()
    lut = get("ModalityLUTSequence")
    if lut is not None and not isinstance(lut, DicomSequence):
        raise InputError("The ModalityLUTSequence is not a sequence.", path=path, remedy="Export the file again.")
    lut = None if lut is None else lut[0]
    units = header_text(get("RescaleType") if lut is None else header_value((lut,), "ModalityLUTType"))
    signed = number("PixelRepresentation", 0) == 1
    bits = whole_number(number("BitsStored", 16), "BitsStored", path)
    allocated = whole_number(number("BitsAllocated", 16), "BitsAllocated", path)
    high = whole_number(number("HighBit", bits - 1), "HighBit", path)
    if not 1 <= bits <= allocated <= 64:
        problem = f"The header says that {bits} bits of each pixel are stored in {allocated} bits."
        raise InputError(problem, path=path, remedy="Export it again.")
    image_type = tuple(header_text(get("FrameType") or get("ImageType")).upper().split("\\"))
    thickness = 0.0 if (value := get("SliceThickness")) is None else numbers(value, 1, "SliceThickness", path)[0]
    orientation = orientation_of(get("ImageOrientationPatient"), path)
    return {
        "series": header_text(get("SeriesInstanceUID")),
        "acquisition": header_text(get("AcquisitionNumber")),
        "modality": modality,
        "image_type": image_type,
        "units": units_of(units, image_type) if modality == "CT" else None,
        "rows": rows,
        "columns": columns,
        "bits_allocated": allocated,
        "bits_stored": bits,
        "high_bit": high,
        "signed": signed,
        "inverted": colour == "MONOCHROME1",
        "padding": padding_in(get, floating, signed, allocated, path),
        "along_row": orientation[:3],
        "down_column": orientation[3:],
        "pixel_spacing": (spacing[0], spacing[1]),
        "thickness": thickness if thickness > 0 else None,
        "slope": number("RescaleSlope", 1),
        "intercept": number("RescaleIntercept", 0),
        "rescaled": lut is not None or get("RescaleIntercept") is not None,
        "lut": lut,
        "private_scale": philips_scale(headers),
    }
