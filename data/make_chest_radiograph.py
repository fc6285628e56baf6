"""Write the bundled chest radiograph, data/chest_radiograph.dcm: the published file without its identifiers.

    python data/make_chest_radiograph.py RG1_J2KI.dcm

The published sample still holds a birth date, a second patient ID and dates. Only the attributes that are needed
to show the image are kept (a list of what stays is safer than a list of what goes); the compressed pixel data is
copied untouched. Afterwards: ``python data/update_manifest.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from helpers.storage import whole_file

KEEP = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality"),
    *("BodyPartExamined", "ViewPosition", "PatientOrientation", "DerivationDescription"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter", "WindowWidth"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "PixelData"),
)
UID_SEED = "medgemma-tutorials chest-radiograph 1"


def without_identifiers(source: Dataset) -> Dataset:
    """A new data set with what `KEEP` names of ``source``, new UIDs, and the de-identification attributes."""
    ds = Dataset()
    for keyword in KEEP:
        ds[keyword] = source[keyword]
    ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ""
    ds.PatientID = "chest-radiograph"
    ds.StudyID = ds.SeriesNumber = ds.InstanceNumber = "1"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(ds, keyword, generate_uid(entropy_srcs=[UID_SEED, keyword]))
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "All attributes removed but those of the image"
    method = Dataset()
    method.CodeValue = codes.DCM.BasicApplicationConfidentialityProfile.value
    method.CodingSchemeDesignator = "DCM"
    method.CodeMeaning = codes.DCM.BasicApplicationConfidentialityProfile.meaning
    ds.DeidentificationMethodCodeSequence = [method]
    ds.BurnedInAnnotation = "NO"
    ds.LongitudinalTemporalInformationModified = "REMOVED"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


if __name__ == "__main__":
    target = Path(__file__).parent / "chest_radiograph.dcm"
    with whole_file(target) as partial:
        without_identifiers(dcmread(sys.argv[1])).save_as(partial, enforce_file_format=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")
