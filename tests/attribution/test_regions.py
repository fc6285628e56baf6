"""Fields of a grid: by hand, and the same log-odds as painting, encoding and reading the whole prompt anew."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from PIL import ImageDraw

from helpers.attribution import fields, occlude_regions
from helpers.errors import InputError
from helpers.prompts import images_of, with_images
from helpers.teaching import generate
from tests.attribution.test_occlusion import log_odds


def test_fields_by_hand():
    assert fields((4, 2), 1, 2) == [(0, 0, 2, 2), (0, 2, 2, 4)]
    assert fields((3, 3), 2, 1) == [(0, 0, 2, 3), (2, 0, 3, 3)]  # 1.5 is rounded to even


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_fields_cover_each_pixel_once(width, height, data):
    rows, columns = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    found = fields((width, height), rows, columns)
    assert len(found) == rows * columns
    assert sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in found) == width * height
    assert all(0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width for y0, x0, y1, x1 in found)


def test_it_is_what_painted_images_give(standin):
    case = next(case for case in generate("image", 60, 1_800_000) if set(case.options) == {"yes", "no"})
    found = occlude_regions(standin, case.messages, rows=2, columns=3, colour=(90, 80, 70))
    (image,) = images_of(case.messages)
    assert len(found.parts) == 6
    for number in (0, 4):
        y0, x0, y1, x1 = found.parts[number]
        painted = image.convert("RGB")
        ImageDraw.Draw(painted).rectangle((x0, y0, x1 - 1, y1 - 1), fill=(90, 80, 70))
        assert found.without[number] == pytest.approx(
            log_odds(standin, with_images(case.messages, [painted])), abs=1e-3
        )


@pytest.mark.parametrize(("size", "rows", "columns"), [((4, 4), 0, 2), ((4, 4), 5, 2), ((4, 4), 2, 1.5)])
def test_grids_that_do_not_fit_are_refused(size, rows, columns):
    with pytest.raises(InputError):
        fields(size, rows, columns)


@pytest.mark.parametrize("number", [1, -1])
def test_an_image_that_is_not_there_is_refused(standin, number):
    case = generate("image", 1, 1_800_000)[0]
    with pytest.raises(InputError, match="no image"):
        occlude_regions(standin, case.messages, image=number)
