"""Teaching slides: real H&E and IHC tissue in fragments on blank glass, written as a pyramidal TIFF.

A slide goes through all steps: from a file through OpenSlide, tissue mask and patch grid, to the prompt.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

from helpers.data import fetch
from helpers.images import read_image
from helpers.slides import open_slide, read_patches, sample_patches

MPP = 1.0  # microns per pixel of level 0, about 10x; the IHC patch states none, so its pixels count as 1 micron
MIN_TISSUE = 0.02  # share of a patch; small enough for fragments
GLASS = 243  # grey value of glass on the bundled slide
STAINS = ("H&E histology", "immunohistochemistry")


@dataclass(frozen=True)
class Specimen:
    """The stain and form of a slide's tissue, and the seed of its shapes."""

    stain: str
    fragments: bool  # small fragments, or else one broad sheet
    strength: float  # strength of the stain; 1 is as scanned
    side: tuple[int, int]  # pixels, width and height
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Specimen:
        """Draw a stain, fragments or a sheet, and a slide of 2 to 3 patches a side at 10x."""
        stain, fragments = STAINS[rng.integers(2)], bool(rng.random() < 0.5)
        side = tuple(int(v) for v in rng.integers(1700, 2700, 2))
        return cls(stain, fragments, float(rng.uniform(0.8, 1.15)), side, int(rng.integers(2**31)))


def picture_of(specimen: Specimen) -> np.ndarray:
    """The slide at 1 micron per pixel: uint8 RGB (height, width, 3)."""
    rng = np.random.default_rng([9, specimen.seed])
    width, height = specimen.side
    tissue = _sheet(specimen.stain)
    top, left = rng.integers(tissue.shape[0]), rng.integers(tissue.shape[1])
    rows, columns = np.arange(top, top + height) % len(tissue), np.arange(left, left + width) % tissue.shape[1]
    tissue = tissue[np.ix_(rows, columns)]
    tissue = np.rot90(tissue, 2 * int(rng.integers(2)))
    stain = specimen.strength * rng.uniform(0.93, 1.07, 3)  # also changes the hue
    where = _where(specimen, rng)
    glass = (
        GLASS + rng.normal(0, 1.5, (height // 4 + 1, width // 4 + 1, 1)).repeat(4, 0).repeat(4, 1)[:height, :width]
    )
    out = glass - (GLASS - tissue.astype(np.float32)) * stain * where[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)


def _where(specimen: Specimen, rng: np.random.Generator) -> np.ndarray:
    """The tissue of each pixel, as one broad sheet or a few fragments: float32 (height, width), 0 to 1."""
    width, height = specimen.side
    rows, columns = height // 16 + 1, width // 16 + 1
    y, x = np.mgrid[:rows, :columns] / np.array([rows, columns])[:, None, None]
    rough = ndimage.gaussian_filter(rng.standard_normal((rows, columns)), 6)
    rough *= 0.12 / rough.std()
    if not specimen.fragments:
        inside = np.hypot((y - 0.5) / 0.52, (x - 0.5) / 0.52) + rough < rng.uniform(0.95, 1.1)
    else:
        inside = np.zeros((rows, columns), bool)
        for _ in range(rng.integers(3, 7)):
            cy, cx, radius = rng.uniform(0.12, 0.88), rng.uniform(0.12, 0.88), rng.uniform(0.09, 0.14)
            inside |= np.hypot(y - cy, x - cx) / radius + 2 * rough < 1
    large = Image.fromarray(inside.astype(np.uint8) * 255).resize(
        (columns * 16, rows * 16), Image.Resampling.BILINEAR
    )
    return np.asarray(large, np.float32)[:height, :width] / 255


@functools.cache
def tissue_of(stain: str) -> Image.Image:
    """The bundled picture of a stain, whole, at its own resolution."""
    if stain == "immunohistochemistry":
        return read_image(fetch("ihc-patch"))
    with open_slide(fetch("slide-he")) as slide:
        return slide.handle.read_region((0, 0), 0, (slide.width, slide.height)).convert("RGB")


@functools.cache
def _sheet(stain: str) -> np.ndarray:
    """Tissue without borders: the bundled picture and its mirror images, so that it can be tiled."""
    picture = tissue_of(stain)
    if stain == "H&E histology":
        picture = picture.reduce(2).crop((290, 420, 640, 1400))  # 1 micron per pixel, without the glass beside it
    one = np.asarray(picture)
    row = np.concatenate([one, one[:, ::-1]], axis=1)
    return np.concatenate([row, row[::-1]], axis=0)


def write_slide(path: Path, picture: np.ndarray, mpp: float = MPP, levels: int = 2) -> Path:
    """Write ``picture`` as a tiled, pyramidal TIFF that OpenSlide reads, each level a quarter of the last."""
    with tifffile.TiffWriter(path) as tiff:
        for level in range(levels):
            reduced = np.asarray(Image.fromarray(picture).reduce(4**level)) if level else picture
            tiff.write(
                reduced,
                photometric="rgb",
                tile=(256, 256),
                compression="zlib",
                compressionargs={"level": 1},
                subfiletype=1 if level else 0,
                resolution=(1e4 / (mpp * 4**level),) * 2,
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path


def patches_of(specimen: Specimen, limit: int = 126) -> Sequence[Image.Image]:
    """The patches of a slide at 10x, read from a file of the slide."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_slide(Path(folder) / "slide.tiff", picture_of(specimen))
        with open_slide(path) as slide:
            return list(read_patches(slide, sample_patches(slide, MPP, limit=limit, min_tissue=MIN_TISSUE)))
