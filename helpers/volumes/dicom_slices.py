"""DICOM files to `Slice` records by their headers alone.

Single-frame and multi-frame (Enhanced) files become the same records, so that everything after this knows
only them. Attribute names are those of DICOM PS3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag

from helpers.errors import InputError
from helpers.volumes.dicom_files import PassedOver, find_dicom_files, read_header, whole_header
from helpers.volumes.dicom_private import PHILIPS_SCALE, philips_scale, private_b_value
from helpers.volumes.header_values import header_text, header_value, numbers, whole_number

# What a series is called by, for lists of several.
GROUP_KEYWORDS = ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "AcquisitionNumber", "ImageType")
# What tells whether two volumes belong together.
EXAMINATION_KEYWORDS = ("PatientID", "FrameOfReferenceUID")
_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_PIXELS = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "PixelRepresentation")
_PIXELS += ("NumberOfFrames", "PixelPaddingValue", "PixelPaddingRangeLimit")
_RESCALE = ("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence")
_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
HEADER_KEYWORDS = ["SOPClassUID", "Modality", "SOPInstanceUID", *GROUP_KEYWORDS, *_PLANE, *_PIXELS, *_RESCALE]
HEADER_KEYWORDS += [*EXAMINATION_KEYWORDS, _SHARED, _PER_FRAME]
_COMMON = (
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "AcquisitionNumber",
    "ImageType",
    *_PLANE[1:],
    *_PIXELS,
    *_RESCALE,
)
_COMMON_TAGS = [*map(Tag, _COMMON), PHILIPS_SCALE]
_HOUNSFIELD = {"HU", "HOUNSFIELD", "HOUNSFIELD UNITS"}
_NO_UNITS = {"", "US", "UNSPECIFIED"}  # what ITK and GDCM write into every CT
# Images computed from a CT, of another quantity.
_MAPS = {"PERFUSION", "RCBF", "RCBV", "CBF", "CBV", "MTT", "TTP", "TMAX", "PERMEABILITY", "EFF_ATOMIC_NUM"}


@dataclass(frozen=True)
class Slice:
    """One image plane: where its pixels are stored and where it lies in the patient (LPS, mm)."""

    path: Path | str  # str: the address of an instance on a DICOMweb server
    frame: int
    series: str  # SeriesInstanceUID
    acquisition: str  # AcquisitionNumber
    modality: str
    image_type: tuple[str, ...]  # values of ImageType in capitals
    units: str | None  # of a CT: "HU", or the name of another quantity
    rows: int
    columns: int
    bits_stored: int
    signed: bool
    floating: bool  # stored as floating-point numbers
    inverted: bool  # MONOCHROME1: high values are dark
    padding: tuple[int, int] | None  # stored values from and to which a pixel is no measurement
    position: np.ndarray  # centre of the first pixel, (3,)
    along_row: np.ndarray  # unit vector of increasing column index, (3,)
    down_column: np.ndarray  # unit vector of increasing row index, (3,)
    pixel_spacing: tuple[float, float]  # between rows, between columns
    thickness: float | None
    slope: float
    intercept: float
    rescaled: bool  # whether the file says how; False leaves slope 1 and intercept 0
    lut: Dataset | None = field(repr=False, compare=False)  # Modality LUT, in place of slope and intercept
    private_scale: float | None  # Philips' own
    has_meta: bool  # whether the file says how it is encoded
    _headers: tuple[Dataset, ...] = field(repr=False, compare=False)

    def get(self, keyword: str) -> Any:
        """Value of a header attribute, the frame's own before the file's; None where absent or empty."""
        # Looked up when asked for: converting every attribute of every file costs more than reading it.
        return header_value(self._headers, keyword)

    def look_up(self, keyword: str) -> Any:
        """The same of any attribute, read from the file again where it was not read before."""
        if (value := self.get(keyword)) is not None or isinstance(self.path, str):
            return value
        header = whole_header(self.path)
        if keyword == "DiffusionBValue" and (value := private_b_value(header)) is not None:
            return value
        frames = header_value((header,), _PER_FRAME)
        if isinstance(frames, DicomSequence):
            groups = header_value((header,), _SHARED)
            shared = groups[0] if isinstance(groups, DicomSequence) else Dataset()
            return header_value((_flatten(shared, frames[self.frame]), header), keyword)
        return header_value((header,), keyword)

    @property
    def name(self) -> str:
        """The file, and the frame where it is not the first, for messages."""
        return f"{self.path}" if self.frame == 0 else f"{self.path} (frame {self.frame + 1})"

    @property
    def normal(self) -> np.ndarray:
        """Unit normal of the plane, turned so that it points to the patient's head, else left, else back."""
        normal = np.cross(self.along_row, self.down_column)
        normal /= np.linalg.norm(normal)
        leading = normal[
            np.argmax(np.abs(normal) + np.array([0, 1e-6, 2e-6]))
        ]  # of equal ones the axis to the head
        return normal if leading >= 0 else -normal


def scan(
    source: Any, keywords: Sequence[str] = (), only: Sequence[Path] | None = None
) -> tuple[list[Slice], list[PassedOver]]:
    """Read the headers of a file, a list of files or a folder: a record for each image plane, and what is none.

    Pixels are left unread. ``keywords`` are read beside those that every volume needs.

    Raises:
        InputError: a file that is cut off, or an image that has no place in a volume; nothing but what is passed
            over, and then why.
    """
    files = find_dicom_files(source)
    known: dict[tuple, dict[str, Any]] = {}
    records: list[Slice] = []
    passed: list[PassedOver] = []
    alone = len(files) == 1
    wanted = [*HEADER_KEYWORDS, PHILIPS_SCALE, *keywords]
    for file in files:
        header = read_header(file, wanted, alone=alone)
        if isinstance(header, PassedOver):
            passed.append(header)
        else:
            records += slices_of_header(file, header.dataset, known, header.floating)
    if not records:
        raise _nothing(source, passed)
    return _without_localizers(records, passed)


def _without_localizers(records: list[Slice], passed: list[PassedOver]) -> tuple[list[Slice], list[PassedOver]]:
    scouts = [record for record in records if "LOCALIZER" in record.image_type]
    if not scouts or len(scouts) == len(records):
        return records, passed
    out = {id(record) for record in scouts}
    files = dict.fromkeys(str(record.path) for record in scouts)
    return [r for r in records if id(r) not in out], [
        *passed,
        *(PassedOver(Path(f), "a localizer") for f in files),
    ]


def _nothing(source: Any, passed: Sequence[PassedOver]) -> InputError:
    first = passed[0]
    if len(passed) == 1:
        return first.error()
    listed = "".join(f"\n  {one}" for one in passed[:10]) + ("\n  ..." if len(passed) > 10 else "")
    return InputError(
        f"None of the {len(passed)} files is an image of a volume:{listed}\n",
        path=source if isinstance(source, (str, Path)) else first.path.parent,
        remedy="Give the folder of a CT or MR series.",
    )


def slices_of_header(
    path: Path | str, header: Dataset, known: dict[tuple, dict[str, Any]], floating: bool = False
) -> list[Slice]:
    """One record for each image plane that a header describes; ``known`` is shared by the headers of a series."""
    frames = header_value((header,), _PER_FRAME)
    if not isinstance(frames, DicomSequence):
        count = header_value((header,), "NumberOfFrames")
        if count is not None and whole_number(count, "NumberOfFrames", path) > 1:
            what = getattr(header_value((header,), "SOPClassUID"), "name", "an object of no known class")
            raise InputError(
                f"The file holds {count} frames without their positions ({what}), so it is no volume.",
                path=path,
                remedy="Export the series as single images, or as Enhanced CT or MR.",
            )
        return [_record(path, 0, header, header, known, floating)]
    groups = header_value((header,), _SHARED)
    shared = groups[0] if isinstance(groups, DicomSequence) else Dataset()
    return [_record(path, i, header, _flatten(shared, frame), known, floating) for i, frame in enumerate(frames)]


def _flatten(shared: Dataset, frame: Dataset) -> Dataset:
    """The attributes of one frame, lifted out of its functional groups; its own win over shared ones."""
    flat = Dataset()
    for groups in (shared, frame):
        for element in groups:
            if element.VR == "SQ" and element.value:
                flat.update(element.value[0])
    return flat


def _record(
    path: Path | str,
    index: int,
    header: Dataset,
    plane: Dataset,
    known: dict[tuple, dict[str, Any]],
    floating: bool,
) -> Slice:
    headers = (header,) if plane is header else (plane, header)
    # Most files of a series differ in little but the position, and converting values costs more than reading them.
    key = (floating, *(_unconverted(headers, tag) for tag in _COMMON_TAGS))
    if key not in known:
        known[key] = _common_facts(path, headers)
    get = partial(header_value, headers)
    if (where := get("ImagePositionPatient")) is None:
        raise _no_place(path, ["ImagePositionPatient"])
    position = np.array(numbers(where, 3, "ImagePositionPatient", path))
    return Slice(path=path, frame=index, position=position, floating=floating, **known[key], _headers=headers)


def _unconverted(headers: tuple[Dataset, ...], tag: int) -> str | None:
    for header in headers:
        element = header.get_item(tag)
        if element is not None:
            return str(element.value)
    return None


def _no_place(path: Path | str, missing: Iterable[str]) -> InputError:
    problem = f"The image has no {', '.join(missing)}, so it has no place in a volume."
    return InputError(problem, path=path, remedy="Read a radiograph or a photograph as a 2D image: read_image.")


def _common_facts(path: Path | str, headers: tuple[Dataset, ...]) -> dict[str, Any]:
    """What the slices of a series usually share, as fields of `Slice`."""
    get = partial(header_value, headers)

    def number(keyword: str, default: float) -> float:
        value = get(keyword)
        return default if value is None else numbers(value, 1, keyword, path)[0]

    if missing := [k for k in (*_PLANE[:3], *_PIXELS[:2]) if get(k) is None]:
        raise _no_place(path, missing)
    rows, columns = (whole_number(get(k), k, path) for k in ("Rows", "Columns"))
    spacing = numbers(get("PixelSpacing"), 2, "PixelSpacing", path)
    if min(rows, columns, *spacing) <= 0:
        wrong = "PixelSpacing" if min(spacing) <= 0 else "size"
        shown = get("PixelSpacing") if min(spacing) <= 0 else f"{rows} x {columns}"
        raise InputError(f"The {wrong} is {shown}.", path=path, remedy="Export it again.")
    colour = header_text(get("PhotometricInterpretation")).upper()
    if number("SamplesPerPixel", 1) != 1 or colour == "PALETTE COLOR":
        raise InputError(
            "The image is in colour; a CT or MR slice has one value a pixel.",
            path=path,
            remedy="Take screenshots and reports out of the folder, or read it as a 2D image: read_image.",
        )
    modality = header_text(get("Modality")).upper()
    lut = get("ModalityLUTSequence")
    lut = lut[0] if isinstance(lut, DicomSequence) else None
    units = header_text(get("RescaleType") if lut is None else lut.get("ModalityLUTType"))
    bits, signed = (
        whole_number(number("BitsStored", 16), "BitsStored", path),
        number("PixelRepresentation", 0) == 1,
    )
    image_type = tuple(header_text(get("ImageType")).upper().split("\\"))
    thickness = get("SliceThickness")
    orientation = _orientation(get("ImageOrientationPatient"), path)
    return {
        "series": header_text(get("SeriesInstanceUID")),
        "acquisition": header_text(get("AcquisitionNumber")),
        "modality": modality,
        "image_type": image_type,
        "units": _units(units, image_type) if modality == "CT" else None,
        "rows": rows,
        "columns": columns,
        "bits_stored": bits,
        "signed": signed,
        "inverted": colour == "MONOCHROME1",
        "padding": _padding(get, signed, path),
        "along_row": orientation[:3],
        "down_column": orientation[3:],
        "pixel_spacing": (spacing[0], spacing[1]),
        "thickness": None if thickness is None else numbers(thickness, 1, "SliceThickness", path)[0],
        "slope": number("RescaleSlope", 1) or 1.0,
        "intercept": number("RescaleIntercept", 0),
        "rescaled": lut is not None or get("RescaleIntercept") is not None,
        "lut": lut,
        "private_scale": philips_scale(headers),
        "has_meta": isinstance(path, str) or "TransferSyntaxUID" in getattr(headers[-1], "file_meta", {}),
    }


def _units(said: str, image_type: Sequence[str]) -> str:
    """The units of a CT by its Rescale Type; one that says nothing leaves it to what the image is of."""
    if said.upper() not in _NO_UNITS:
        return "HU" if said.upper() in _HOUNSFIELD else said
    return next((value for value in image_type if value in _MAPS), "HU")


def _orientation(value: Any, path: Path | str) -> np.ndarray:
    """Unit vectors along the rows and down the columns, (6,)."""
    found = np.array(numbers(value, 6, "ImageOrientationPatient", path))
    along, down = found[:3], found[3:]
    lengths = np.linalg.norm(along), np.linalg.norm(down)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1)) > 0.01 or abs(along @ down) > 0.01:
        raise InputError(
            f"The ImageOrientationPatient {header_text(value)} is no pair of perpendicular unit vectors.",
            path=path,
            remedy="Export the file again.",
        )
    return found


def _padding(get: Any, signed: bool, path: Path | str) -> tuple[int, int] | None:
    """Stored values that stand for no measurement (PS3.3 C.7.5.1.1.2), from and to."""
    ends = [get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    found = []
    for value in ends:
        number = whole_number(ends[0] if value is None else value, "PixelPaddingValue", path)
        # US and SS are often mistaken for each other: 63536 in a signed image is -2000.
        if signed and number > 0x7FFF:
            number -= 0x10000
        elif not signed and number < 0:
            number += 0x10000
        found.append(number)
    return min(found), max(found)
