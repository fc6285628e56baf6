"""Shared test data: real series and small written ones."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from helpers.data import fetch

DATA = Path(__file__).parent / "files"

# A shell ignores interrupts for what it starts in the background, and what is started from here inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # processes that test side by side share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core, up to four, of which each may need 3 GB: it may run a notebook."""
    room = int(psutil.virtual_memory().available / 3e9)
    return max(1, min(4, os.cpu_count() or 1, room))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The tests of a file stay in one process (``--dist loadscope``), and so do all that use a GPU."""
    from xdist.scheduler import LoadScopeScheduling

    class OneForTheGpu(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "gpu" if "gpu" in nodeid.partition("::")[0] else super()._split_scope(nodeid)

    return OneForTheGpu(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def head_ct() -> Path:
    """Folder of the bundled head CT."""
    return fetch("ct-head")


@pytest.fixture
def head_ct_copy(head_ct: Path, tmp_path: Path) -> Path:
    """A copy of the bundled head CT that a test may spoil."""
    return Path(shutil.copytree(head_ct, tmp_path / "ct"))


@pytest.fixture
def write_series(tmp_path: Path) -> Callable[..., Path]:
    """Write ``values`` (z, y, x) as a DICOM series; keywords set attributes, for all slices or (dict) by slice."""

    def write(values: np.ndarray, *, folder: str = "series", modality: str = "CT", **attributes: Any) -> Path:
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        series = generate_uid()
        for k, plane in enumerate(values.astype(np.int16)):
            ds = Dataset()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
            ds.SOPInstanceUID = generate_uid()
            ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.SeriesInstanceUID = series
            ds.Modality = modality
            ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            ds.ImagePositionPatient = [-10, -20, 2.5 * k]
            ds.PixelSpacing = [0.8, 0.7]
            ds.SliceThickness = 2.5
            ds.Rows, ds.Columns = plane.shape
            ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
            ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
            ds.PixelData = plane.tobytes()
            if modality == "CT":
                ds.RescaleSlope, ds.RescaleIntercept = 1, 0
            for keyword, value in attributes.items():
                setattr(ds, keyword, value[k] if isinstance(value, dict) else value)
            ds.save_as(target / f"{k:04d}.dcm", enforce_file_format=True)
        return target

    return write


@pytest.fixture(scope="session")
def standin() -> Any:
    """The shipped stand-in, on the CPU in float32."""
    from helpers.models import load_model

    return load_model("standin", device="cpu")
