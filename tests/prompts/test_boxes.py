"""Boxes go from the square that a model saw to the image and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from helpers.prompts import from_pixels, pad_to_square, side_of_patient, to_pixels

sizes = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


@given(sizes, st.tuples(*[st.floats(0, 1)] * 4))
def test_a_box_on_the_image_comes_back(size: tuple[int, int], shares: tuple[float, ...]) -> None:
    width, height = size
    box = tuple(share * length for share, length in zip(shares, (height, width, height, width), strict=True))
    assert to_pixels(from_pixels(box, size), size) == pytest.approx(box, abs=1e-6)


@given(sizes, st.tuples(*[st.floats(0, 1000)] * 4))
def test_no_box_leaves_the_image(size: tuple[int, int], box: tuple[float, ...]) -> None:
    y0, x0, y1, x1 = to_pixels(box, size)
    assert all(0 <= y <= size[1] for y in (y0, y1))
    assert all(0 <= x <= size[0] for x in (x0, x1))


@pytest.mark.parametrize("size", [(60, 100), (101, 40), (50, 50)])
def test_it_is_the_padding_of_the_prompt(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size)
    image.paste((255, 255, 255), (10, 20, 30, 35))
    rows, columns, _ = np.nonzero(np.asarray(pad_to_square(image)))
    box = [1000 * v / max(size) for v in (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)]
    assert to_pixels(box, size) == pytest.approx((20, 10, 35, 30))


def test_the_patients_right_is_on_the_left_of_the_picture() -> None:
    assert side_of_patient((400, 100, 700, 300)) == "right"
    assert side_of_patient((400, 600, 700, 900)) == "left"
