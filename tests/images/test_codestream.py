"""Compressed DICOM frames that are another than their header says: told before a decoder gets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit

from helpers.errors import InputError
from helpers.images import read_image

Write = Callable[..., Path]
Y, X = np.mgrid[:48, :64]
RGB = np.stack([4 * X, 5 * Y, 255 - 4 * X], -1).astype(np.uint8)
GREY = RGB[..., 0].copy()


def coded(values: np.ndarray, kind: str = "JPEG", **options: Any) -> bytes:
    stream = BytesIO()
    usual = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"no_jp2": True}
    Image.fromarray(values).save(stream, kind, **{**usual, **options})
    return stream.getvalue()


def compressed(path: Path, syntax: str, streams: Sequence[bytes], **options: Any) -> Path:
    ds = dcmread(path)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate(list(streams), **options)
    ds["PixelData"].VR = "OB"
    ds.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize(
    ("header", "pixels", "words"),
    [
        (GREY, RGB, "64 x 48 pixels, samples 3, bits 8, but the header says 64 x 48 pixels, samples 1"),
        (RGB, GREY, "samples 1, bits 8, but the header says 64 x 48 pixels, samples 3"),
        (GREY.T.copy(), GREY, "64 x 48 pixels, .* the header says 48 x 64 pixels"),
        (GREY[:40], GREY, "64 x 48 pixels, .* the header says 64 x 40 pixels"),
    ],
)
def test_another_size_or_number_of_samples_is_refused(
    write_image: Write, kind: str, header: np.ndarray, pixels: np.ndarray, words: str
) -> None:
    syntax = JPEGBaseline8Bit if kind == "JPEG" else JPEG2000Lossless
    path = write_image(header, kind="RGB" if header.ndim == 3 else "MONOCHROME2")
    with pytest.raises(InputError, match=words):
        read_image(compressed(path, syntax, [coded(pixels, kind)]))


def test_more_bits_or_another_coding_are_refused(write_image: Write) -> None:
    deep = coded(GREY.astype(np.uint16) * 16, "JPEG2000")
    with pytest.raises(InputError, match=r"bits 16, but the header says .* bits 8"):
        read_image(compressed(write_image(GREY), JPEG2000Lossless, [deep]))
    with pytest.raises(InputError, match="as JPEG, but the transfer syntax says JPEG 2000"):
        read_image(compressed(write_image(RGB, kind="YBR_FULL"), JPEG2000Lossless, [coded(RGB)]))


def test_frames_that_the_header_does_not_count(write_image: Write) -> None:
    streams = [coded(values) for values in (RGB, RGB[::-1].copy())]
    path = compressed(write_image(RGB, kind="YBR_FULL_422"), JPEGBaseline8Bit, streams)
    with pytest.raises(InputError, match="pixels of 2 frames, but its header says that it has one"):
        read_image(path)
    one = compressed(write_image(RGB, kind="YBR_FULL_422"), JPEGBaseline8Bit, streams[:1], fragments_per_frame=5)
    assert np.abs(np.asarray(read_image(one)).astype(int) - RGB).max() <= 4
    ds = dcmread(path)
    ds.NumberOfFrames = 2
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    ds.save_as(path)
    assert np.abs(np.asarray(read_image(path, 1)).astype(int) - RGB[::-1]).max() <= 4


def test_coarse_colours_are_not_rgb_whatever_the_header_says(write_image: Write) -> None:
    stream = coded(RGB, subsampling=1)  # one Cb and Cr for two pixels
    assert stream[2:4] == b"\xff\xe0"  # JFIF, which tells that it is YCbCr
    bare = stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]
    shown = np.asarray(read_image(compressed(write_image(RGB, kind="RGB"), JPEGBaseline8Bit, [bare])))
    assert np.abs(shown.astype(int) - np.asarray(Image.open(BytesIO(stream)))).max() <= 1
