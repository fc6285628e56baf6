"""Read the header of a compressed frame before the decoder gets it, because decoders trust the DICOM header.

A frame whose size differs from the DICOM header would be shown distorted. GDCM ends the whole process if a JPEG
2000 stream has another number of samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydicom import Dataset
from pydicom.encaps import generate_fragments, get_frame
from pydicom.uid import UID

from helpers.errors import InputError

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_BOXED = b"\0\0\0\x0cjP  "  # the beginning of a JP2 file, which holds JPEG 2000
# The markers Start of Frame of T.81 and of JPEG-LS. C4, C8 and CC are other markers.
_SIZES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA


class CodedFrame(NamedTuple):
    """A frame's coding and size, and its samples a pixel, bits a sample, and whether some samples are coarser."""

    coding: str  # "JPEG" (or JPEG-LS), or "JPEG 2000"
    rows: int
    columns: int
    samples: int
    bits: int
    coarse: bool


def coded_frame(pixels: bytes | BinaryIO, dataset: Dataset, frame: int, count: int) -> CodedFrame | None:
    """Read the header in the stream of frame ``frame`` of ``count`` frames.

    JPEG and JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2), JPEG 2000 (T.800 A.5.1); None for others (RLE, video).

    Args:
        pixels: the value of Pixel Data, or a file that is positioned at its beginning.
        dataset: the dataset with the offsets of the frames.
        frame: the number of the frame, from 0.
        count: the number of frames.

    Raises the error of pydicom if the frame does not exist.
    """
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
    stream = get_frame(pixels, frame, extended_offsets=offsets, number_of_frames=count)
    return _jpeg(stream) if stream.startswith(_JPEG) else _jpeg_2000(stream)


def check_coded(
    coded: CodedFrame, syntax: UID, said: tuple[int, int, int], bits_allocated: int, path: Path | str
) -> None:
    """Raise `InputError` if a frame does not fit the DICOM header; ``said`` is its columns, rows and samples."""
    if ("JPEG 2000" in syntax.name) != (coded.coding == "JPEG 2000"):
        raise InputError(
            f"The pixels are stored as {coded.coding}, but the transfer syntax says {syntax.name}.",
            path=path,
            remedy="Export the file again.",
        )
    if said != (coded.columns, coded.rows, coded.samples) or coded.bits > bits_allocated:
        form = "{} x {} pixels, samples {}, bits {}".format
        found = form(coded.columns, coded.rows, coded.samples, coded.bits)
        raise InputError(
            f"The compressed image has {found}, but the header says {form(*said, bits_allocated)}.",
            path=path,
            remedy="Export the file again.",
        )


def coded_frames(dataset: Dataset) -> int:
    """The number of fragments that begin as a JPEG or JPEG 2000 does; each of them is a frame."""
    heads = (_JPEG, _JPEG_2000, _BOXED)
    fragments = generate_fragments(dataset.PixelData)
    next(fragments, None)  # skips the offset table
    return sum(fragment.startswith(heads) for fragment in fragments)


def _jpeg(stream: bytes) -> CodedFrame | None:
    at = 2
    while at + 9 < len(stream) and stream[at] == 0xFF:
        kind = stream[at + 1]
        if kind == 0xFF:  # a fill byte
            at += 1
            continue
        if kind == _SCAN:
            return None
        if kind in _SIZES:
            rows, columns, samples = _number(stream, at + 5, 2), _number(stream, at + 7, 2), stream[at + 9]
            shares = set(stream[at + 11 : at + 10 + 3 * samples : 3])
            return CodedFrame("JPEG", rows, columns, samples, stream[at + 4], len(shares) > 1)
        at += 2 + _number(stream, at + 2, 2)
    return None


def _jpeg_2000(stream: bytes) -> CodedFrame | None:
    at = stream.find(_JPEG_2000, 0, 4096)
    if at < 0 or len(stream) < at + 45:
        return None
    right, bottom, left, top = (_number(stream, at + place, 4) for place in (8, 12, 16, 20))
    samples = _number(stream, at + 40, 2)
    components = [stream[at + 42 + 3 * k : at + 45 + 3 * k] for k in range(samples)]
    bits = max((one[0] & 0x7F for one in components if one), default=0) + 1
    coarse = len({one[1:] for one in components}) > 1
    return CodedFrame("JPEG 2000", bottom - top, right - left, samples, bits, coarse)


def _number(stream: bytes, at: int, length: int) -> int:
    return int.from_bytes(stream[at : at + length], "big")
