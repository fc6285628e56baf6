"""A CT series to prompt images, to pixel tensors, and through the vision tower: ours beside what one would write.

Run: python -m tests.benchmarks.bench_volumes

The series is generated once: 600 slices of 512 x 512 pixels in shuffled files. All ways of one table have to give
the same result.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.benchmarks.measure import BUILD, Variant, measure, save, table

SERIES = BUILD / "ct-600-slices"
COUNT = 85


# From files to images


def headers_first(folder: str) -> Callable[[], str]:
    """The package: headers of all files, pixels of 85."""
    from helpers.volumes import ct_to_rgb, read_volume, select_slices

    def work() -> str:
        volume = read_volume(folder, modality="CT")
        return _checksum(ct_to_rgb(volume, select_slices(volume.shape[0], COUNT)))

    return work


def simpleitk_whole(folder: str) -> Callable[[], str]:
    """SimpleITK reads the whole series, sorted by position; then 85 slices are taken."""
    import SimpleITK

    def work() -> str:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
        hu = SimpleITK.GetArrayFromImage(reader.Execute())
        return _checksum(_three_windows(hu[k]) for k in _equidistant(len(hu)))

    return work


def monai_whole(folder: str) -> Callable[[], str]:
    """MONAI loads the whole series; then 85 slices are taken."""
    from monai.transforms import LoadImage

    load = LoadImage(reader="PydicomReader", swap_ij=False, image_only=True, dtype=np.float32)

    def work() -> str:
        hu = np.asarray(load(folder))  # (rows, columns, slices)
        return _checksum(_three_windows(hu[..., k]) for k in _equidistant(hu.shape[-1]))

    return work


def every_file(folder: str) -> Callable[[], str]:
    """The usual recipe: read every file with its pixels, sort, sample, rescale, window."""
    import pydicom

    def work() -> str:
        datasets = [pydicom.dcmread(path) for path in Path(folder).iterdir()]
        datasets.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
        chosen = [datasets[k] for k in _equidistant(len(datasets))]
        hu = [ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in chosen]
        return _checksum([_three_windows(plane) for plane in hu])

    return work


def _equidistant(n: int) -> list[int]:
    return np.linspace(0, n - 1, COUNT).round().astype(int).tolist()


def _three_windows(hu: np.ndarray) -> np.ndarray:
    channels = []
    for low, high in ((-1024, 1024), (-135, 215), (0, 80)):
        scaled = (np.clip(hu, low, high).astype(np.float32) - low) / (high - low) * 255
        channels.append(np.round(scaled).astype(np.uint8))
    return np.stack(channels, axis=-1)


# From images to the tensors that enter the tower


def small_batches(folder: str) -> Callable[[], str]:
    """The package's pixel_batches, each batch let go of as the tower would."""
    from helpers.models import pixel_batches

    images, processor = _images(folder), _processor()

    def work() -> str:
        return _checksum(pixels[:, :, ::16, ::16].numpy() for pixels in pixel_batches(images, processor))

    return work


def processor_at_once(folder: str) -> Callable[[], str]:
    """The processor called on all 85 images, as a chat template does."""
    images, processor = _images(folder), _processor()

    def work() -> str:
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        return _checksum([pixels[:, :, ::16, ::16].numpy()])

    return work


def _images(folder: str) -> list[Image.Image]:
    from helpers.volumes import ct_to_rgb, read_volume, select_slices

    volume = read_volume(folder)
    return [Image.fromarray(s) for s in ct_to_rgb(volume, select_slices(volume.shape[0], COUNT))]


def _processor(side: int = 896) -> Any:
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    return Gemma3ImageProcessorPil(size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3)


# Through the vision tower


def tower_in_batches(folder: str) -> Callable[[], float]:
    """The package's encode_images: 8 at a time."""
    from helpers.models import encode_images

    images, model = _images(folder), _mid_size_model()

    def work() -> float:
        return round(float(encode_images(model, _processor(448), images).double().abs().mean()), 4)

    return work


def tower_at_once(folder: str) -> Callable[[], float]:
    """All 85 images through processor and tower in one call."""
    import torch

    images, model = _images(folder), _mid_size_model()

    def work() -> float:
        with torch.inference_mode():
            pixels = _processor(448)(images=images, return_tensors="pt")["pixel_values"]
            features = model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output
        return round(float(features.double().abs().mean()), 4)

    return work


def _mid_size_model() -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    from helpers.models import STANDIN_FOLDER

    config = AutoConfig.from_pretrained(STANDIN_FOLDER)
    config.vision_config.image_size, config.vision_config.patch_size = 448, 14
    config.vision_config.hidden_size, config.vision_config.intermediate_size = 192, 768
    config.vision_config.num_attention_heads, config.vision_config.num_hidden_layers = 4, 4
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).eval()
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.02)
    return model


def _checksum(arrays: Iterable[np.ndarray]) -> str:
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return f"{value:08x}"


def make_series(folder: Path, n: int = 600, side: int = 512) -> None:
    """Write ``n`` slices under shuffled names: the bundled head CT enlarged and shifted, so that they differ."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    from helpers.data import fetch
    from helpers.volumes import read_volume

    head = read_volume(fetch("ct-head"))
    voxels = head.slices(range(head.shape[0]))
    names = random.Random(0).sample(range(n), n)
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        plane = np.kron(voxels[k * len(voxels) // n], np.ones((2, 2), np.int16))[:side, :side]
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid(entropy_srcs=["bench", str(k)])
        ds.StudyInstanceUID = generate_uid(entropy_srcs=["bench", "study"])
        ds.SeriesInstanceUID = generate_uid(entropy_srcs=["bench", "series"])
        ds.Modality, ds.ImageType, ds.AcquisitionNumber = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"], 1
        ds.InstanceNumber = k + 1  # without it MONAI passes a file over
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-200, -200, float(k)]
        ds.PixelSpacing, ds.SliceThickness = [0.8, 0.8], 1
        ds.Rows = ds.Columns = side
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        ds.PixelData = (np.roll(plane, k, axis=1) + 1024).astype("<i2").tobytes()
        ds.save_as(partial / f"{name:05d}.dcm", enforce_file_format=True)
    partial.rename(folder)


TABLES = {
    "images": (simpleitk_whole, monai_whole, every_file, headers_first),
    "tensors": (processor_at_once, small_batches),
    "tower": (tower_at_once, tower_in_batches),
}


def main() -> None:
    """Make the series, measure, print the tables and write build/bench_volumes.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if not SERIES.exists():
        print("Writing a series of 600 slices ...", flush=True)
        make_series(SERIES)
    measured = {}
    for name, ways in TABLES.items():
        variants = {
            way.__doc__.partition(":")[0].partition(";")[0].rstrip("."): Variant(
                f"{__spec__.name}:{way.__name__}", {"folder": str(SERIES)}
            )
            for way in ways
        }
        rows = measure(variants, options.repeats)
        if len({row.result for row in rows.values()}) > 1:
            raise SystemExit(f"{name}: the ways do not give the same result")
        print(f"\n### {name}\n", table(rows, baseline=next(iter(rows))), sep="\n")
        measured |= {f"{name}: {way}": row for way, row in rows.items()}
    save(BUILD / "bench_volumes.json", measured)


if __name__ == "__main__":
    main()
