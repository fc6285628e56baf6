"""Written DICOM images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid


@pytest.fixture
def write_image(tmp_path: Path) -> Callable[..., Path]:
    """Write stored values (rows, columns) or (rows, columns, samples) as a DICOM image; keywords set attributes.

    ``bits`` is BitsStored; ``syntax`` the transfer syntax (the bytes are not reordered); ``frames`` says that the
    first axis counts frames.
    """

    def write(
        values: np.ndarray,
        *,
        kind: str = "MONOCHROME2",
        bits: int | None = None,
        frames: bool = False,
        syntax: str = ExplicitVRLittleEndian,
        **attributes: Any,
    ) -> Path:
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        shape = values.shape[1:] if frames else values.shape
        if frames:
            ds.NumberOfFrames = len(values)
        ds.Rows, ds.Columns = shape[:2]
        ds.SamplesPerPixel = shape[2] if len(shape) > 2 else 1
        if len(shape) > 2:
            ds.PlanarConfiguration = 0
        ds.PhotometricInterpretation = kind
        ds.BitsAllocated = 8 * values.dtype.itemsize
        ds.BitsStored = bits or ds.BitsAllocated
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(values.dtype.kind == "i")
        ds.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.dcm"
        ds.save_as(path, enforce_file_format=True)
        return path

    return write
