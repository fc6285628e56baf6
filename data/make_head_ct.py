"""Write the bundled head CT, data/ct_head/, from an array of Hounsfield units.

    python data/make_head_ct.py SOURCE.npz [FOLDER]

SOURCE.npz holds ``hu``, int16 (slices, rows, columns), axial, slice 0 the most inferior, row 0 anterior; and
``spacing_zyx`` in mm. Each slice becomes one CT Image Storage file (DICOM PS3.3 A.3), compressed with JPEG 2000
Lossless, so that reading the series gives back exactly ``hu``. The files are the same, byte for byte, each time
this runs with the same versions of pydicom and OpenJPEG. Afterwards: ``python data/update_manifest.py``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid
from tqdm import tqdm

# UIDs are hashes of these words: new for this copy, as de-identification asks, and the same at every run.
UID_SEED = "medgemma-tutorials ct-head 1"
# Stored values are unsigned, as CT scanners write them: 0 is -1024 HU, and 12 bits reach 3071 HU.
INTERCEPT, BITS = -1024, 12
# CID 7050 (PS3.16): 113100, 113102 (the face) and 113105 (the descriptions below were written anew).
DEIDENTIFICATION = (
    codes.DCM.BasicApplicationConfidentialityProfile,
    codes.DCM.CleanRecognizableVisualFeaturesOption,
    codes.DCM.CleanDescriptorsOption,
)


def uid(*words: object) -> str:
    """The UID that stands for these words."""
    return generate_uid(entropy_srcs=[UID_SEED, *map(str, words)])


def code_item(code: tuple) -> Dataset:
    """A coded term as the item of a code sequence (PS3.3 section 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def series_attributes(spacing: np.ndarray) -> Dataset:
    """Everything that all slices share. Type 2 attributes whose value is not known are there and empty."""
    ds = Dataset()
    # Patient and study (PS3.3 C.7.1, C.7.2)
    ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ""
    ds.PatientID = "ct-head"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = ["Attributes written anew, none copied", "Face cut off by an oblique plane"]
    ds.DeidentificationMethodCodeSequence = [code_item(code) for code in DEIDENTIFICATION]
    ds.StudyInstanceUID = uid("study")
    ds.StudyDate = ds.StudyTime = ds.StudyID = ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.LongitudinalTemporalInformationModified = "REMOVED"
    # Series, frame of reference, equipment (C.7.3 to C.7.5)
    ds.Modality = "CT"
    ds.SeriesInstanceUID = uid("series")
    ds.SeriesNumber = 1
    ds.SeriesDescription = "Head, axial, face removed"
    ds.BodyPartExamined = "HEAD"
    ds.PatientPosition = ""
    ds.FrameOfReferenceUID = uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.Manufacturer = ""
    # General and CT image (C.7.6.1, C.8.2.1). DERIVED, because cutting off the face changed pixel values of the
    # acquired images; all 108 are so, and preferring ORIGINAL chooses only within a series that holds both.
    ds.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    ds.DerivationDescription = "Voxels in front of an oblique plane through the face set to -1000 HU"
    ds.BurnedInAnnotation = "NO"
    ds.RecognizableVisualFeatures = "NO"
    ds.AcquisitionNumber = 1
    ds.KVP = ""
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, INTERCEPT, "HU"
    # A brain window for viewers (C.11.2); the model's own three windows do not depend on it.
    ds.WindowCenter, ds.WindowWidth = 40, 80
    # Image plane (C.7.6.2): rows run to the patient's left, columns to the back.
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SliceThickness = float(spacing[0])
    ds.PixelSpacing = [float(spacing[1]), float(spacing[2])]
    # Image pixel (C.7.6.3)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, BITS, BITS - 1
    return ds


def write_slice(path: Path, shared: Dataset, hu: np.ndarray, k: int, spacing: np.ndarray) -> None:
    """Write slice ``k`` (0 the most inferior), whose values are ``hu`` (rows, columns)."""
    ds = Dataset()
    ds.update(shared)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid("slice", k)
    ds.InstanceNumber = k + 1
    ds.Rows, ds.Columns = hu.shape
    # The origin is not known: here it is the middle of the lowest slice.
    corner = [-spacing[2] * (hu.shape[1] - 1) / 2, -spacing[1] * (hu.shape[0] - 1) / 2, spacing[0] * k]
    ds.ImagePositionPatient = [round(float(x), 6) for x in corner]
    ds.PixelData = (hu.astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationVersionName = "MEDGEMMA_TUT_1"  # else pydicom's version, which changes the bytes
    # Lossless: the same image in another encoding, so it keeps its UID.
    ds.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)


def main(source: Path, folder: Path) -> None:
    """Write the series to ``folder``, in the place of what is there, once it is whole and checked."""
    with np.load(source, allow_pickle=False) as arrays:
        volume, spacing = arrays["hu"], arrays["spacing_zyx"]
    if volume.min() < INTERCEPT or volume.max() >= INTERCEPT + 2**BITS:
        raise SystemExit(f"{source}: values from {volume.min()} to {volume.max()} HU do not fit {BITS} bits.")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shared = series_attributes(spacing)
    for k, hu in enumerate(tqdm(volume, desc="slices", unit="slice")):
        path = partial / f"{k + 1:03d}.dcm"
        write_slice(path, shared, hu, k, spacing)
        ds = dcmread(path)
        if not np.array_equal(apply_modality_lut(ds.pixel_array, ds), hu):
            raise SystemExit(f"{path}: the values read back are not those written.")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(volume)} slices, {size / 1e6:.1f} MB, read back exactly")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).parent / "ct_head")
