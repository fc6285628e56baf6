"""126 patches of a large slide: read_patches beside a plain OpenSlide loop.

Run: python -m tests.benchmarks.bench_slides

Two slides are generated once (a minute), of real tissue mosaicked, pyramidal, in tiled JPEG; the second has four
times the pixels, to see whether memory grows with the slide. All ways have to give the same pixels.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from pathlib import Path

from openslide import OpenSlide
from PIL import Image

from helpers.prompts import MAGNIFICATION_MPP, PATCH_SIDE
from helpers.slides import Patch, open_slide, read_patches, sample_patches
from helpers.storage import whole_file
from tests.benchmarks.measure import BUILD, Variant, measure, save, table

# 14 and 28 whole patches across at 10x.
SIDES = (25_088, 50_176)  # pixels
SLIDE_MPP = 0.499  # of the real tissue
WORKERS = 2


def plain_loop(path: str, mpp: float) -> Callable[[], str]:
    """One handle, one patch after the other: read_region at the best level, then resize."""
    patches = _patches(path, mpp)

    def work() -> str:
        pixels = 0
        with OpenSlide(path) as slide:
            for patch in patches:
                downsample = patch.size / PATCH_SIDE
                level = slide.get_best_level_for_downsample(downsample * 1.02)
                side = round(patch.size / slide.level_downsamples[level])
                region = slide.read_region((patch.x, patch.y), level, (side, side))
                beyond = Image.new("RGBA", region.size, (*patch.glass, 255))
                region = Image.alpha_composite(beyond, region).convert("RGB")
                pixels = _checksum(region.resize((PATCH_SIDE, PATCH_SIDE), Image.Resampling.LANCZOS), pixels)
        return f"{pixels:08x}"

    return work


def parallel(path: str, mpp: float) -> Callable[[], str]:
    """The package's read_patches."""
    patches = _patches(path, mpp)

    def work() -> str:
        pixels = 0
        with open_slide(path) as slide:
            for image in read_patches(slide, patches, workers=WORKERS):
                pixels = _checksum(image, pixels)
        return f"{pixels:08x}"

    return work


def whole_path(path: str, mpp: float) -> Callable[[], str]:
    """All that a notebook does: open the slide, find the tissue, sample the patches, read them."""

    def work() -> str:
        pixels = 0
        with open_slide(path) as slide:
            for image in read_patches(slide, sample_patches(slide, mpp), workers=WORKERS):
                pixels = _checksum(image, pixels)
        return f"{pixels:08x}"

    return work


def _patches(path: str, mpp: float) -> list[Patch]:
    with open_slide(path) as slide:
        return sample_patches(slide, mpp)


def _checksum(image: Image.Image, before: int) -> int:
    return zlib.crc32(image.tobytes(), before)


def make_slide(path: Path, side: int) -> None:
    """Write a slide of ``side`` x ``side`` pixels, without ever holding it in memory as a whole."""
    from tests.slide_files import tissue_mosaic, write_tiff_slide

    with whole_file(path) as partial:
        write_tiff_slide(partial, tissue_mosaic(side, side), SLIDE_MPP)


def main() -> None:
    """Make the slides, measure, print a table for each magnification and write build/bench_slides.json."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--magnification", type=int, choices=MAGNIFICATION_MPP, default=10)
    options = parser.parse_args()
    mpp = MAGNIFICATION_MPP[options.magnification]

    variants = {}
    for side in SIDES:
        path = BUILD / f"slide-{side}.tiff"
        if not path.exists():
            print(f"Writing a slide of {side:,} x {side:,} pixels ...", flush=True)
            make_slide(path, side)
        count = len(_patches(str(path), mpp))
        for name, way in {
            "plain loop": plain_loop,
            f"read_patches, {WORKERS} workers": parallel,
            "the same, with mask and sampling": whole_path,
        }.items():
            arguments = {"path": str(path), "mpp": mpp}
            variants[f"{side:,} px: {name}"] = Variant(f"{__spec__.name}:{way.__name__}", arguments)
        print(f"{side:,} x {side:,} pixels: {count} patches at {options.magnification}x")

    measurements = measure(variants, options.repeats)
    for side in SIDES:
        rows = {name: row for name, row in measurements.items() if name.startswith(f"{side:,} px")}
        if len({row.result for row in rows.values()}) > 1:
            raise SystemExit(f"{side:,} px: the ways do not give the same pixels")
        print("", table(rows, baseline=next(iter(rows))), sep="\n")
    print("\nThe pixels are the same in every row of a table.")
    save(BUILD / "bench_slides.json", measurements, magnification=options.magnification)


if __name__ == "__main__":
    main()
