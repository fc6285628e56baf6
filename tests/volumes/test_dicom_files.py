"""Which files are images, and what others are: by content and SOP class, whatever their names and encodings."""

from __future__ import annotations

import locale
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    ParametricMapStorage,
    RawDataStorage,
    RTDoseStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    UltrasoundImageStorage,
    XRayRadiationDoseSRStorage,
    generate_uid,
)

from helpers.errors import InputError
from helpers.volumes import read_volume
from helpers.volumes.dicom_slices import scan
from tests.volumes.test_dicom_slices import edited

V = np.arange(6 * 4 * 5).reshape(6, 4, 5)
SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"  # what pydicom brings; the rest it would download
# Every kind of refusal of a shipped file; anything else is a fault.
REFUSED = (
    "This is not an image of a CT or MR volume: ",
    "This is not a DICOM file",
    "holds no pixel data",
    "The file is cut off",
    "so its place in a volume is not known",
    "The slices are",
)


@pytest.fixture
def series(write_series) -> Path:
    return write_series(V)


def voxels(source: Path | list[Path]) -> np.ndarray:
    return read_volume(source).slices(range(6))


def beside(folder: Path, sop_class: str, pixels: bool, **attributes: object) -> Path:
    """A file of another kind in the folder of a series."""
    ds = pydicom.dcmread(folder / "0000.dcm")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SeriesInstanceUID = generate_uid()
    gone = ["ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"]
    gone += [] if pixels else ["PixelData", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"]
    for keyword in gone:
        del ds[keyword]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.save_as(folder / "beside.dcm", enforce_file_format=True)
    return folder / "beside.dcm"


@pytest.mark.parametrize(
    ("sop_class", "pixels"),
    [
        *((uid, True) for uid in (SegmentationStorage, RTDoseStorage, SecondaryCaptureImageStorage)),
        *((uid, True) for uid in (MultiFrameGrayscaleWordSecondaryCaptureImageStorage, UltrasoundImageStorage)),
        *((uid, True) for uid in (ParametricMapStorage,)),
        *((uid, False) for uid in (RTStructureSetStorage, EnhancedSRStorage, XRayRadiationDoseSRStorage)),
        *((uid, False) for uid in (GrayscaleSoftcopyPresentationStateStorage, KeyObjectSelectionDocumentStorage)),
        *((uid, False) for uid in (EncapsulatedPDFStorage, RawDataStorage)),
    ],
)
def test_another_kind_of_object_is_named_and_passed_over(series: Path, sop_class: str, pixels: bool) -> None:
    file = beside(series, sop_class, pixels)
    note, square = read_volume(series).notes
    assert square == "The pixels of 0.8 x 0.7 mm were resampled to squares of 0.7 mm."
    assert note == f"Files that were passed over: beside.dcm ({sop_class.name})."
    assert np.array_equal(voxels(series), V)
    with pytest.raises(InputError, match=f"not an image of a CT or MR volume: {sop_class.name}"):
        read_volume(file)


@pytest.mark.parametrize(
    ("sop_class", "pixels", "attributes", "what"),
    [
        (
            CTImageStorage,
            True,
            {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
            "secondary image without a",
        ),
        ("1.3.12.2.1107.5.9.1", False, {}, "DICOM without pixel data"),
        ("1.3.12.2.1107.5.9.1", True, {}, "an image of no known class without a position"),
    ],
)
def test_what_a_scanner_puts_beside_a_series_under_a_class_of_its_own(
    series: Path, sop_class: str, pixels: bool, attributes: dict, what: str
) -> None:
    beside(series, sop_class, pixels, **attributes)
    assert what in read_volume(series).notes[0] and np.array_equal(voxels(series), V)


def test_an_image_without_a_position_is_no_slice_to_leave_out(series: Path) -> None:
    beside(series, CTImageStorage, True, ImageType=["ORIGINAL", "PRIMARY", "AXIAL"])
    with pytest.raises(InputError, match=r"beside\.dcm: The image has no ImagePositionPatient"):
        read_volume(series)


def test_a_localizer_is_named_and_passed_over(write_series) -> None:
    write_series(V)
    scout = write_series(V[:1], folder="series/scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    volume = read_volume(scout.parent)
    assert volume.notes[0] == "Files that were passed over: 0000.dcm (a localizer)." and volume.shape == V.shape
    assert read_volume(scout).shape[0] == 1  # alone it is what was asked for


def test_a_disc_is_read_as_a_folder_and_as_a_list(series: Path) -> None:
    for k, file in enumerate(sorted(series.iterdir())):
        file.rename(series / (f"IM{k:04d}" if k % 3 else f"1.2.840.{k}" if k else "IM.IMA"))
    for name, content in {
        "LOCKFILE": b"",
        "AUTORUN.INF": b"[autorun]" * 40,
        "._IM0001": b"\0\5\x16\7" + bytes(200),
        "._IM0002.dcm": b"\0\5\x16\7" + bytes(200),
        "VERSION": b"a" * 150,
    }.items():
        (series / name).write_bytes(content)
    shutil.copy(SHIPPED / "dicomdirtests" / "DICOMDIR", series / "DICOMDIR")
    assert np.array_equal(voxels(series), V)
    assert np.array_equal(voxels(sorted(series.iterdir())), V)
    assert "Media Storage Directory" in str(read_volume(sorted(series.iterdir())).notes)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("kept", ["meta", "nothing", "some"])
def test_files_without_a_preamble(series: Path, syntax: str, kept: str) -> None:
    def encode(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = V[k].astype(">i2").tobytes()

    for k, file in enumerate(sorted(edited(series, encode).iterdir())):
        content = file.read_bytes()
        length = 144 + int.from_bytes(content[140:144], "little")
        if kept != "some" or k % 2:
            file.write_bytes(content[132 if kept == "meta" else length :])
        file.rename(file.with_suffix(""))
    assert np.array_equal(voxels(series), V)


@pytest.mark.parametrize("size", [0, 100, 132, 140, 200, 400, -100, -1])
def test_a_file_that_is_cut_off_is_named(series: Path, size: int) -> None:
    file = series / "0005.dcm"  # the last one, so that no gap would tell
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(InputError) as caught:
        read_volume(series)
    assert caught.value.path == str(file) and caught.value.remedy


def test_a_class_or_modality_that_is_missing_follows_from_the_other(series: Path) -> None:
    edited(series, lambda ds, k: delattr(ds, "Modality" if k % 2 else "SOPClassUID"))
    assert read_volume(series).units == "HU" and np.array_equal(voxels(series), V)


@pytest.mark.parametrize("path", sorted(p for p in SHIPPED.rglob("*") if p.is_file()), ids=lambda p: p.name)
@pytest.mark.filterwarnings("ignore")
def test_every_shipped_file_is_read_as_pydicom_reads_it_or_refused(path: Path) -> None:
    """Its pixels are rescaled as `apply_modality_lut` does, and an MR of MONOCHROME1 is inverted."""
    try:
        volume = read_volume(path, reformat=None)
        plane = volume.slices([0])[0]
    except InputError as error:
        assert any(words in str(error) for words in REFUSED) and error.remedy
        return
    ds = pydicom.dcmread(path, force=True)
    expected = apply_modality_lut(ds.pixel_array, ds)
    if ds.PhotometricInterpretation == "MONOCHROME1" and ds.Modality == "MR":
        expected = 2**ds.BitsStored - 1 - expected
    record = scan(path)[0][0]
    flips = [axis for axis, way in enumerate((record.down_column[1], record.along_row[0])) if way < 0]
    assert np.array_equal(plane, np.flip(expected, flips))


def test_most_shipped_slices_are_read() -> None:
    """So that a fault that refuses everything does not pass."""
    read = 0
    for path in (*SHIPPED.glob("MR_small*.dcm"), *SHIPPED.glob("CT_small.dcm"), *SHIPPED.glob("*J2K*.dcm")):
        try:
            read += read_volume(path).shape[0]
        except InputError:
            continue
    assert read >= 10


@pytest.mark.filterwarnings("ignore")
def test_the_head_ct_written_by_simpleitk_and_by_gdcm_is_the_same(head_ct: Path, tmp_path: Path) -> None:
    import gdcm

    sitk = pytest.importorskip("SimpleITK")
    files = sorted(head_ct.iterdir())[::4]  # evenly spaced still
    files.sort(key=lambda f: pydicom.dcmread(f, stop_before_pixels=True).ImagePositionPatient[2])
    original = read_volume(files)
    for name in ("itk", "gdcm"):
        (tmp_path / name).mkdir()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for file in files:
        image = sitk.ReadImage(str(file))
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(file))
        reader.ReadImageInformation()
        for key in ("0008|0060", "0020|000e", "0020|0037", "0020|0032", "0008|0016"):
            image.SetMetaData(key, reader.GetMetaData(key))
        writer.SetFileName(str(tmp_path / "itk" / file.name))
        writer.Execute(image)
        gdcm_reader, gdcm_writer = gdcm.ImageReader(), gdcm.ImageWriter()
        gdcm_reader.SetFileName(str(file))
        assert gdcm_reader.Read()
        gdcm_writer.SetFile(gdcm_reader.GetFile())
        gdcm_writer.SetImage(gdcm_reader.GetImage())
        gdcm_writer.SetFileName(str(tmp_path / "gdcm" / file.name))
        assert gdcm_writer.Write()
    for name in ("itk", "gdcm"):
        again = read_volume(tmp_path / name)
        assert (again.modality, again.units, again.shape) == ("CT", "HU", original.shape)
        assert np.allclose(again.affine, original.affine, atol=1e-4)
        assert np.array_equal(again.slices(range(27)), original.slices(range(27)))
    assert pydicom.dcmread(tmp_path / "itk" / files[0].name).RescaleType in ("US", "HU")
    locale.setlocale(locale.LC_ALL, "")  # ITK leaves "C" behind


@pytest.mark.parametrize("name", ["brain.hdr", "brain.mgz", "brain.nrrd"])
def test_a_volume_of_another_format_is_told_how_to_convert_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"NRRD0004" * 40)
    with pytest.raises(InputError, match=r"not a DICOM file\. Convert it to one NIfTI file"):
        read_volume(tmp_path / name)


def test_a_packed_series_is_to_be_unpacked(write_series, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", write_series(np.zeros((3, 2, 2))))
    with pytest.raises(InputError, match=r"packed\.zip: .* Unpack it, and give the folder"):
        read_volume(packed)
