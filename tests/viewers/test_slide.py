"""The slide viewer: a click, a number or a key chooses a patch, which is shown at full resolution."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from helpers.data import fetch
from helpers.errors import InputError
from helpers.prompts import PATCH_SIDE
from helpers.slides import open_slide, read_patches, sample_patches, tissue_mask
from helpers.viewers import SlideViewer, contact_sheet


def test_a_patch_is_chosen_and_shown() -> None:
    with open_slide(fetch("slide-he")) as slide:
        mask = tissue_mask(slide)
        patches = sample_patches(slide, 0.5, mask=mask)
        viewer = SlideViewer(slide, mask, patches)
        with pytest.raises(InputError, match="list of patches is empty"):
            SlideViewer(slide, mask, [])
        sheet = contact_sheet(list(read_patches(slide, patches[:2])))
    first = viewer.picture.value, viewer.patch.value
    assert Image.open(io.BytesIO(viewer.patch.value)).size == (PATCH_SIDE, PATCH_SIDE)
    third = patches[2]
    place = [(third.x + third.size / 2) / slide.width, (third.y + third.size / 2) / slide.height]
    viewer.picture.clicked = [*place, 1]  # the slide is closed by now
    assert viewer.number.value == 3 and viewer.caption.value.startswith("patch 3 of")
    assert viewer.picture.value != first[0] and viewer.patch.value != first[1]
    viewer.picture.turned += 1
    assert viewer.number.value == 4
    viewer.picture.clicked = [0.01, 0.01, 2]
    assert viewer.number.value == 4 and "no patch" in viewer.caption.value
    assert Image.open(io.BytesIO(sheet.data)).width > 500 and "2 patches" in sheet.alt
