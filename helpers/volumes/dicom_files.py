"""Which files are DICOM, what kind of object each is, and whether its pixel data is whole: by headers alone."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    CTImageStorage,
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

# Endings that promise a DICOM file. One without an ending may be DICOM; its content tells.
_DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
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
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXEL_DATA, _FLOAT, _DOUBLE = (0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)


class PassedOver(NamedTuple):
    """A file beside the images of a series, and what it is."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.what}"

    def error(self) -> InputError:
        """Where nothing else is there."""
        return InputError(
            f"This is no image of a CT or MR volume: {self.what}.",
            path=self.path,
            remedy="Give the folder of a CT or MR series; for a 2D image use read_image.",
        )


class Header(NamedTuple):
    """The header of an image."""

    dataset: Dataset
    floating: bool = False  # whether its pixels are floating-point numbers


def find_dicom_files(path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files to read for ``path``: a file, a list of files, or a folder with everything below it.

    In a folder, hidden files and DICOMDIR are passed over, and so is what neither has the ending of a DICOM file
    nor begins as one. Raises `InputError` where nothing is left.
    """
    if not isinstance(path, (str, os.PathLike)):
        files = [Path(p) for p in path]
        if not files:
            raise InputError("The list of files is empty.", remedy="Name the files of one series.")
    elif Path(path).is_dir():
        files = [p for p in sorted(Path(path).rglob("*")) if p.is_file() and not is_hidden(p) and is_dicom_file(p)]
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


def is_hidden(file: Path) -> bool:
    """Whether a file is no image by its name: hidden, what macOS keeps beside a file, or a directory of a CD."""
    return file.name.startswith(".") or file.name.upper() == "DICOMDIR"


def promises_dicom(file: Path) -> bool:
    """Whether a file's name is one that DICOM files have; one without an ending is such a name too."""
    suffix = file.suffix.lower()
    return suffix in _DICOM_SUFFIXES or not suffix or suffix[1:].isdigit()


def is_dicom_file(file: Path) -> bool:
    """Whether a file is to be read as DICOM: its name ends so, or its content begins so."""
    return file.suffix.lower() in _DICOM_SUFFIXES or begins_as_dicom(file)


def begins_as_dicom(file: Path) -> bool:
    """Whether a file begins as PS3.10 says, or, without the preamble, with the elements that stand first."""
    with file.open("rb") as stream:
        return _begins_as_dicom(stream.read(132))


def _begins_as_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    if len(head) < 12 or head[:2] not in (b"\x08\0", b"\x02\0"):  # the groups that come first, little endian
        return False
    element, length = struct.unpack("<HI", head[2:8])
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return element <= 0x0070 and (explicit or length < 1 << 16)


def read_header(path: Path, keywords: Sequence[Any], *, alone: bool = False) -> Header | PassedOver:
    """The header of an image, or what else the file is.

    Args:
        path: the file.
        keywords: the attributes to read.
        alone: whether it is the only file, so that nothing is left where it is no image.

    Raises:
        InputError: a file that is no DICOM in spite of its name, or is cut off.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
            if not _begins_as_dicom(head):
                return _not_dicom(path, not head, alone)
            stream.seek(0)
            dataset = dcmread(stream, stop_before_pixels=True, specific_tags=list(keywords), force=True)
            tag, whole = _pixel_data(stream, dataset)
        meta = getattr(dataset, "file_meta", None)
        what = dataset.get("SOPClassUID") or (meta or {}).get("MediaStorageSOPClassUID") or ""
    except InputError:
        raise
    except Exception as error:  # a damaged header raises errors of many unrelated kinds
        raise InputError(
            f"The DICOM header cannot be read ({error}).", path=path, remedy="Copy or export the file again."
        ) from error
    known = isinstance(what, UID) and what.name != what
    if known and what not in _VOLUME_CLASSES:
        return PassedOver(path, what.name)
    if tag is None and not (known or dataset.get("Rows")):
        return PassedOver(path, "DICOM without pixel data")
    if tag is None:
        raise InputError(
            "This DICOM file holds no pixel data.",
            path=path,
            remedy="Copy or export it again, or take it out of the folder.",
        )
    if not whole:
        raise InputError("The file is cut off: it ends within its pixel data.", path=path, remedy="Copy it again.")
    return Header(dataset, tag in (_FLOAT, _DOUBLE))


def _not_dicom(path: Path, empty: bool, alone: bool) -> PassedOver:
    what = "an empty file" if empty else "not a DICOM file"
    if not alone and path.suffix.lower() not in _DICOM_SUFFIXES:
        return PassedOver(path, what)
    remedy = "Copy or export it again." if empty else "Take it out of the folder, or export it again."
    raise InputError(f"This is {what}.", path=path, remedy=remedy)


def _pixel_data(stream: BinaryIO, header: Dataset) -> tuple[tuple[int, int] | None, bool]:
    """The tag of the pixel data, at which ``stream`` stands, and whether all of it lies in the file.

    The tag is None if there is none. Steps over the element (over its fragments when compressed, PS3.5 annex A.4)
    without reading pixels.
    """
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    size = os.fstat(stream.fileno()).st_size
    if getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None) == _DEFLATED:
        return _PIXEL_DATA, True  # the stream is at no place in the file; decoding will tell
    head = stream.read(8 if implicit else 12)
    if len(head) < (8 if implicit else 12):
        return None, False
    tag = struct.unpack(order + "HH", head[:4])
    if tag not in {_PIXEL_DATA, _FLOAT, _DOUBLE}:
        return None, False
    (length,) = struct.unpack(order + "L", head[-4:])
    if length != 0xFFFFFFFF:
        return tag, stream.tell() + length <= size
    while True:
        item = stream.read(8)
        if len(item) < 8:
            return tag, False
        group, element, length = struct.unpack(order + "HHL", item)
        if (group, element) == (0xFFFE, 0xE0DD):
            return tag, True
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return tag, False
        stream.seek(length, os.SEEK_CUR)


@functools.lru_cache(maxsize=4096)  # asked for attribute by attribute; `whole_header.cache_clear` lets them go
def whole_header(path: Path | str) -> Dataset:
    """Every attribute of a file but its pixels, for where the usual ones do not tell slices apart."""
    return dcmread(path, stop_before_pixels=True, force=True)
