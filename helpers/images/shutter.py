"""The display shutter of a DICOM image (PS3.3 C.7.6.11), as the edge of a collimator, and what it hides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from pydicom import Dataset

from helpers.volumes import header_text, header_value

_EDGES = (
    *("ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge"),
    *("ShutterLeftVerticalEdge", "ShutterRightVerticalEdge"),
)


def outside_shutter(levels: Sequence[Dataset], shape: Sequence[int]) -> np.ndarray | None:
    """Which pixels of a frame of ``shape`` (rows, columns) the shutter hides: bool; None if it hides none.

    Of several shapes, a pixel must lie inside each. Rows and columns are counted from 1, and the edges are shown.
    A shape without its numbers hides nothing.
    """
    shapes = header_text(header_value(levels, "ShutterShape")).upper().split("\\")
    rows, columns = np.arange(1, shape[0] + 1)[:, None], np.arange(1, shape[1] + 1)
    hidden = np.zeros(tuple(shape[:2]), bool)
    edges = [_numbers(levels, name) for name in _EDGES]
    if "RECTANGULAR" in shapes and all(len(edge) == 1 for edge in edges):
        upper, lower, left, right = (edge[0] for edge in edges)
        hidden |= (rows < upper) | (rows > lower) | (columns < left) | (columns > right)
    centre, radius = _numbers(levels, "CenterOfCircularShutter"), _numbers(levels, "RadiusOfCircularShutter")
    if "CIRCULAR" in shapes and (len(centre), len(radius)) == (2, 1):
        hidden |= (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 > radius[0] ** 2
    corners = _numbers(levels, "VerticesOfThePolygonalShutter")
    if "POLYGONAL" in shapes and len(corners) >= 6 and len(corners) % 2 == 0:
        picture = Image.new("1", (shape[1], shape[0]), 1)
        points = [(column - 1, row - 1) for row, column in zip(corners[::2], corners[1::2], strict=True)]
        ImageDraw.Draw(picture).polygon(points, fill=0, outline=0)
        hidden |= np.asarray(picture)
    return hidden if hidden.any() and not hidden.all() else None


def hidden_grey(levels: Sequence[Dataset]) -> int:
    """The grey level, 0 to 255, of what is hidden: ShutterPresentationValue, of 65535; black if there is none."""
    said = _numbers(levels, "ShutterPresentationValue")
    return round(said[0] / 257) if said else 0


def _numbers(levels: Sequence[Dataset], keyword: str) -> list[float]:
    try:
        return [float(part) for part in header_text(header_value(levels, keyword)).split("\\")]
    except ValueError:
        return []
