"""Make a slide with one focus of another stain, so that a search has something to find at a known place.

The slide is composed (`helpers.teaching.compose_slide`) of tissue in pink and purple (H&E). The focus is a round
piece of the bundled tissue in brown and blue (immunohistochemistry). No real slide has two stains like this. It
stands for a finding in a small part of a slide.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from helpers.errors import InputError
from helpers.slides import Patch, Slide, open_slide, tissue_mask
from helpers.teaching.composed import BAND, NOT_REAL, compose_slide
from helpers.teaching.jpeg_tiff import write_pyramid
from helpers.teaching.slides import STAINS, tissue_of

SIDE = (7_168, 6_144)  # pixels, each about half a micron wide
FOCUS_UM = 1400.0  # nearly half of a patch at 5x


@dataclass(frozen=True)
class Focus:
    """Where the focus lies, in level-0 pixels of its slide."""

    x: int  # the middle of the focus
    y: int
    radius: int

    def share_of(self, patch: Patch) -> float:
        """The share of a patch that the focus covers, 0 to 1, counted at 64 x 64 points."""
        steps = (np.arange(64) + 0.5) / 64 * patch.size
        away = np.hypot(patch.x + steps - self.x, patch.y + steps[:, None] - self.y)
        return float((away < self.radius).mean())


def slide_with_focus(
    path: Path, *, seed: int = 0, present: bool = True, width_um: float = FOCUS_UM, side: tuple[int, int] = SIDE
) -> Focus:
    """Write a composed H&E slide with a focus in its tissue, as a pyramidal TIFF that OpenSlide reads.

    Args:
        path: the path of the file. An existing file is replaced.
        seed: the seed of the tissue and of the place. The same seed gives the same file.
        present: False writes the same slide without the focus.
        width_um: the width of the focus in microns, 20 to 3,000. A focus that is wider than the tissue lies partly
            on glass.
        side: width and height of the slide in pixels, as for `helpers.teaching.compose_slide`.

    Returns:
        The place of the focus, also if it is not drawn.

    Raises:
        InputError: the width is not possible, or as `helpers.teaching.compose_slide` raises it.
    """
    if not 20 <= width_um <= 3000:
        raise InputError(f"A focus cannot be {width_um:g} microns wide.", remedy="Give 20 to 3,000.")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "slide.tiff"
        plain.write_bytes(_composed(seed, side))
        with open_slide(plain) as slide:
            rng = np.random.default_rng([16, seed])
            focus = _place(slide, width_um, rng)
            piece = _piece(focus.radius, slide.mpp, rng) if present else None
            size = slide.width, slide.height
            write_pyramid(Path(path), _bands(slide, focus, piece), size, slide.mpp, description=NOT_REAL)
    return focus


@functools.lru_cache(maxsize=1)  # a slide is often written twice, with the focus and without it
def _composed(seed: int, side: tuple[int, int]) -> bytes:
    """The file of the slide without the focus."""
    with tempfile.TemporaryDirectory() as folder:
        return compose_slide(Path(folder) / "slide.tiff", seed=seed, side=side).read_bytes()


def _place(slide: Slide, width_um: float, rng: np.random.Generator) -> Focus:
    """A random place with tissue all around, or one of those with the most tissue around."""
    mask = tissue_mask(slide)
    radius = width_um / 2 / slide.mpp
    y, x = np.mgrid[: mask.tissue.shape[0], : mask.tissue.shape[1]] * mask.downsample
    to_edge = np.minimum.reduce([x + mask.origin[0], slide.width - x, y + mask.origin[1], slide.height - y])
    depth = ndimage.distance_transform_edt(np.pad(mask.tissue, 1))[1:-1, 1:-1] * mask.downsample
    depth[to_edge < radius + mask.downsample] = 0
    places = np.argwhere(depth >= min(radius, depth.max()))
    y, x = (places[rng.integers(len(places))] + 0.5) * mask.downsample
    return Focus(round(x + mask.origin[0]), round(y + mask.origin[1]), round(radius))


def _piece(radius: int, mpp: float, rng: np.random.Generator) -> Image.Image:
    """A disc of the other stain, RGBA, with a soft edge.

    The picture of that stain counts as 1 micron a pixel, and is enlarged if the focus is wider.
    """
    picture = tissue_of(STAINS[1])
    scale = max(1 / mpp, 2 * radius / (min(picture.size) - 1))
    picture = picture.resize([round(length * scale) for length in picture.size], Image.Resampling.BICUBIC)
    left, top = (int(rng.integers(length - 2 * radius + 1)) for length in picture.size)
    piece = picture.crop((left, top, left + 2 * radius, top + 2 * radius))
    disc = Image.new("L", piece.size)
    ImageDraw.Draw(disc).ellipse((8, 8, 2 * radius - 9, 2 * radius - 9), fill=255)
    piece.putalpha(disc.filter(ImageFilter.GaussianBlur(4)))
    return piece


def _bands(slide: Slide, focus: Focus, piece: Image.Image | None) -> Iterator[Image.Image]:
    """The slide from top to bottom, with the focus on it."""
    left, first = focus.x - focus.radius, focus.y - focus.radius
    for top in range(0, slide.height, BAND):
        height = min(BAND, slide.height - top)
        band = slide.handle.read_region((0, top), 0, (slide.width, height)).convert("RGB")
        if piece is not None and first < top + height and first + piece.height > top:
            band.paste(piece, (left, first - top), piece)
        yield band
