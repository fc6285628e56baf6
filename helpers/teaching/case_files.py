"""Write teaching cases as files (DICOM series, pyramidal TIFF, PNG), so that reading files is also tested."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from helpers.errors import InputError
from helpers.storage import whole_file, whole_folder
from helpers.teaching.cases import Case
from helpers.teaching.slides import picture_of, write_slide
from helpers.teaching.volumes import RECIPES
from helpers.volumes import Volume


def write_case(case: Case, folder: Path) -> Path:
    """Write a case's images into ``folder`` under the case's id and give the path to read them from.

    A CT or MRI becomes a folder of DICOM files for `helpers.volumes.read_volume`, a slide a TIFF for
    `helpers.slides.open_slide`, a single image a PNG, a pair of them a folder with
    ``prior.png`` and ``current.png``. Raises `InputError` if that path exists already, or if the case has no
    images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suffix = {"slide": ".tiff", "image": ".png", "effusion": ".png", "box": ".png"}.get(case.kind, "")
    path = folder / f"{case.id}{suffix}"
    if path.exists():
        raise InputError(
            "The file or folder exists already.", path=path, remedy="Delete it, or choose another folder."
        )
    if case.kind in RECIPES:
        return write_series(case.volume(), path)
    if case.kind == "text":
        raise InputError("A case without images has no files.", remedy="Use the messages of the case.")
    if case.kind == "change":
        with whole_folder(path) as partial:
            for name, image in zip(("prior", "current"), case.images, strict=True):
                image.save(partial / f"{name}.png")
        return path
    with whole_file(path) as partial:
        if case.kind == "slide":
            write_slide(partial, picture_of(case.record["specimen"]))
        else:
            case.images[0].save(partial, format="PNG")
    return path


def write_series(volume: Volume, folder: Path) -> Path:
    """Write a CT or MR volume of whole numbers as a DICOM series. The folder appears when it is complete.

    Each slice is a file with the attributes of PS3.3 A.3 and A.4 that a reader needs. A text in each says how the
    image was made. No attribute names a patient.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    study, series, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    for k in range(volume.shape[0]):
        ds = _slice(volume, k)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame_of_reference
        ds.save_as(partial / f"{k + 1:03d}.dcm", enforce_file_format=True)
    partial.rename(folder)
    return folder


def _slice(volume: Volume, k: int) -> Dataset:
    values = volume.slices([k])[0]
    step, down, along = (volume.affine[:3, axis] for axis in range(3))
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage if volume.modality == "CT" else MRImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.Modality = volume.modality
    ds.PatientID, ds.PatientName = "TEACHING", "Teaching^Case"
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    ds.SeriesDescription = volume.description
    ds.DerivationDescription = "Real anatomy, changed, with or without synthetic findings. For education."
    ds.SeriesNumber, ds.InstanceNumber = 1, k + 1
    ds.ImageOrientationPatient = [*(along / np.linalg.norm(along)), *(down / np.linalg.norm(down))]
    ds.ImagePositionPatient = [f"{v:.6g}" for v in volume.affine[:3, 3] + k * step]
    ds.PixelSpacing = [f"{v:.8g}" for v in volume.spacing[1:]]
    ds.SliceThickness = f"{volume.spacing[0]:.6g}"
    ds.Rows, ds.Columns = values.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = values.astype("<i2").tobytes()
    if volume.modality == "CT":
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
    return ds
