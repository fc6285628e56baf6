"""The quick way to read a header gives what pydicom gives, or leaves the file to pydicom."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from helpers.volumes.dicom_files import read_header
from helpers.volumes.usual_headers import HEAD, LONGEST, usual_header
from tests.conftest import DATA
from tests.volumes.both_ways import TAGS, differences

SHIPPED = Path(pydicom.__file__).parent / "data"  # what pydicom brings; the rest it would download
FILES = sorted(p for folder in (SHIPPED, DATA) for p in folder.rglob("*") if p.is_file())
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)


def is_usual(path: Path) -> bool:
    with path.open("rb") as stream:
        return usual_header(stream.read(HEAD), stream, TAGS) is not None


def written(folder: Path, edit: Callable[[Dataset], object], syntax: str = ExplicitVRLittleEndian) -> Path:
    """The shipped CT slice in the encoding ``syntax``, changed by ``edit``."""
    read = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
    ds = Dataset(dict(read.items()))
    ds.file_meta = read.file_meta
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = ds.pixel_array.astype(">i2").tobytes()
    edit(ds)
    ds.save_as(folder / "file.dcm", enforce_file_format=True)
    return folder / "file.dcm"


@pytest.mark.parametrize("alone", [True, False])
def test_records_of_every_shipped_file_are_those_of_pydicom(alone: bool) -> None:
    assert len(FILES) > 200
    assert not [what for path in FILES for what in differences(path, alone=alone)]


def test_usual_files_are_not_left_to_pydicom() -> None:
    """So that a fault that leaves everything to pydicom does not pass."""
    names = [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_RLE.dcm",
    ]
    assert all(is_usual(Path(pydicom.data.get_testdata_file(name))) for name in names)
    assert sum(map(is_usual, FILES)) > 80


def several_files(ds: Dataset) -> None:
    ds.ReferencedImageSequence = [Dataset(), Dataset()]
    for item in ds.ReferencedImageSequence:
        item.ReferencedSOPInstanceUID = "1.2.3"
        item.PurposeOfReferenceCodeSequence = [Dataset()]
        item.PurposeOfReferenceCodeSequence[0].CodeValue = "121311"
        item.is_undefined_length_sequence_item = True
    ds["ReferencedImageSequence"].is_undefined_length = True
    item["PurposeOfReferenceCodeSequence"].is_undefined_length = True


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("edit", "usual"),
    [
        (lambda ds: None, True),
        (several_files, True),
        (lambda ds: setattr(ds, "ReferencedImageSequence", []), True),
        (lambda ds: ds.private_block(0x0029, "OURS", create=True).add_new(0x10, "OB", bytes(2 * HEAD)), True),
        (lambda ds: ds.private_block(0x0029, "OURS", create=True).add_new(0x10, "OB", bytes(LONGEST)), False),
        (lambda ds: setattr(ds, "SpecificCharacterSet", "ISO_IR 192"), True),
        (lambda ds: setattr(ds, "SpecificCharacterSet", ["", "ISO 2022 IR 87"]), True),
        (lambda ds: setattr(ds, "SpecificCharacterSet", ["ISO_IR 100", "ISO_IR 192"]), False),
        (lambda ds: setattr(ds, "SpecificCharacterSet", "ISO-IR 100"), False),
        (lambda ds: setattr(ds, "SpecificCharacterSet", None), False),
        (lambda ds: setattr(ds, "RescaleSlope", None), True),
        (lambda ds: delattr(ds, "Rows"), True),
        (lambda ds: setattr(ds, "ImageType", ["ORIGINAL"]), True),
        (lambda ds: ds.__setitem__("PixelSpacing", DataElement("PixelSpacing", "LO", "0,5")), True),
        (lambda ds: ds.__setitem__((0x0008, 0x0000), DataElement((0x0008, 0x0000), "UL", 12)), True),
        (lambda ds: delattr(ds, "PixelData"), False),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_files_hold(tmp_path: Path, edit: Callable, usual: bool, syntax: str) -> None:
    path = written(tmp_path, edit, syntax)
    assert is_usual(path) == usual and not differences(path)


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, "1.2.840.113619.5.2"])
def test_other_syntaxes_are_left_to_pydicom(tmp_path: Path, syntax: str) -> None:
    if syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        path = written(tmp_path, lambda ds: None, syntax)
    else:
        path = tmp_path / "file.dcm"
        content = written(tmp_path, lambda ds: None).read_bytes()
        path.write_bytes(content.replace(f"{ExplicitVRLittleEndian}\0".encode(), b"1.2.840.113619.5.2\0\0"))
    assert not is_usual(path) and not differences(path)


@pytest.mark.parametrize(
    ("nested", "usual"),
    [
        (ITEM + b"\xff\xff\xff\xff" + ITEM_END + SEQUENCE_END, True),
        (ITEM + bytes(4) + SEQUENCE_END, True),
        (SEQUENCE_END, True),
        (ITEM + b"\x0a\0\0\0" + b"\x08\0\x55\x11UI\x02\x001\0" + SEQUENCE_END, True),
        (ITEM + b"\x0c\0\0\0" + b"\x08\0\x55\x11UI\x02\x001\0" + SEQUENCE_END, False),  # the item is longer
        (ITEM + b"\x0a\0\0\0" + b"\x08\0\x55\x11\x02\0\0\x001\0" + SEQUENCE_END, False),  # implicit inside
        (ITEM + b"\xff\xff\xff\xff" + b"\x08\0\x55\x11UI\x02\x001\0" + SEQUENCE_END, False),  # no end of the item
        (b"\x08\0\x55\x11UI\x02\x001\0" + SEQUENCE_END, False),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_sequences_of_undefined_length(tmp_path: Path, nested: bytes, usual: bool) -> None:
    path = written(tmp_path, lambda ds: None)
    content = path.read_bytes()
    place = content.index(b"\x10\0\x10\0PN")
    sequence = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + nested
    path.write_bytes(content[:place] + sequence + content[place:])
    assert is_usual(path) == usual and not differences(path)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_headers_are_read_or_refused_as_by_pydicom(tmp_path: Path, name: str) -> None:
    whole, draw = Path(pydicom.data.get_testdata_file(name)).read_bytes(), random.Random(0)
    pixels, usual = whole.index(b"\xe0\x7f\x10\0") + 12, 0
    for k in range(300):
        content, place = bytearray(whole), draw.randrange(132, pixels)
        kind = k % 5
        if kind == 0:
            content[place] = draw.randrange(256)
        elif kind == 1:
            del content[place : place + draw.choice((1, 2, 8))]
        elif kind == 2:
            content[place:place] = draw.randbytes(draw.choice((1, 2, 8)))
        elif kind == 3:
            content[place : place + 4] = draw.choice((bytes(4), b"\xff\xff\xff\xff", ITEM, ITEM_END[:4]))
        else:
            del content[place:]
        path = tmp_path / f"{k}.dcm"
        path.write_bytes(content)
        usual += is_usual(path)
        assert not differences(path)
    assert usual > 50


def test_the_place_of_the_pixels_is_found(tmp_path: Path) -> None:
    for syntax, head in ((ExplicitVRLittleEndian, 12), (ImplicitVRLittleEndian, 8)):
        path = written(tmp_path, lambda ds: None, syntax)
        header, content = read_header(path, TAGS), path.read_bytes()
        assert header.place == content.index(b"\xe0\x7f\x10\0") + head
        assert content[header.place :][: header.length] == pydicom.dcmread(path).PixelData
    packed = Path(pydicom.data.get_testdata_file("MR_small_jp2klossless.dcm"))
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert read_header(packed, TAGS).place is None
