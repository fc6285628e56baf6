"""DICOM images: frames, what is not an image, square pixels, files as systems write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    MPEG2MPML,
    RTDoseStorage,
    SegmentationStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from helpers.errors import InputError
from helpers.images import read_image
from tests.conftest import DATA

Write = Callable[..., Path]
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_a_frame_of_a_cine_is_chosen_by_its_number(write_image: Write) -> None:
    cine = np.stack([np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)])
    path = write_image(cine, frames=True, kind="RGB", SOPClassUID=UltrasoundMultiFrameImageStorage)
    with pytest.raises(InputError, match=r"3 frames\. Choose one: page=0 to 2 \(--page\)"):
        read_image(path)
    for page in range(3):
        assert (np.asarray(read_image(path, page)) == 10 * (page + 1)).all()
    for page in (3, -1):
        with pytest.raises(InputError, match=f"Page {page} does not exist, because the file holds 3 frames"):
            read_image(path, page)
    ds = dcmread(path)
    del ds.NumberOfFrames
    ds.save_as(path)
    with pytest.raises(InputError, match="pixels of 3 frames, but its header says that it has one"):
        read_image(path)
    with pytest.raises(InputError, match="read_volume"):
        read_image(DATA / "eCT_Supplemental.dcm")
    with pytest.raises(InputError, match="Page 1 does not exist, because the file holds one image"):
        read_image(write_image(LEVELS), 1)


def test_objects_that_are_no_images_are_refused_by_their_names(write_image: Write) -> None:
    for sop_class, name in ((SegmentationStorage, "Segmentation"), (RTDoseStorage, "RT Dose")):
        path = write_image(LEVELS, SOPClassUID=sop_class)
        with pytest.raises(InputError, match=f"not a 2D image: {name} Storage"):
            read_image(path)
        with pytest.raises(InputError, match=f"not a 2D image: {name} Storage"):
            read_image(path, 0)
    with pytest.raises(InputError, match="not a 2D image"):
        read_image(pydicom.data.get_testdata_file("reportsi.dcm"))


def test_pixels_become_square(write_image: Write) -> None:
    ramp = np.tile(np.arange(0, 200, 10, dtype=np.uint8), (8, 1))  # 20 wide, 8 high
    for attributes, size in (
        ({"PixelAspectRatio": [2, 1]}, (20, 16)),  # a pixel is twice as high as wide
        ({"PixelAspectRatio": [1, 3]}, (60, 8)),
        ({"PixelSpacing": [0.3, 0.2]}, (20, 12)),
        ({"PixelAspectRatio": [1, 1], "PixelSpacing": [0.3, 0.2]}, (20, 8)),
        ({"ImagerPixelSpacing": [0.2, 0.2005]}, (20, 8)),
        ({"PixelSpacing": [0, 0]}, (20, 8)),
    ):
        image = read_image(write_image(ramp, WindowCenter=128, WindowWidth=256, **attributes))
        assert image.size == size
        if size[0] == 20:  # stretched downwards, where nothing changes
            assert (np.asarray(image)[..., 0] == ramp[0]).all()
    with pytest.raises(InputError, match="500 times as long as wide"):
        read_image(write_image(ramp, PixelAspectRatio=[500, 1]))


def test_a_file_without_preamble_meta_information_and_suffix(write_image: Write, tmp_path: Path) -> None:
    stream = DicomBytesIO()
    stream.is_little_endian = stream.is_implicit_VR = True
    write_dataset(stream, dcmread(write_image(LEVELS)))
    (tmp_path / "IM0001").write_bytes(stream.getvalue())
    assert np.array_equal(np.asarray(read_image(tmp_path / "IM0001"))[..., 1], LEVELS)


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_values_of_a_wrong_type_that_are_clear(write_image: Write) -> None:
    path = write_image(LEVELS)
    ds = dcmread(path)
    del ds.BitsStored
    ds.add_new("BitsStored", "DS", "8")
    ds.PhotometricInterpretation = "Monochrome1"
    ds.save_as(path)
    assert np.array_equal(np.asarray(read_image(path))[..., 1], 255 - LEVELS)


def test_what_is_cut_off_contradicts_itself_or_is_too_large_is_an_error(
    write_image: Write, tmp_path: Path
) -> None:
    whole = write_image(LEVELS).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-20])
    contradicted = write_image(np.zeros((4, 4, 3), np.uint8), kind="MONOCHROME2")
    argb = write_image(np.zeros((4, 4, 4), np.uint8), kind="ARGB", SOPInstanceUID=generate_uid())
    large = write_image(LEVELS, Rows=20_000, Columns=20_000)
    for path, words in (
        (tmp_path / "cut.dcm", "cannot be decoded"),
        (contradicted, "MONOCHROME2 with 3 samples"),
        (argb, "ARGB with 4 samples"),
        (large, "too large: 20000 x 20000, 400 megapixels"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            read_image(path)
        assert caught.value.path == str(path) and caught.value.remedy


def test_what_is_missing_is_what_every_viewer_takes_for_it(write_image: Write) -> None:
    colours = np.stack([LEVELS, LEVELS.T, 255 - LEVELS], -1)
    for values, kind in ((LEVELS, "MONOCHROME2"), (colours, "RGB")):
        path = write_image(values, kind=kind)
        ds = dcmread(path)
        for keyword in ("SamplesPerPixel", "PlanarConfiguration", "PixelRepresentation", "BitsStored", "HighBit"):
            if keyword in ds:
                del ds[keyword]
        ds.add_new("NumberOfFrames", "DS", "1.0")
        ds.save_as(path)
        shown = np.asarray(read_image(path))
        assert np.array_equal(shown if kind == "RGB" else shown[..., 0], values)
    with pytest.raises(InputError, match="holds no pixels"):
        read_image(write_image(LEVELS, PixelData=b""))


def test_a_video_is_named_whichever_frame_is_asked_for(write_image: Write) -> None:
    path = write_image(LEVELS, NumberOfFrames=30, kind="YBR_PARTIAL_420")
    ds = dcmread(path)
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    ds.PixelData = encapsulate([b"\0\0\1\xb3" + bytes(60)])
    ds["PixelData"].VR = "OB"
    ds.save_as(path)
    for page in (None, 0):
        with pytest.raises(InputError, match=r"a video .*Export one frame"):
            read_image(path, page)
