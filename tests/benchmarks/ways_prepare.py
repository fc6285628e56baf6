"""Many series to Parquet shards of prompt-ready images, in one process, in several, and on Ray."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from pydicom import dcmread
from pydicom.uid import generate_uid

from helpers.storage import whole_folder
from tests.benchmarks.measure import BUILD

PICTURE_FORMS: dict[str, dict[str, Any]] = {  # arguments of Pillow
    "Pillow, PNG of level 1": {"format": "png", "compress_level": 1},
    "Pillow, PNG of level 6": {"format": "png", "compress_level": 6},
    "Pillow, PNG of runs": {"format": "png", "compress_level": 1, "compress_type": zlib.Z_RLE},
    "Pillow, WebP": {"format": "webp", "lossless": True, "quality": 0, "method": 0},
}


def make_studies(series: Path, n: int) -> Path:
    """Copy a series ``n`` times, each with identifiers of its own, unless they are there; the folder of all."""
    folder = BUILD / f"{n}-studies"
    if not folder.exists():
        with whole_folder(folder) as partial:
            for k in range(n):
                (partial / f"series-{k}").mkdir()
                study, number = generate_uid(), generate_uid()
                for file in sorted(series.iterdir()):
                    dataset = dcmread(file)
                    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
                    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, number
                    dataset.save_as(partial / f"series-{k}" / file.name)
    return folder


def make_files(n: int) -> Path:
    """Write ``n`` empty files in folders of 100, unless they are there."""
    folder = BUILD / f"{n}-files"
    if not folder.exists():
        with whole_folder(folder) as partial:
            for k in range(n):
                (partial / f"{k // 100}").mkdir(exist_ok=True)
                (partial / f"{k // 100}" / f"{k}.dcm").touch()
    return folder


def listed(folder: str) -> Callable[[], int]:
    """The package's search for what there is to prepare; returns the number of files."""
    from helpers.preparing.sources import find_sources

    return lambda: sum(len(source.files) for source in find_sources(folder))


def walked(folder: str) -> Callable[[], int]:
    """Path.rglob, with the size and the time of change of each file."""

    def work() -> int:
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return len([path.stat().st_mtime for path in files])

    return work


def scanned(folder: str) -> Callable[[], int]:
    """os.scandir and a stat of each file, which is the least that finds out what has changed."""

    def work() -> int:
        found, folders = 0, [folder]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir():
                        folders.append(entry.path)
                    else:
                        found += entry.stat().st_mtime > 0
        return found

    return work


def one_process(folder: str) -> Callable[[], str]:
    """One series after the other."""
    return lambda: _prepared(folder, map)


def processes(folder: str, workers: int) -> Callable[[], str]:
    """Processes of this machine."""

    def work() -> str:
        from helpers.parallel import in_processes

        return _prepared(folder, in_processes(workers))

    return work


def on_ray(folder: str, workers: int) -> Callable[[], str]:
    """Tasks on Ray, whose start is counted."""

    def work() -> str:
        from helpers.parallel import ray_map

        return _prepared(folder, ray_map(workers=workers))

    return work


def encoded(folder: str, form: str) -> Callable[[], tuple[str, dict[str, float]]]:
    """The prompt images of a CT series in a form that loses nothing: the hash of their pixels, and facts."""
    from helpers.preparing.shards import as_png
    from helpers.volumes import ct_to_rgb, read_volume, select_slices

    volume = read_volume(folder, modality="CT")
    images = [Image.fromarray(rgb) for rgb in ct_to_rgb(volume, select_slices(volume.shape[0]))]

    def work() -> tuple[str, dict[str, float]]:
        start = time.perf_counter()
        kept = [as_png(image, grey=False) if form == "shard" else _saved(image, form) for image in images]
        written = time.perf_counter()
        read = [Image.open(io.BytesIO(picture)).convert("RGB").tobytes() for picture in kept]
        seconds = {"seconds to write": written - start, "seconds to read": time.perf_counter() - written}
        pixels = hashlib.sha256(b"".join(read)).hexdigest()
        return pixels, {**seconds, "MB": sum(map(len, kept)) / 1e6}

    return work


def _saved(image: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, **PICTURE_FORMS[form])
    return stream.getvalue()


def _prepared(folder: str, mapped: Any) -> str:
    from helpers.preparing import prepare

    with tempfile.TemporaryDirectory() as output:
        summary = prepare(folder, output, mapped=mapped)
        if summary.quarantined:
            raise RuntimeError(f"{folder}: {summary}")
        return str(summary).replace(output, "")
