"""Compose a large slide of bundled tissue, with several levels and more patches than one prompt takes.

The bundled slide is a region with one level and a few patches. Here pieces are cut out of it in irregular shapes,
turned, laid over one another along a curve, and put on blank glass, so that a prompt has to choose among patches.
The slide is not a specimen: the same cells occur again and again, and their neighbourhood has no meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops
from scipy import ndimage

from helpers.errors import InputError
from helpers.teaching.jpeg_tiff import TILE, write_pyramid
from helpers.teaching.slides import GLASS, STAINS, tissue_of

NOT_REAL = "Composed from the bundled tissue: not a real specimen."
BAND = 2 * TILE  # rows of the slide that memory holds at once
ANGLES = (0, 30, 60)  # degrees by which the picture is turned, in addition to quarter turns
COARSE = 8  # pixels of the slide for one pixel of a cut's outline
CELL = 64  # pixels of the slide for one pixel of the search for places


@dataclass(frozen=True)
class _Source:
    """The area in which a stain's picture can be cut, in pixels of its part."""

    mpp: float
    part: tuple[int, int, int, int] | None  # left, top, right and bottom of the part that is used; None for all
    middle: tuple[tuple[int, int], tuple[int, int]]  # ranges of x and y for the middle of a cut
    reach: tuple[int, int]  # half a cut's width and height


_SOURCES = {
    STAINS[0]: _Source(0.499, (250, 250, 2050, 2967), ((800, 1000), (650, 2000)), (680, 640)),
    STAINS[1]: _Source(1.0, None, ((225, 285), (225, 285)), (205, 205)),  # its picture states no pixel size
}


@dataclass(frozen=True)
class _Cut:
    """A part of a turned picture with an irregular outline, and its place on the slide."""

    angle: int  # index of `ANGLES`
    quarters: int  # additional turns of 90 degrees, all counter-clockwise
    box: tuple[int, int, int, int]  # left, top, right, bottom in the turned picture
    place: tuple[int, int]  # x and y of its upper left corner on the slide
    outline: Image.Image  # 8 bits, a pixel for COARSE of the slide: 255 inside


def compose_slide(
    path: Path,
    *,
    stain: str = STAINS[0],
    seed: int = 0,
    pieces: int = 24,
    side: tuple[int, int] = (18_432, 14_336),
) -> Path:
    """Write a slide of pieces of bundled tissue as a tiled, pyramidal TIFF of three levels that OpenSlide reads.

    Its ImageDescription says that it is composed. A slide of the default size takes some seconds and about 40 MB,
    and has about 170 patches at 20x.

    Args:
        path: the path of the file. An existing file is replaced.
        stain: one of `STAINS`.
        seed: the seed of shapes and places; the same seed gives the same file.
        pieces: the largest number of pieces of tissue; fewer if there is no room.
        side: width and height in pixels, rounded up to multiples of 256.

    Returns:
        ``path``.

    Raises:
        InputError: the stain does not exist, the seed is below 0, or there is no room for a piece.
    """
    if stain not in _SOURCES:
        raise InputError(
            f"The course has no tissue with the stain {stain!r}.", remedy=f"Use one of {', '.join(_SOURCES)}."
        )
    if seed < 0:
        raise InputError(f"The seed is {seed}, below 0.", remedy="Use 0 or more.")
    size = -(-side[0] // TILE) * TILE, -(-side[1] // TILE) * TILE
    rng = np.random.default_rng([10, seed])
    source = _SOURCES[stain]
    picture = tissue_of(stain)
    picture = picture.crop(source.part or (0, 0, *picture.size))
    turned = _turned(picture, _opacity(picture, source.mpp))
    cuts = [
        _cut(source, picture.size, turned, place, direction, rng)
        for place, direction in _places(size, pieces, max(source.reach), rng)
    ]
    glass = _glass(rng)
    return write_pyramid(
        Path(path),
        _bands(size, cuts, turned, glass),
        size,
        source.mpp,
        description=f"{NOT_REAL} Stain: {stain}.",
        common=glass,
    )


def _opacity(picture: Image.Image, mpp: float) -> Image.Image:
    """How much of each pixel is tissue, 8 bits. Clefts count as tissue, but the glass around it does not."""
    small = np.asarray(picture.reduce(4), np.float32)
    density = np.log10(GLASS / small.clip(1)).max(2).clip(0)
    dense = ndimage.gaussian_filter(density, 1) > 0.05
    labels, _ = ndimage.label(dense)
    large = np.bincount(labels.ravel()) * (4 * mpp) ** 2 > 10_000  # square microns; debris is smaller
    large[0] = False
    inside = ndimage.binary_erosion(ndimage.binary_closing(np.pad(large[labels], 8, mode="edge"), iterations=4))
    inside = inside[8:-8, 8:-8]
    fringe = (density / 0.12).clip(0, 1) * ndimage.binary_dilation(large[labels], iterations=2)
    coarse = np.maximum(ndimage.gaussian_filter(inside.astype(np.float32), 1), fringe) * 255
    return Image.fromarray(coarse.astype(np.uint8)).resize(picture.size, Image.Resampling.BILINEAR)


def _turned(picture: Image.Image, opacity: Image.Image) -> list[tuple[Image.Image, Image.Image]]:
    """Picture and opacity at each of `ANGLES`, counter-clockwise about their middle, the corners empty."""
    return [
        (
            picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(GLASS,) * 3),
            opacity.rotate(angle, Image.Resampling.BILINEAR, expand=True),
        )
        for angle in ANGLES
    ]


def _crop(image: Image.Image, quarters: int, box: tuple[int, int, int, int]) -> Image.Image:
    """A box of an image after quarter turns, without making a turned copy of the whole image."""
    left, top, right, bottom = box
    width, height = image.size
    if quarters == 1:
        return image.crop((width - bottom, left, width - top, right)).transpose(Image.Transpose.ROTATE_90)
    if quarters == 2:
        turned = width - right, height - bottom, width - left, height - top
        return image.crop(turned).transpose(Image.Transpose.ROTATE_180)
    if quarters == 3:
        return image.crop((top, height - right, bottom, height - left)).transpose(Image.Transpose.ROTATE_270)
    return image.crop(box)


def _places(
    size: tuple[int, int], pieces: int, reach: int, rng: np.random.Generator
) -> list[tuple[tuple[float, float], float]]:
    """The places of cuts, piece by piece: the middle of each on the slide, and the direction of its piece there.

    A piece is a band of one to three rows of cuts along an arc, apart from the other pieces.
    """
    rows, columns = size[1] // CELL, size[0] // CELL
    y, x = np.mgrid[:rows, :columns] * CELL + CELL / 2
    free = np.minimum(np.minimum(x, size[0] - x), np.minimum(y, size[1] - y)) > 0.3 * reach
    found: list[tuple[tuple[float, float], float]] = []
    for number in range(pieces):
        longest = 9 - 7 * number / pieces  # large pieces first, while there is room
        for attempt in range(400):
            middles, directions = _arc(rng, size, reach, longest * (1 - attempt / 500))
            if (middles < reach).any() or (middles > np.array(size) - reach).any():
                continue
            if not free[tuple((middles[:, ::-1] // CELL).astype(int).T)].all():
                continue
            gaps = [np.hypot(x - middle[0], y - middle[1]) for middle in middles]
            nearest = np.minimum.reduce(gaps)
            if free[nearest < 1.15 * reach].all():
                free &= nearest > 1.65 * reach  # half a reach of glass between pieces
                order = rng.permutation(len(middles))
                found += [(tuple(middles[k]), float(directions[k])) for k in order]
                break
    if not found:
        raise InputError(
            f"A slide of {size[0]:,} x {size[1]:,} pixels has no room for a piece of tissue.",
            remedy=f"Give each side {6 * reach:,} pixels or more.",
        )
    return found


def _arc(
    rng: np.random.Generator, size: tuple[int, int], reach: int, longest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points along an arc in one to three rows, (n, 2), and the direction of the arc at each, in radians."""
    steps, rows = max(1, round(rng.uniform(0.5, 1) * longest)), int(rng.integers(1, 5))
    rows = min(rows, steps)
    along = (np.arange(steps) - (steps - 1) / 2) * 0.95 * reach
    across = (np.arange(rows) - (rows - 1) / 2) * 1.05 * reach
    bend = rng.uniform(-0.9, 0.9) / max(steps * reach, 1)  # radians a pixel
    direction = rng.uniform(0, 2 * np.pi) + bend * along
    spine = np.cumsum(np.stack([np.cos(direction), np.sin(direction)], 1), axis=0) * 0.95 * reach
    spine += rng.uniform(0, size, 2) - spine.mean(0)
    normal = np.stack([-np.sin(direction), np.cos(direction)], 1)
    middles = (spine[:, None] + across[None, :, None] * normal[:, None]).reshape(-1, 2)
    middles += rng.uniform(-0.2, 0.2, middles.shape) * reach
    return middles, direction.repeat(rows)


def _cut(
    source: _Source,
    size: tuple[int, int],
    turned: list[tuple[Image.Image, Image.Image]],
    place: tuple[float, float],
    direction: float,
    rng: np.random.Generator,
) -> _Cut:
    """Cut out a part whose height lies roughly along ``direction``, for ``place`` on the slide."""
    wanted = 90 - np.degrees(direction) + rng.normal(0, 20) + 180 * rng.integers(2)
    turns = round(wanted / 30) % 12  # of 30 degrees
    angle, quarters = turns % 3, turns // 3
    c, s = np.cos(np.radians(30 * turns)), np.sin(np.radians(30 * turns))
    dx, dy = (rng.uniform(*source.middle[axis]) - size[axis] / 2 for axis in (0, 1))
    there = turned[angle][0].size[:: -1 if quarters % 2 else 1]
    x, y = there[0] / 2 + c * dx + s * dy, there[1] / 2 - s * dx + c * dy  # y runs down
    half = -(-max(source.reach) * 5 // 4 // COARSE)  # a half in outline pixels, with room for noise
    v, u = np.mgrid[-half:half, -half:half] * COARSE + COARSE / 2
    noise = ndimage.gaussian_filter(rng.standard_normal(u.shape), 7)
    noise = 0.16 * noise / noise.std()
    shape = np.abs((c * u - s * v) / source.reach[0]) ** 2 + np.abs((s * u + c * v) / source.reach[1]) ** 2
    inside = ((1 - shape + noise) * 12).clip(0, 1)
    outline = Image.fromarray((inside * 255).astype(np.uint8))
    left, top, reach = round(x) - half * COARSE, round(y) - half * COARSE, half * COARSE
    return _Cut(
        angle,
        quarters,
        (left, top, left + 2 * reach, top + 2 * reach),
        (round(place[0]) - reach, round(place[1]) - reach),
        outline,
    )


def _glass(rng: np.random.Generator) -> Image.Image:
    """A tile of glass with a camera's noise. It is the same everywhere, so that the file stores it once."""
    noise = rng.normal(0, 1.2, (TILE, TILE, 1)).repeat(3, axis=2)
    return Image.fromarray((GLASS + noise).round().astype(np.uint8))


def _bands(
    size: tuple[int, int], cuts: list[_Cut], turned: list[tuple[Image.Image, Image.Image]], glass: Image.Image
) -> Iterator[Image.Image]:
    """The slide from top to bottom in bands of `BAND` rows, later cuts over earlier ones."""
    row = Image.new("RGB", (size[0], TILE))
    for left in range(0, size[0], TILE):
        row.paste(glass, (left, 0))
    for top in range(0, size[1], BAND):
        band = Image.new("RGB", (size[0], min(BAND, size[1] - top)))
        for down in range(0, band.height, TILE):
            band.paste(row, (0, down))
        for cut in cuts:
            _lay(band, top, cut, *turned[cut.angle])
        yield band


def _lay(band: Image.Image, top: int, cut: _Cut, picture: Image.Image, opacity: Image.Image) -> None:
    """Draw the part of a cut that falls into a band, with a blended outline and fringe."""
    height = cut.box[3] - cut.box[1]
    first, last = max(top - cut.place[1], 0), min(top + band.height - cut.place[1], height)
    if first >= last:
        return
    box = cut.box[0], cut.box[1] + first, cut.box[2], cut.box[1] + last
    width = box[2] - box[0]
    outline = cut.outline.resize(
        (width, last - first),
        Image.Resampling.BILINEAR,
        box=(0, first / COARSE, width / COARSE, last / COARSE),
    )
    mask = ImageChops.multiply(outline, _crop(opacity, cut.quarters, box))
    band.paste(_crop(picture, cut.quarters, box), (cut.place[0], cut.place[1] + first - top), mask)
