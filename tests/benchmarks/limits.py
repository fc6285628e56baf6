"""What the machine itself allows: the same bytes read and decoded by the least code, as a mark for the package."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.prompts import PATCH_SIDE

HEADER = 4096  # bytes; where a series' headers lie


def series_bytes(folder: str) -> Callable[[], int]:
    """Of every file the first 4 KB, of 85 all pixels, and their three windows. The order is known beforehand."""
    from helpers.teaching import colours_of
    from helpers.volumes import find_dicom_files, select_slices
    from helpers.volumes.dicom_slices import scan

    files = find_dicom_files(folder)
    slices = sorted(scan(files)[0], key=lambda record: record.position[2])
    chosen = [slices[k] for k in select_slices(len(slices))]

    def head(path: Path) -> int:
        with path.open("rb", buffering=0) as stream:
            return len(stream.read(HEADER))

    def colours(k: int) -> int:
        record = chosen[k]
        pixels = record.path.read_bytes()[-record.rows * record.columns * 2 :]
        hu = np.frombuffer(pixels, "<i2").reshape(record.rows, record.columns) + np.int16(record.intercept)
        return colours_of("head CT", hu).nbytes

    def work() -> int:
        read = sum(map(head, files))
        with ThreadPoolExecutor() as pool:
            return read + sum(pool.map(colours, range(len(chosen))))

    return work


def tiles_decoded(path: str, mpp: float) -> Callable[[], int]:
    """The JPEG tiles that the sampled patches touch, each read and decoded once, in two threads."""
    import tifffile

    from helpers.slides import open_slide, sample_patches

    with open_slide(path) as slide:
        patches, level = sample_patches(slide, mpp), slide.best_level(mpp)
        downsample = slide.levels[level].downsample
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[level]
        side, across, tables = page.tilewidth, -(-page.imagewidth // page.tilewidth), page.jpegtables
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    touched = set()
    for patch in patches:
        left, top = round(patch.x / downsample), round(patch.y / downsample)
        touched |= {
            row * across + column
            for row in range(top // side, -(-(top + PATCH_SIDE) // side))
            for column in range(left // side, -(-(left + PATCH_SIDE) // side))
        }
    tiles = [places[number] for number in sorted(touched)]

    def decode(share: list[tuple[int, int]]) -> int:
        pixels = 0
        with Path(path).open("rb") as stream:
            for offset, count in share:
                stream.seek(offset)
                tile = tables[:-2] + stream.read(count)[2:]  # the tables stand in the file once for all tiles
                pixels += np.asarray(Image.open(io.BytesIO(tile))).size
        return pixels

    def work() -> int:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(decode, (tiles[::2], tiles[1::2])))

    return work


def pictures_encoded(folder: str) -> Callable[[], int]:
    """The prompt images of as many series as there are, encoded as PNG and no more; all are copies of one."""
    from helpers.preparing.shards import as_png
    from helpers.volumes import ct_to_rgb, read_volume, select_slices

    series = sorted(Path(folder).iterdir())
    volume = read_volume(series[0], modality="CT")
    images = [Image.fromarray(rgb) for rgb in ct_to_rgb(volume, select_slices(volume.shape[0]))]

    def work() -> int:
        size = 0
        for _ in series:
            for image in images:
                size += len(as_png(image, grey=False))
        return size

    return work


def session_products(model: str, questions: int) -> Callable[[], int]:
    """What `bench_sessions.one_session` computes, as large matrix products."""
    from tests.benchmarks.bench_sessions import one_session

    return _products(one_session(model, questions))


def training_products(model: str, examples: int, epochs: int) -> Callable[[], int]:
    """What `bench_finetuning.encoded_once` computes, as large matrix products."""
    from tests.benchmarks.bench_finetuning import encoded_once

    return _products(encoded_once(model, examples, epochs))


def _products(compute: Callable[[], object], side: int = 1024) -> Callable[[], int]:
    """As many operations as torch counts in ``compute``, in products of large matrices: the fastest there are."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    aten = torch.ops.aten
    attention = {  # of a CPU, which torch does not count by itself
        aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: (
            lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(grad, q, k, v)
        ),
    }
    with FlopCounterMode(display=False, custom_mapping=attention) as counter:
        compute()
    times = max(1, round(counter.get_total_flops() / (2 * side**3)))
    left, right, out = torch.randn(side, side), torch.randn(side, side), torch.empty(side, side)

    def work() -> int:
        for _ in range(times):
            torch.mm(left, right, out=out)
        return times

    return work
