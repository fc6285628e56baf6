"""What the shutter of a DICOM image hides is not shown, and does not set the range of grey levels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.images import read_image

Write = Callable[..., Path]
ROWS, COLUMNS = 40, 60
SHAPES: dict[str, tuple[dict[str, Any], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "RECTANGULAR": (
        {
            **{"ShutterUpperHorizontalEdge": 6, "ShutterLowerHorizontalEdge": 30},
            **{"ShutterLeftVerticalEdge": 11, "ShutterRightVerticalEdge": 50},
        },
        lambda y, x: (y >= 5) & (y < 30) & (x >= 10) & (x < 50),
    ),
    "CIRCULAR": (
        {"CenterOfCircularShutter": [20, 30], "RadiusOfCircularShutter": 12},
        lambda y, x: (y - 19) ** 2 + (x - 29) ** 2 <= 144,
    ),
    "POLYGONAL": (
        {"VerticesOfThePolygonalShutter": [6, 11, 6, 50, 30, 50, 30, 11]},
        lambda y, x: (y >= 5) & (y < 30) & (x >= 10) & (x < 50),
    ),
}


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2", "RGB"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_outside_of_the_shutter_are_hidden(write_image: Write, shape: str, kind: str) -> None:
    numbers, is_inside = SHAPES[shape]
    inside = is_inside(*np.mgrid[:ROWS, :COLUMNS])
    values = np.where(inside, np.mgrid[:ROWS, :COLUMNS].sum(0) % 100 + 100, 4000).astype(np.uint16)
    if kind == "RGB":
        values = np.repeat((values // 16)[..., None], 3, axis=2).astype(np.uint8)
    shown = np.asarray(read_image(write_image(values, kind=kind, ShutterShape=shape, **numbers)))[..., 0]
    assert (shown[~inside] == 0).all()
    if kind == "RGB":
        assert np.array_equal(shown[inside], values[inside][:, 0])
    else:  # no window, so the range is that of what is shown
        share = (values[inside] - values[inside].min()) / np.ptp(values[inside])
        assert shown[inside] == pytest.approx(255 * (1 - share if kind == "MONOCHROME1" else share), abs=1)


def test_several_shapes_hide_together_in_the_stated_grey(write_image: Write) -> None:
    (edges, in_edges), (circle, in_circle) = SHAPES["RECTANGULAR"], SHAPES["CIRCULAR"]
    grid = np.mgrid[:ROWS, :COLUMNS]
    inside = in_edges(*grid) & in_circle(*grid)
    values = np.full((ROWS, COLUMNS), 100, np.uint8)
    both = {"ShutterShape": ["RECTANGULAR", "CIRCULAR"], "ShutterPresentationValue": 0x8080, **edges, **circle}
    path = write_image(values, WindowCenter=128, WindowWidth=256, **both)
    shown = np.asarray(read_image(path))[..., 0]
    assert (shown[~inside] == 128).all() and (shown[inside] == 100).all()


@pytest.mark.parametrize("numbers", [{}, {"ShutterLeftVerticalEdge": 70}, {"CenterOfCircularShutter": [20, 30]}])
def test_a_shutter_without_its_numbers_hides_nothing(write_image: Write, numbers: dict[str, Any]) -> None:
    values = np.mgrid[:ROWS, :COLUMNS].sum(0).astype(np.uint8)
    plain = np.asarray(read_image(write_image(values)))
    shut = write_image(values, ShutterShape=["RECTANGULAR", "CIRCULAR"], **numbers)
    assert np.array_equal(np.asarray(read_image(shut)), plain)
