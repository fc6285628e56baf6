"""Viewers: the slider shows the slice it stands on; the 3D view gets the volume in millimetres."""

from __future__ import annotations

import io
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from helpers.errors import InputError
from helpers.prompts import pad_to_square
from helpers.viewers import outline, scrub, show


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call `show`; what comes back are the images that it drew, from which value to which each is shown."""

    def draw(*args: Any, **named: Any) -> list[tuple[float, float]]:
        kept: list[Any] = []
        monkeypatch.setattr(plt, "close", kept.append)
        show(*args, **named)
        monkeypatch.undo()
        found = [axis.images[0].get_clim() for axis in kept[0].axes if axis.images]
        plt.close(kept[0])
        return found

    return draw


def test_pictures_of_8_bits_are_shown_from_black_to_white_and_others_in_one_range(drawn: Any) -> None:
    dark, bright = np.full((4, 5), 40, np.uint8), np.full((4, 5), 90, np.uint8)
    assert drawn([dark, bright, Image.fromarray(dark)], ["a", "b", "c"]) == [(0, 255)] * 3
    values, more = dark * -1.5, bright.astype(np.int16)
    values[0, 0] = np.nan
    colours = np.repeat(dark[..., None], 3, axis=-1)
    assert drawn([values, dark, more, dark > 50, colours])[:4] == [(-60, 90), (0, 255), (-60, 90), (0, 1)]
    assert drawn([values, dark], vmin=-10, vmax=30) == [(-10, 30)] * 2
    assert drawn([values, dark], vmax=300) == [(-60, 300), (0, 300)]
    assert drawn([values * np.nan]) == [(0, 1)]


def test_the_slider_shows_its_slice() -> None:
    slices = np.stack([np.full((5, 7, 3), k, np.uint8) for k in range(4)])
    slider, picture, caption = scrub(slices, ["a", "b", "c", "d"]).children
    for k in (0, 3, 1):
        slider.value = k
        assert (np.asarray(Image.open(io.BytesIO(picture.value))) == k).all()
        assert caption.value == "abcd"[k]
    with pytest.raises(InputError):
        scrub([])


def test_an_outline_goes_around_the_mask_and_leaves_the_rest() -> None:
    image = np.full((20, 30), 7, np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[8:12, 10:16] = True
    drawn = outline(image, mask)
    assert (drawn[mask] == 7).all() and (drawn[0] == 7).all()
    assert (drawn[7, 12] == (255, 220, 0)).all()
    assert (image == 7).all()
    with pytest.raises(InputError, match="mask"):
        outline(image, mask.T)
    padded = outline(pad_to_square(image), mask)
    assert (padded[12, 12] == (255, 220, 0)).all() and (padded[14, 12] == 7).all()


def test_the_3d_view_takes_a_volume_in_a_notebook() -> None:
    """Only that Python hands it over; the picture needs a browser and the internet."""
    cell = nbformat.v4.new_code_cell(
        "from helpers.data import fetch\n"
        "from helpers.viewers import view_3d\n"
        "from helpers.volumes import read_volume\n"
        "shown = view_3d(read_volume(fetch('mri-t1'), modality='MR'), step=8)\n"
        "print(type(shown).__name__)"
    )
    done = NotebookClient(nbformat.v4.new_notebook(cells=[cell])).execute()
    assert done.cells[0].outputs[-1]["text"].endswith("Viewer\n")
