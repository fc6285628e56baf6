"""Pixels by PS3.3 and PS3.5: the bits that are stored, padding, inversion, Modality LUT, and what decodes them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
)

from helpers.errors import InputError
from helpers.volumes import read_volume
from helpers.volumes.dicom_pixels import undecodable
from tests.volumes.test_dicom_slices import edited

V = np.arange(6 * 4 * 5).reshape(6, 4, 5)  # 0 to 119
K = np.arange(6)[:, None, None]


def stored(
    values: np.ndarray,
    *,
    bits: int = 16,
    low: int | None = None,
    high: int | None = None,
    signed: bool = False,
    **more,
) -> Callable[[Dataset, int], None]:
    """Makes a slice's pixels those of ``values``; ``more`` are attributes, (VR, value) where they need one."""

    def edit(ds: Dataset, k: int) -> None:
        ds.BitsAllocated, ds.BitsStored = bits, low or bits
        ds.HighBit = ds.BitsStored - 1 if high is None else high
        ds.PixelRepresentation = int(signed)
        ds.PixelData = values[k].astype(f"<{'i' if signed else 'u'}{bits // 8}").tobytes()
        for keyword, value in more.items():
            value = value(k) if callable(value) else value
            if isinstance(value, tuple):
                ds[keyword] = DataElement(keyword, *value)
            elif value is not None:
                setattr(ds, keyword, value)

    return edit


def table(k: int = 0) -> list[Dataset]:
    """A Modality LUT: twice the stored value, and ``k`` more."""
    item = Dataset()
    item["LUTDescriptor"] = DataElement("LUTDescriptor", "US", [200, 0, 16])
    item["LUTData"] = DataElement("LUTData", "US", [2 * i + k for i in range(200)])
    item.ModalityLUTType = "HU"
    return [item]


def floats(values: np.ndarray, keyword: str, kind: str, **more: Any) -> Callable[[Dataset, int], None]:
    def edit(ds: Dataset, k: int) -> None:
        for gone in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            del ds[gone]
        ds.BitsAllocated = 8 * np.dtype(kind).itemsize
        setattr(ds, keyword, values[k].astype(kind).tobytes())
        for name, value in more.items():
            setattr(ds, name, value)

    return edit


def one_bit(ds: Dataset, k: int) -> None:
    stored(V % 2, low=1)(ds, k)
    ds.BitsAllocated = 1
    packed = np.packbits((V[k] % 2).ravel().astype(np.uint8), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)


us = "US"
GARBAGE = np.array([0x1000, 0x8000, 0xF000, 0, 0x7000])
CASES: dict[str, tuple[str, Callable, np.ndarray, float | None]] = {
    # modality, edit, expected values; a stored value that is padding as what it is decoded
    "12 bits, garbage above": ("CT", stored(V | GARBAGE, low=12, RescaleIntercept=-1024), V - 1024, None),
    "12 bits, signed, not extended": ("CT", stored((V - 60) & 0xFFF, low=12, signed=True), V - 60, None),
    "HighBit 15": ("CT", stored(V << 4 | 0x8000, low=12, high=15), V | 0x800, None),
    "HighBit wrong": ("CT", stored(V, low=12, high=15), V, None),
    "8 bits": ("MR", stored(V, bits=8), V, None),
    "32 bits": ("MR", stored(V * -100000, bits=32, signed=True), V * -100000, None),
    "1 bit": ("MR", one_bit, V % 2, None),
    "floats": ("MR", floats(V / 8, "FloatPixelData", "<f4"), V / 8, None),
    "doubles, NaN": ("MR", floats(np.where(V == 7, np.nan, V), "DoubleFloatPixelData", "<f8"), V, 7),
    "floats, padding": ("MR", floats(V / 8, "FloatPixelData", "<f4", FloatPixelPaddingValue=0.5), V / 8, 0.5),
    "padding US in signed": (
        *("CT", stored(np.where(V < 9, -2000, V), signed=True, PixelPaddingValue=(us, 63536))),
        *(np.where(V < 9, -2000, V), -2000),
    ),
    "padding outside the bits": (
        *("MR", stored(np.where(V < 9, 63536, V), low=12, PixelPaddingValue=(us, 63536))),
        *(np.where(V < 9, 63536, V), 63536),
    ),
    "padding of each slice": ("MR", stored(V, PixelPaddingValue=lambda k: (us, 20 * k)), V, 20 * K),
    "padding of some slices": ("MR", stored(V, PixelPaddingValue=lambda k: (us, 0) if k < 2 else None), V, 0),
    "padding, slopes differ": (
        *("MR", stored(V, PixelPaddingValue=(us, 20), RescaleSlope=lambda k: k + 1, RescaleIntercept=0)),
        *(V * (K + 1), 40),
    ),
    "MONOCHROME1": ("MR", stored(V, low=12, PhotometricInterpretation="MONOCHROME1"), 4095 - V, None),
    "MONOCHROME1, padding": (
        *("MR", stored(V, low=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=(us, 0))),
        *(4095 - V, 4095),
    ),
    "MONOCHROME1, signed": ("MR", stored(V, signed=True, PhotometricInterpretation="MONOCHROME1"), -1 - V, None),
    "MONOCHROME1 CT": ("CT", stored(V, PhotometricInterpretation="MONOCHROME1"), V, None),
    "MONOCHROME1, floats": (
        *("MR", floats(V, "FloatPixelData", "<f4", PhotometricInterpretation="MONOCHROME1")),
        *(-V, None),
    ),
    "LUT": ("CT", stored(V, ModalityLUTSequence=table()), 2 * V, None),
    "LUT of each slice": ("CT", stored(V, ModalityLUTSequence=table), 2 * V + K, None),
    "LUT, padding": ("CT", stored(V, ModalityLUTSequence=table(), PixelPaddingValue=(us, 7)), 2 * V, 14),
    "lower case": ("MR", stored(V, PhotometricInterpretation="monochrome2"), V, None),
    "text for a number": ("MR", stored(V, Rows=("DS", "4"), BitsStored=("LO", "16")), V, None),
}


@pytest.mark.parametrize("case", CASES)
def test_stored_pixels_become_what_they_measure(case: str, write_series) -> None:
    modality, edit, expected, padded = CASES[case]
    volume = read_volume(edited(write_series(V, modality=modality), edit))
    got = np.concatenate(list(volume.batches(1)))  # what is padding is known of each slice alone
    padding = np.zeros(V.shape, bool) if padded is None else expected == padded
    if case == "padding of some slices":
        padding &= K < 2
    if case == "padding, slopes differ":
        padding = V == 20
    assert np.array_equal(volume.measured(got), ~padding)
    assert np.array_equal(got[~padding], expected[~padding])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (stored(V | 0xF000, low=12, high=15), "HighBit 15 and BitsStored 12"),
        (stored(V, BitsStored=40), "40 bits of each pixel are stored in 16 bits"),
        (stored(V, PhotometricInterpretation="GREY"), "PhotometricInterpretation is GREY"),
        (stored(V, PixelRepresentation=7), "PixelRepresentation"),
        (stored(V, RescaleSlope=0), "RescaleSlope is 0"),
        (stored(V, ModalityLUTSequence=[Dataset()]), "cannot be decoded"),
        (stored(V, PhotometricInterpretation="PALETTE COLOR"), "in colour"),
        (stored(V, SamplesPerPixel=3), "in colour"),
        (stored(V, Rows=40), "has 40 bytes, but 1 x 40 x 5 pixels of 16 bits need 400"),
        (stored(V, Rows=2), "has 40 bytes, but 1 x 2 x 5 pixels of 16 bits need 20"),
        (stored(V, NumberOfFrames=2, Rows=2), "2 frames without positions"),
    ],
)
def test_pixels_of_no_clear_meaning_are_one_error(edit: Callable, message: str, write_series) -> None:
    folder = edited(write_series(V, modality="MR"), edit)
    with pytest.raises(InputError, match=message) as caught:
        read_volume(folder).slices(range(6))
    assert "0000.dcm" in str(caught.value.path) and caught.value.remedy


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_syntaxes(syntax: str, write_series) -> None:
    def edit(ds: Dataset, k: int) -> None:
        stored(V, PixelPaddingValue=(us, 7))(ds, k)
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds["PixelData"] = DataElement("PixelData", "OW", V[k].astype(">u2").tobytes())

    volume = read_volume(edited(write_series(V), edit))
    assert np.array_equal(volume.slices(range(6)), V) and volume.padding == (7, 7)


def test_a_deflated_file_that_is_cut_off(write_series) -> None:
    folder = edited(
        write_series(V), lambda ds, k: setattr(ds.file_meta, "TransferSyntaxUID", DeflatedExplicitVRLittleEndian)
    )
    file = folder / "0003.dcm"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"0003\.dcm"):
        read_volume(folder)


@pytest.mark.parametrize("kind", ["JPEGLosslessProcess14_1", "JPEGLSLossless", "RLELossless"])
def test_lossless_syntaxes_written_by_gdcm(kind: str, write_series, tmp_path: Path) -> None:
    import gdcm

    folder = write_series(V - 60)
    for file in folder.iterdir():
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(file))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, kind)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(file))
        assert writer.Write()
    assert pydicom.dcmread(file).file_meta.TransferSyntaxUID.is_compressed
    assert np.array_equal(read_volume(folder).slices(range(6)), V - 60)


@pytest.mark.parametrize(
    ("syntax", "message"),
    [
        ("1.2.840.10008.1.2.4.110", r"No decoder for JPEG XL Lossless .*without compression"),
        ("1.2.840.10008.1.2.4.100", r"No decoder for MPEG2 .*without compression"),
        ("1.2.3.4.5.6.7.8.9.10.1", r"No decoder for 1\.2\.3\.4\.5\.6\.7\.8\.9\.10\.1 is installed"),
        (HTJ2KLossless, "cannot be decoded"),  # there is a decoder, and the data is none
    ],
)
def test_a_syntax_that_nothing_decodes_is_named(syntax: str, message: str, write_series) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = HTJ2KLossless
        ds.PixelData = encapsulate([bytes(60)])

    folder = edited(write_series(V), edit)
    written = str(HTJ2KLossless).encode()  # pydicom does not write names that it does not know
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(written, syntax.encode().ljust(len(written), b"\0"), 1))
    with pytest.raises(InputError, match=message):
        read_volume(folder).slices([0])


def test_twelve_bits_of_jpeg_extended_name_their_decoder() -> None:
    path = pydicom.data.get_testdata_file("JPEG-lossy.dcm")
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == JPEGExtended12Bit
    try:
        pydicom.pixels.pixel_array(path)
    except RuntimeError as error:
        assert "pip install pylibjpeg pylibjpeg-libjpeg" in undecodable(path, error).remedy


def test_a_compressed_slice_of_colour_is_refused_before_it_is_decoded(write_series) -> None:
    """GDCM ends the whole process over such a stream."""
    stream = BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "JPEG2000", no_jp2=True)
    folder = write_series(np.zeros((6, 8, 8), np.int16), modality="MR")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.PixelData = encapsulate([stream.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path)
    with pytest.raises(InputError, match=r"\.dcm: The compressed image has 8 x 8 pixels, samples 3.*samples 1"):
        read_volume(folder, modality="MR").slices([0])


def test_numbers_that_overflow_on_the_way_are_exact(write_series) -> None:
    edit = stored(V % 2, low=1, RescaleSlope=40000, RescaleIntercept=-30000)
    pixels = read_volume(edited(write_series(V), edit)).slices(range(6))
    assert pixels.dtype == np.int16 and np.array_equal(pixels, V % 2 * 40000 - 30000)


@pytest.mark.parametrize("gone", [1, 30])
def test_a_file_that_is_cut_off_after_its_header_was_read(gone: int, write_series) -> None:
    folder = write_series(V)
    volume, file = read_volume(folder), folder / "0003.dcm"
    file.write_bytes(file.read_bytes()[:-gone])
    assert np.array_equal(volume.slices([2])[0], V[2])
    with pytest.raises(InputError, match=r"0003\.dcm: The pixel data cannot be decoded"):
        volume.slices([3])


def test_a_modality_table_in_bytes_is_that_in_numbers(write_series) -> None:
    """LUT Data may be US or OW (PS3.6)."""
    entries = np.arange(100, 116, dtype="<u2")
    read = []
    for kind, data in (("US", entries.tolist()), ("OW", entries.tobytes())):
        table = Dataset()
        table.add_new("LUTDescriptor", "US", [16, 0, 16])
        table.ModalityLUTType = "US"
        table.add_new("LUTData", kind, data)
        stored = np.arange(16).reshape(1, 4, 4) * np.ones((3, 1, 1))
        folder = write_series(stored, folder=kind, modality="MR", ModalityLUTSequence=[table])
        read.append(read_volume(folder).slices(range(3)))
    assert np.array_equal(read[0], read[1]) and np.array_equal(read[1][0].ravel(), entries)
