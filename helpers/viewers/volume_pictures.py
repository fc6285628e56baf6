"""Draw a volume: one plane with true proportions and letters, or all planes and projections at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.prompts import CT_WINDOWS
from helpers.viewers.pictures import YELLOW, encode
from helpers.volumes import Volume, apply_window, measured_range

# Windows as (low, high) in HU: the three of the prompt, and those that radiologists call lung and bone.
PRESETS = {**CT_WINDOWS, "subdural": (-25, 175), "lung": (-1350, 150), "bone": (-500, 1500)}
BONE = 150  # HU; a projection of a CT shows values from here on


@dataclass(frozen=True)
class Plane:
    """The place of a plane in the array (z, y, x): the axis that is cut, and those down and along the plane."""

    cut: int
    down: int
    along: int
    upward: bool  # True if the last index is shown on top, as z grows towards the head


PLANES = {
    "axial": Plane(0, 1, 2, False),
    "coronal": Plane(1, 0, 2, True),
    "sagittal": Plane(2, 0, 1, True),
}


def letters(affine: np.ndarray, name: str) -> tuple[str, str, str, str]:
    """The letters at the left, right, top and bottom of a plane (R, L, A, P, S or I), from the affine (LPS, mm).

    For a tilted volume, this is the nearest direction.
    """
    plane = PLANES[name]
    along, down = affine[:3, plane.along], affine[:3, plane.down] * (-1 if plane.upward else 1)
    return _letter(-along), _letter(along), _letter(-down), _letter(down)


def _letter(direction: np.ndarray) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "IS")[axis][int(direction[axis] > 0)]


def cut(voxels: np.ndarray, name: str, k: int) -> np.ndarray:
    """Plane ``k`` of an array (z, y, x), with the rows in the order in which they are shown."""
    plane = PLANES[name]
    values = voxels.take(k, axis=plane.cut)
    return values[::-1] if plane.upward else values


def windowed(volume: Volume, values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Decoded ``values`` of ``volume`` in a window: uint8, black where nothing was measured."""
    shown = apply_window(values, *window)
    shown[~volume.measured(values)] = 0
    return shown


def only_measured(volume: Volume, voxels: np.ndarray) -> np.ndarray:
    """Decoded voxels, with the lowest measured value in the place of padding, for code that knows no padding."""
    if volume.padding is None and voxels.dtype.kind != "f":
        return voxels
    found = volume.measured(voxels)
    if found.all() or not found.any():
        return voxels
    return np.where(found, voxels, voxels[found].min())


def proportions(volume: Volume, name: str, longest: int) -> tuple[int, int]:
    """Width and height in pixels of a plane with its true proportions, whose longer side is ``longest``."""
    plane = PLANES[name]
    width, height = (volume.shape[axis] * volume.spacing[axis] for axis in (plane.along, plane.down))
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def sized(grey: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A uint8 plane, (y, x) or (y, x, 3), as an image of ``size``."""
    image = Image.fromarray(np.ascontiguousarray(grey))
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def write_letters(image: Image.Image, marks: tuple[str, str, str, str]) -> None:
    """Write the letters of `letters` into the middle of the picture's four edges."""
    draw, (width, height) = ImageDraw.Draw(image), image.size
    ends = (
        (12, height // 2, "lm"),  # does not touch the marks along the edge
        (width - 12, height // 2, "rm"),
        (width // 2, 3, "mt"),
        (width // 2, height - 4, "mb"),
    )
    for mark, (x, y, anchor) in zip(marks, ends, strict=True):
        write(draw, (x, y), mark, anchor)


def write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, anchor: str = "la", size: int = 15
) -> None:
    """Write yellow words with a black rim, which are readable on any picture."""
    ink: Any = YELLOW if draw.mode == "RGB" else 255
    rim: Any = (0, 0, 0) if draw.mode == "RGB" else 0
    draw.text(place, text, ink, ImageFont.load_default(size), anchor=anchor, stroke_width=2, stroke_fill=rim)


def still(volume: Volume, *, window: tuple[float, float] | None = None, width: int = 900) -> Any:
    """The three middle planes and, below, the three maximum-intensity projections, in millimetres, with letters.

    A projection shows the highest value along each line of sight, so dense bone or bright vessels stand out
    (`projections`). It is a plain picture, an IPython Image with alt text, for places without widgets. ``window``
    is that of the planes; by default the soft tissue of a CT, and for MR the whole range. Reads the whole volume.
    """
    from IPython.display import Image as Shown

    voxels = only_measured(volume, volume.slices(range(volume.shape[0])))
    if volume.modality == "CT":
        window, lowest = window or CT_WINDOWS["soft tissue"], float(BONE)
    else:
        low, high = measured_range(volume, [voxels])
        window, lowest = window or (low, high), low + 0.1 * (high - low)
    brightest = projections(voxels, lowest)
    side = (width - 20) // 3
    # All pictures have one scale, so that a millimetre has the same length everywhere.
    scale = min(side / max(v * s for v, s in zip(volume.shape, volume.spacing, strict=True)), 8)
    tops = [
        (
            round(volume.shape[p.along] * volume.spacing[p.along] * scale),
            round(volume.shape[p.down] * volume.spacing[p.down] * scale),
        )
        for p in PLANES.values()
    ]
    row = max(height for _, height in tops)
    picture = Image.new("RGB", (sum(w for w, _ in tops) + 20, 2 * row + 58), "white")
    draw, left = ImageDraw.Draw(picture), 0
    for (name, plane), size in zip(PLANES.items(), tops, strict=True):
        middle = apply_window(cut(voxels, name, volume.shape[plane.cut] // 2), *window)
        for k, (grey, what) in enumerate(((middle, f"{name}, middle"), (brightest[name], f"{name}, maximum"))):
            tile = sized(grey, size).convert("RGB")
            write_letters(tile, letters(volume.affine, name))
            top = k * (row + 20)
            draw.text((left, top + 1), what, "black", ImageFont.load_default(13))
            picture.paste(tile, (left, top + 18))
        left += size[0] + 10
    bar = _round_length(volume, scale)
    y = 2 * row + 48
    draw.line((0, y, round(bar * scale), y), "black", 3)
    draw.text((round(bar * scale) + 6, y), f"{bar} mm", "black", ImageFont.load_default(13), anchor="lm")
    alt = (
        f"Middle axial, coronal and sagittal planes of {Path(volume.path).name} and, below, maximum-intensity "
        f"projections along the same three directions, to scale; a bar shows {bar} mm."
    )
    return Shown(data=encode(picture, "image/jpeg"), format="jpeg", alt=alt)


def projections(voxels: np.ndarray, lowest: float) -> dict[str, np.ndarray]:
    """The highest value of ``voxels`` (z, y, x) along the lines of sight of each plane, by its name: uint8, 2D.

    Nearly every line of sight meets something bright, so with the grey scale of the voxels, a projection would be
    white everywhere. So the three projections have a scale of their own. Air, which is ``lowest`` or less, does
    not count. The median of the other values is mid-grey or darker, and only the brightest thousandth is white.
    """
    found = {}
    for name, plane in PLANES.items():
        highest = voxels.max(axis=plane.cut).astype(np.float32)
        found[name] = highest[::-1] if plane.upward else highest
    body = np.concatenate([values[values > lowest] for values in found.values()])
    low, middle, high = np.percentile(body, [1, 50, 99.9]) if len(body) else (lowest, lowest, lowest)
    if not low < middle < high:
        low, middle, high = lowest, lowest + 0.5, lowest + 1
    curve = max(1.0, np.log(0.5) / np.log((middle - low) / (high - low)))
    return {
        name: np.rint(np.clip((values - low) / (high - low), 0, 1) ** curve * 255).astype(np.uint8)
        for name, values in found.items()
    }


def _round_length(volume: Volume, scale: float) -> int:
    return next((mm for mm in (100, 50, 20, 10, 5, 2) if mm * scale < 120), 1)
