"""Write a whole slide as scanners store it: a TIFF of JPEG tiles, followed by smaller copies of the slide.

tifffile would need another package to write JPEG, and Pillow cannot write tiles.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from helpers.storage import whole_file

TILE = 256  # pixels a side
STEP = 4  # each level is a quarter as wide as the one before, as in Aperio's files
QUALITY = 85
_KINDS = {"H": 3, "I": 4, "s": 2, "R": 5}  # numbers of TIFF 6.0 for 16 bits, 32 bits, text, a fraction


def write_pyramid(
    path: Path,
    bands: Iterable[Image.Image],
    size: tuple[int, int],
    mpp: float,
    *,
    levels: int = 3,
    description: str = "",
    common: Image.Image | None = None,
) -> Path:
    """Write the file of a slide from its bands, which are in memory one at a time.

    Args:
        path: the path of the file, which appears when it is complete.
        bands: RGB images as wide as the slide, from the top; each of a multiple of 256 rows.
        size: width and height of the slide in pixels, multiples of 256.
        mpp: microns per pixel of the slide.
        levels: the slide and its smaller copies; a pixel of a copy is the mean of 4 x 4 of the level before.
        description: ASCII text for the file's ImageDescription.
        common: a tile of 256 x 256 that comes often, such as blank glass. It is stored once.

    Returns:
        ``path``.
    """
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, 0))
        known = {} if common is None else {common.tobytes(): _put(file, common)}
        smaller = Image.new("RGB", (size[0] // STEP, size[1] // STEP))
        tiles, top = [], 0
        for band in bands:
            tiles += [known.get(tile.tobytes()) or _put(file, tile) for tile in _tiles(band)]
            smaller.paste(band.reduce(STEP), (0, top // STEP))
            top += band.height
        pointer = _directory(file, 4, size, tiles, mpp, description)
        for level in range(1, levels):
            tiles = [_put(file, tile) for tile in _tiles(smaller)]
            pointer = _directory(file, pointer, smaller.size, tiles, mpp * STEP**level, description, reduced=1)
            smaller = smaller.reduce(STEP)
    return path


def _tiles(image: Image.Image) -> Iterator[Image.Image]:
    """The tiles of an image in raster order. The last tiles of rows and columns are padded with black."""
    for top in range(0, image.height, TILE):
        for left in range(0, image.width, TILE):
            yield image.crop((left, top, left + TILE, top + TILE))


def _put(file: BinaryIO, tile: Image.Image) -> tuple[int, int]:
    """Append a tile. Returns its offset in the file and its number of bytes."""
    packed = io.BytesIO()
    tile.save(packed, "JPEG", quality=QUALITY, subsampling=2)
    return _append(file, packed.getvalue()), packed.tell()


def _append(file: BinaryIO, data: bytes) -> int:
    """Append data at an even offset, as TIFF requires, and return the offset."""
    file.write(b"\0" * (file.tell() % 2))
    at = file.tell()
    file.write(data)
    return at


def _directory(
    file: BinaryIO,
    pointer: int,
    size: tuple[int, int],
    tiles: list[tuple[int, int]],
    mpp: float,
    description: str,
    reduced: int = 0,
) -> int:
    """Append a page's directory, and write its offset to ``pointer``. Returns the place of the next pointer."""
    offsets, counts = zip(*tiles, strict=True)
    per_cm = (round(1e7 / mpp), 1000)
    tags = [
        (254, "I", (reduced,)),  # NewSubfileType
        *((256, "I", size[:1]), (257, "I", size[1:])),  # ImageWidth, ImageLength
        *((258, "H", (8, 8, 8)), (259, "H", (7,)), (262, "H", (6,))),  # BitsPerSample; JPEG; YCbCr
        (270, "s", (description.encode("ascii") + b"\0",)),  # ImageDescription
        (277, "H", (3,)),  # SamplesPerPixel
        *((282, "R", per_cm), (283, "R", per_cm), (284, "H", (1,)), (296, "H", (3,))),  # resolution, chunky, cm
        *((322, "I", (TILE,)), (323, "I", (TILE,)), (324, "I", offsets), (325, "I", counts)),
        (530, "H", (2, 2)),  # YCbCrSubSampling
    ]
    entries = b""
    for number, kind, values in tags:
        if kind == "s":
            data, count = values[0], len(values[0])
        else:
            data = struct.pack(f"<{len(values)}{'I' if kind == 'R' else kind}", *values)
            count = len(values) // 2 if kind == "R" else len(values)
        value = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", _append(file, data))
        entries += struct.pack("<HHI", number, _KINDS[kind], count) + value
    at = _append(file, struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0))
    end = file.tell()
    file.seek(pointer)
    file.write(struct.pack("<I", at))
    file.seek(end)
    return end - 4
