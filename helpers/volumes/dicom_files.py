"""Find DICOM files, the kind of object in each, and whether its pixel data is complete; only headers are read."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydicom import Dataset, dcmread
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from helpers.errors import InputError
from helpers.volumes.header_values import header_text, header_value
from helpers.volumes.usual_headers import HEAD, usual_header

# Endings of DICOM files. A file without an ending may also be DICOM, and its content tells.
_DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
_OTHER_SUFFIXES = {".hdr", ".img", ".mgz", ".mgh", ".mha", ".mhd", ".nrrd", ".nhdr"}  # volumes of other formats
_VOLUME_CLASSES = {
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MRImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    PositronEmissionTomographyImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
}
_PACKED = (".zip", ".tar", ".tgz", ".7z", ".rar")
_MODALITIES = {"CT": "CT", "MR": "MR", "PET": "PT", "Positron": "PT"}
_SOP_CLASS, _MEDIA_SOP_CLASS = Tag("SOPClassUID"), Tag("MediaStorageSOPClassUID")
_PIXEL_DATA, _FLOAT, _DOUBLE = (0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)


class NoDicomError(InputError):
    """A folder without DICOM files."""


# Modalities of objects that are made from images. Their class may be newer than the list that pydicom has.
MADE = {"SEG": "a segmentation", "RTDOSE": "a radiation dose", "RTSTRUCT": "an RT structure set"}


class PassedOver(NamedTuple):
    """A file beside the images of a series that was passed over, and what it is."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.what}"

    def error(self) -> InputError:
        """The error if there is no other file."""
        return InputError(
            f"This is not an image of a CT or MR volume: {self.what}.",
            path=self.path,
            remedy="Give the folder of a CT or MR series. Read a 2D image with read_image.",
        )


def names_by_kind(passed: Iterable[PassedOver], most: int) -> Iterator[str]:
    """A few words for each kind of file that was passed over: up to ``most`` names, the number of others, and the
    kind.
    """
    kinds: dict[str, list[str]] = {}
    for one in passed:
        kinds.setdefault(one.what, []).append(one.path.name)
    for what, names in kinds.items():
        more = f" and {len(names) - most} more" if len(names) > most else ""
        yield f"{', '.join(names[:most])}{more} ({what})"


class Header(NamedTuple):
    """The header of an image."""

    dataset: Dataset
    floating: bool = False  # whether its pixels are floating-point numbers
    length: int | None = None  # bytes of its pixel data, where that is not compressed
    place: int | None = None  # where they begin in the file, if they have a length


def find_dicom_files(path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """The files to read for ``path``, which is a file, a list of files, or a folder with everything below it.

    In a folder, this passes over hidden files, DICOMDIR, and files that neither have the ending of a DICOM file
    nor begin like one. Raises `InputError` if no file is left.
    """
    if not isinstance(path, (str, os.PathLike)):
        files = [Path(p) for p in path]
        if not files:
            raise InputError("You gave an empty list of files.", remedy="List the files of one series.")
    elif Path(path).is_dir():
        files = [p for p in sorted(Path(path).rglob("*")) if p.is_file() and not is_hidden(p) and is_dicom_file(p)]
        if not files:
            raise NoDicomError(
                "The folder holds no DICOM files.",
                path=path,
                remedy="Give the folder of one series (files ending in .dcm, or without an ending).",
            )
        return files
    else:
        files = [Path(path)]
    for file in files:
        if not file.is_file():
            raise InputError("This file or folder does not exist.", path=file, remedy="Check the path.")
    return files


def is_hidden(file: Path) -> bool:
    """Whether a file's name says that it is not an image: a hidden file, a companion file of macOS, or a CD's
    directory.
    """
    return file.name.startswith(".") or file.name.upper() == "DICOMDIR"


def promises_dicom(file: Path) -> bool:
    """Whether a DICOM file may have this name. A name without an ending counts, too."""
    suffix = file.suffix.lower()
    return suffix in _DICOM_SUFFIXES or not suffix or suffix[1:].isdigit()


def is_dicom_file(file: Path) -> bool:
    """Whether a file should be read as DICOM, because of the end of its name or the beginning of its content."""
    return file.suffix.lower() in _DICOM_SUFFIXES or begins_as_dicom(file)


def begins_as_dicom(file: Path) -> bool:
    """Whether a file begins as PS3.10 says, or without the preamble, with the elements that come first."""
    with file.open("rb") as stream:
        return _begins_as_dicom(stream.read(132))


def _begins_as_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    if len(head) < 12:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    if head[:2] == b"\0\x08":  # the first group in big endian, which is always explicit
        return explicit and head[2] == 0 and head[3] <= 0x70
    if head[:2] not in (b"\x08\0", b"\x02\0"):
        return False
    element, length = struct.unpack("<HI", head[2:8])
    return element <= 0x0070 and (explicit or length < 1 << 16)


def read_header(path: Path, tags: Mapping[int, BaseTag], *, alone: bool = False) -> Header | PassedOver:
    """The header of an image, or a `PassedOver` that says what else the file is.

    Args:
        path: the file.
        tags: the attributes to read, from `tags_of`.
        alone: whether this is the only file, so that it is an error if it is not an image.

    Raises:
        InputError: the file is not DICOM although its name says so, or it is cut off.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            if not _begins_as_dicom(head):
                return _not_dicom(path, not head, alone)
            if usual := usual_header(head, stream, tags):
                dataset, place, start = usual
            else:
                stream.seek(0)
                dataset = dcmread(stream, stop_before_pixels=True, specific_tags=[*tags.values()], force=True)
                place, start = stream.tell(), stream.read(12)
            tag, whole, length = _pixel_data(stream, dataset, place, start)
        other = what_else(dataset)
        known = other is None
    except InputError:
        raise
    except Exception as error:  # a damaged header raises errors of many unrelated kinds
        raise InputError(
            f"The DICOM header cannot be read ({error}).", path=path, remedy="Copy or export the file again."
        ) from error
    if other:
        return PassedOver(path, other)
    if tag is None and not known and not header_value((dataset,), "Rows") and _sop_classes(dataset):
        return PassedOver(path, "DICOM without pixel data")
    if tag is None:
        raise InputError(
            "This DICOM file holds no pixel data. It may be cut off.",
            path=path,
            remedy="Copy or export it again, or take it out of the folder.",
        )
    if not whole:
        raise InputError("The file is cut off: it ends within its pixel data.", path=path, remedy="Copy it again.")
    place = None if length is None else place + (8 if dataset.original_encoding[0] else 12)
    return Header(dataset, tag in (_FLOAT, _DOUBLE), length, place)


def what_else(header: Dataset) -> str | None:
    """The kind of an object that is not a CT, MR or PET image; None for such an image; "" if neither its class nor
    its modality is known.
    """
    what = next((what for said in _sop_classes(header) if (what := _what_else(said)) != ""), "")
    return MADE.get(header_text(header_value((header,), "Modality")), "") if what == "" else what


def _sop_classes(header: Dataset) -> list[bytes | str]:
    """The SOP classes that a file states in its dataset and in its meta information."""
    parts = ((header, _SOP_CLASS), (getattr(header, "file_meta", None), _MEDIA_SOP_CLASS))
    elements = [part.get_item(tag) for part, tag in parts if part is not None]
    said = [element.value for element in elements if element is not None and element.value]
    return [value if isinstance(value, bytes) else str(value) for value in said]


@functools.lru_cache(maxsize=64)  # asked for each file
def _what_else(said: bytes | str) -> str | None:
    text = said.decode("latin-1") if isinstance(said, bytes) else said
    uid = UID(text.strip("\0 "))
    if uid in _VOLUME_CLASSES:
        return None
    return uid.name if uid.name != uid else ""


def modality_of(header: Dataset) -> str:
    """The modality that an object's class implies; "" if it implies none."""
    name = UID(str(header_value((header,), "SOPClassUID"))).name
    return next((code for word, code in _MODALITIES.items() if f"{word} " in name), "")


def _not_dicom(path: Path, empty: bool, alone: bool) -> PassedOver:
    what = "an empty file" if empty else "not a DICOM file"
    if not alone and (path.suffix.lower() not in _DICOM_SUFFIXES or is_hidden(path)):
        return PassedOver(path, what)
    remedy = "Copy or export it again." if empty else "Take it out of the folder, or export it again."
    if path.suffix.lower() in _OTHER_SUFFIXES and not empty:
        remedy = (
            "Convert it to one NIfTI file (.nii.gz). SimpleITK reads most formats; nibabel reads .mgz and .img."
        )
    if path.suffix.lower() in _PACKED and not empty:
        remedy = "Unpack it, and give the folder."
    raise InputError(f"This is {what}.", path=path, remedy=remedy)


def _pixel_data(
    stream: BinaryIO, header: Dataset, place: int, start: bytes
) -> tuple[tuple[int, int] | None, bool, int | None]:
    """Find the tag of the pixel data, whether the file holds all of it, and its length.

    ``start`` holds the 12 bytes at ``place``, where its element begins. The tag is None without pixel data, and
    the length is None if they are compressed. This function skips the fragments of compressed pixels (PS3.5 annex
    A.4) and reads no pixels.
    """
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    size = os.fstat(stream.fileno()).st_size
    if getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None) == DeflatedExplicitVRLittleEndian:
        stream.seek(0)  # the place has no meaning in the inflated file
        found = dcmread(stream, specific_tags=[Tag(tag) for tag in (_PIXEL_DATA, _FLOAT, _DOUBLE)])
        found = [(element.tag.group, element.tag.element) for element in found]
        return (found[0] if found else None), bool(found), None
    head = start[: 8 if implicit else 12]
    if len(head) < (8 if implicit else 12):
        return None, False, None
    tag = struct.unpack(order + "HH", head[:4])
    if tag not in {_PIXEL_DATA, _FLOAT, _DOUBLE}:
        return None, False, None
    (length,) = struct.unpack(order + "L", head[-4:])
    if length != 0xFFFFFFFF:
        return tag, place + len(head) + length <= size, length
    stream.seek(place + len(head))
    while True:
        item = stream.read(8)
        if len(item) < 8:
            return tag, False, None
        group, element, length = struct.unpack(order + "HHL", item)
        if (group, element) == (0xFFFE, 0xE0DD):
            return tag, True, None
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return tag, False, None
        stream.seek(length, os.SEEK_CUR)


@functools.lru_cache(maxsize=1)  # called for each frame; `whole_header.cache_clear` frees it
def whole_header(path: Path | str) -> Dataset:
    """All attributes of a file except its pixels, for slices that the usual attributes do not tell apart."""
    try:
        return dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # only the attributes that every volume needs can be read
        return Dataset()
