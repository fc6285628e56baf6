"""DICOM files to `Slice` records by their headers alone, and records to decoded pixels.

Single-frame and multi-frame (Enhanced) files become the same records, so that everything after this knows
only them. Attribute names are those of DICOM PS3.3.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import pixel_array
from pydicom.tag import Tag

from helpers.errors import InputError

# What a person may choose a volume by, when the files hold several.
GROUP_KEYWORDS = ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "AcquisitionNumber", "ImageType")
# What tells images at one position apart: echoes, phases, b-values.
REPEAT_KEYWORDS = ("EchoNumbers", "TemporalPositionIdentifier", "TriggerTime", "DiffusionBValue")
# What tells whether two volumes belong together.
EXAMINATION_KEYWORDS = ("PatientID", "FrameOfReferenceUID")
_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_PIXELS = ("Rows", "Columns", "SamplesPerPixel", "BitsStored", "PixelRepresentation", "NumberOfFrames")
_RESCALE = ("RescaleSlope", "RescaleIntercept", "RescaleType")
_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
HEADER_KEYWORDS = ["Modality", "SOPInstanceUID", *GROUP_KEYWORDS, *REPEAT_KEYWORDS, *_PLANE, *_PIXELS, *_RESCALE]
HEADER_KEYWORDS += [*EXAMINATION_KEYWORDS, _SHARED, _PER_FRAME]
_COMMON_TAGS = [
    Tag(k)
    for k in ("Modality", "SeriesInstanceUID", "AcquisitionNumber", *_PLANE, *_PIXELS, *_RESCALE)
    if k != "ImagePositionPatient"
]

# Endings that promise a DICOM file; a file with another ending may lie in the folder beside the series.
_DICOM_SUFFIXES = {"", ".dcm", ".dicom", ".ima"}


@dataclass(frozen=True)
class Slice:
    """One image plane: where its pixels are stored and where it lies in the patient (LPS, mm)."""

    path: Path | str  # str: the address of an instance on a DICOMweb server
    frame: int
    series: str  # SeriesInstanceUID
    acquisition: int | None
    modality: str
    rows: int
    columns: int
    bits_stored: int
    signed: bool
    position: np.ndarray  # centre of the first pixel, (3,)
    along_row: np.ndarray  # unit vector of increasing column index, (3,)
    down_column: np.ndarray  # unit vector of increasing row index, (3,)
    pixel_spacing: tuple[float, float]  # between rows, between columns
    thickness: float | None
    slope: float
    intercept: float
    _headers: tuple[Dataset, ...] = field(repr=False, compare=False)

    def get(self, keyword: str) -> Any:
        """Value of a header attribute, the frame's own before the file's; None where absent or empty."""
        # Looked up when asked for: converting every attribute of every file costs more than reading it.
        for header in self._headers:
            if header.get(keyword) not in (None, ""):
                return header.get(keyword)
        return None

    @property
    def name(self) -> str:
        """The file, and the frame where it is not the first, for messages."""
        return f"{self.path}" if self.frame == 0 else f"{self.path} (frame {self.frame + 1})"

    @property
    def normal(self) -> np.ndarray:
        """Unit normal of the plane, turned so that it points to the patient's head."""
        normal = np.cross(self.along_row, self.down_column)
        return normal if normal[2] >= 0 else -normal

    @property
    def group(self) -> tuple:
        """What must be equal for two slices to be of one volume."""
        orientation = tuple(round(float(x), 2) + 0.0 for x in (*self.along_row, *self.down_column))
        spacing = tuple(round(x, 3) for x in self.pixel_spacing)
        return self.series, self.acquisition, orientation, self.rows, self.columns, spacing, self.modality


def find_dicom_files(path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files to read for ``path``: a file, a list of files, or a folder with everything below it.

    In a folder, hidden files, DICOMDIR and files with a foreign ending (a README.txt, say) are passed over.
    """
    if not isinstance(path, (str, os.PathLike)):
        files = [Path(p) for p in path]
        if not files:
            raise InputError("The list of files is empty.", remedy="Name the files of one series.")
    elif Path(path).is_dir():
        files = [
            p
            for p in sorted(Path(path).rglob("*"))
            if p.is_file() and not p.name.startswith(".") and p.name.upper() != "DICOMDIR" and promises_dicom(p)
        ]
        if not files:
            raise InputError(
                "The folder holds no DICOM files.",
                path=path,
                remedy="Give the folder of one series (files ending in .dcm, or without an ending).",
            )
    else:
        files = [Path(path)]
    for file in files:
        if not file.is_file():
            raise InputError("There is no such file or folder.", path=file, remedy="Check the path.")
    return files


def promises_dicom(file: Path) -> bool:
    """Whether a file's name is one that DICOM files have."""
    return file.suffix.lower() in _DICOM_SUFFIXES or file.suffix[1:].isdigit()


def scan(files: Sequence[Path]) -> list[Slice]:
    """Read the headers of ``files`` and return one record for each image plane, pixels left unread.

    Raises `InputError` for a file that is not DICOM, is cut off, or has no place in a volume.
    """
    known: dict[tuple, dict[str, Any]] = {}
    return [record for file in files for record in _scan_file(file, known)]


def _scan_file(path: Path, known: dict[tuple, dict[str, Any]]) -> list[Slice]:
    try:
        with path.open("rb") as stream:
            header = dcmread(stream, stop_before_pixels=True, specific_tags=HEADER_KEYWORDS)
            _check_pixel_data(path, _pixel_data_is_whole(stream, header))
        return slices_of_header(path, header, known)
    except InputError:
        raise
    except InvalidDicomError:
        raise InputError(
            "This is not a DICOM file.", path=path, remedy="Take it out of the folder, or export it again."
        ) from None
    except (EOFError, OSError, ValueError, struct.error) as error:
        raise InputError(
            f"The DICOM header cannot be read ({error}).", path=path, remedy="Copy or export the file again."
        ) from error


def slices_of_header(path: Path | str, header: Dataset, known: dict[tuple, dict[str, Any]]) -> list[Slice]:
    """One record for each image plane that a header describes; ``known`` is shared by the headers of a series."""
    if _PER_FRAME not in header:
        return [_record(path, 0, header, header, known)]
    shared = header[_SHARED].value[0] if header.get(_SHARED) else Dataset()
    frames = header[_PER_FRAME].value
    return [_record(path, i, header, _flatten(shared, frame), known) for i, frame in enumerate(frames)]


def _check_pixel_data(path: Path, whole: bool | None) -> None:
    if whole is None:
        raise InputError(
            "This DICOM file holds no pixel data.",
            path=path,
            remedy="Take it out of the folder (reports, structure sets and directories are not images).",
        )
    if not whole:
        raise InputError("The file is cut off: it ends within its pixel data.", path=path, remedy="Copy it again.")


def _flatten(shared: Dataset, frame: Dataset) -> Dataset:
    """The attributes of one frame, lifted out of its functional groups; its own win over shared ones."""
    flat = Dataset()
    for groups in (shared, frame):
        for element in groups:
            if element.VR == "SQ" and element.value:
                flat.update(element.value[0])
    return flat


def _record(
    path: Path | str, index: int, header: Dataset, plane: Dataset, known: dict[tuple, dict[str, Any]]
) -> Slice:
    headers = (header,) if plane is header else (plane, header)
    # Most files of a series differ in little but the position, and converting values costs more than reading them.
    key = tuple(_unconverted(headers, tag) for tag in _COMMON_TAGS)
    if key not in known or plane.get("ImagePositionPatient") is None:
        known[key] = _common_facts(path, headers)
    position = np.asarray(plane.ImagePositionPatient, dtype=float)
    return Slice(path=path, frame=index, position=position, **known[key], _headers=headers)


def _unconverted(headers: tuple[Dataset, ...], tag: int) -> str | None:
    for header in headers:
        element = header.get_item(tag)
        if element is not None:
            return str(element.value)
    return None


def _common_facts(path: Path | str, headers: tuple[Dataset, ...]) -> dict[str, Any]:
    """What the slices of a series usually share, as fields of `Slice`."""

    def get(keyword: str) -> Any:
        return next((h.get(keyword) for h in headers if h.get(keyword) not in (None, "")), None)

    missing = [k for k in (*_PLANE[:3], *_PIXELS[:2]) if get(k) is None]
    if missing:
        raise InputError(
            f"The image has no {', '.join(missing)}, so it has no place in a volume.",
            path=path,
            remedy="Radiographs, photographs and secondary captures are 2D images: use read_image for them.",
        )
    if get("SamplesPerPixel") not in (None, 1):
        raise InputError(
            "The image is in colour; a CT or MR slice has one value a pixel.",
            path=path,
            remedy="Take screenshots and reports out of the folder.",
        )
    if get("Modality") == "CT" and get("RescaleIntercept") is None:
        raise InputError(
            "The CT image has no RescaleIntercept, so its values are not Hounsfield units.",
            path=path,
            remedy="Export it again from the scanner's or archive's original.",
        )
    if min(get("PixelSpacing")) <= 0:
        raise InputError(f"The PixelSpacing is {get('PixelSpacing')}.", path=path, remedy="Export it again.")
    orientation = np.asarray(get("ImageOrientationPatient"), dtype=float)
    thickness = get("SliceThickness")
    return {
        "series": str(get("SeriesInstanceUID") or ""),
        "acquisition": get("AcquisitionNumber"),
        "modality": get("Modality") or "",
        "rows": int(get("Rows")),
        "columns": int(get("Columns")),
        "bits_stored": int(get("BitsStored") or 16),
        "signed": get("PixelRepresentation") == 1,
        "along_row": orientation[:3],
        "down_column": orientation[3:],
        "pixel_spacing": (float(get("PixelSpacing")[0]), float(get("PixelSpacing")[1])),
        "thickness": None if thickness is None else float(thickness),
        "slope": float(get("RescaleSlope") or 1),
        "intercept": float(get("RescaleIntercept") or 0),
    }


def _pixel_data_is_whole(stream: BinaryIO, header: Dataset) -> bool | None:
    """Whether the pixel data, at which ``stream`` stands, lies wholly in the file; None if there is none.

    Steps over the element (over its fragments when compressed, PS3.5 annex A.4) without reading pixels.
    """
    little, implicit = header.original_encoding[1], header.original_encoding[0]
    order = "<" if little else ">"
    size = os.fstat(stream.fileno()).st_size
    if getattr(header.file_meta, "TransferSyntaxUID", None) == "1.2.840.10008.1.2.1.99":
        return True  # deflated: the stream is not at a place in the file; decoding will tell
    head = stream.read(8 if implicit else 12)
    if len(head) < (8 if implicit else 12):
        return None
    tag = struct.unpack(order + "HH", head[:4])
    if tag not in {(0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)}:
        return None
    (length,) = struct.unpack(order + "L", head[-4:])
    if length != 0xFFFFFFFF:
        return stream.tell() + length <= size
    while True:
        item = stream.read(8)
        if len(item) < 8:
            return False
        group, element, length = struct.unpack(order + "HHL", item)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return False
        stream.seek(length, os.SEEK_CUR)


def decode_slices(
    slices: Sequence[Slice], workers: int | None = None, file_of: Callable[[Slice], Path | str] | None = None
) -> np.ndarray:
    """Decode ``slices`` in parallel and rescale each: array (n, rows, columns), int16 where that is exact.

    ``file_of`` gives the file of a record whose own path is not one (it may download it, and raise `InputError`).
    Takes every transfer syntax that an installed pydicom decoder reads. Raises `InputError` naming the file.
    """
    dtype = np.int16 if all(_fits_int16(s) for s in slices) else np.float32
    out = np.empty((len(slices), slices[0].rows, slices[0].columns), dtype)

    def fill(i: int) -> None:
        record = slices[i]
        try:
            stored = pixel_array(file_of(record) if file_of else record.path, index=record.frame)
        except InputError:
            raise
        except Exception as error:  # the decoders raise errors of many unrelated kinds
            raise InputError(
                f"The pixel data cannot be decoded ({error}).",
                path=record.name,
                remedy="Copy or export the file again.",
            ) from error
        if record.slope != 1 or record.intercept != 0:
            wide = np.int32 if dtype == np.int16 else np.float32
            stored = stored.astype(wide) * wide(record.slope) + wide(record.intercept)
        out[i] = stored

    if len(slices) == 1:
        fill(0)
        return out
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for _ in pool.map(fill, range(len(slices))):
            pass
    return out


def _fits_int16(record: Slice) -> bool:
    if record.slope != int(record.slope) or record.intercept != int(record.intercept):
        return False
    span = 2**record.bits_stored
    low, high = (-span // 2, span // 2 - 1) if record.signed else (0, span - 1)
    ends = (low * record.slope + record.intercept, high * record.slope + record.intercept)
    return min(ends) >= -32768 and max(ends) <= 32767
