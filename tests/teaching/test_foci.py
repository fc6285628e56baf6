"""A slide with a focus, and the same slide without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.slides import Patch, open_slide, tissue_mask
from helpers.teaching import Focus, slide_with_focus

SIDE = (4_352, 4_096)


def test_two_slides_differ_in_the_focus_and_nowhere_else(tmp_path: Path):
    focus = slide_with_focus(tmp_path / "with.tiff", seed=2, side=SIDE, width_um=360)
    assert focus == slide_with_focus(tmp_path / "without.tiff", seed=2, side=SIDE, width_um=360, present=False)
    with open_slide(tmp_path / "with.tiff") as ill, open_slide(tmp_path / "without.tiff") as healthy:
        assert (ill.width, ill.height, len(ill.levels)) == (*SIDE, 3)
        assert focus.radius == round(180 / ill.mpp)
        mask = tissue_mask(healthy)
        x, y = (np.array([focus.x, focus.y]) - mask.origin) / mask.downsample
        assert mask.tissue[int(y), int(x)]
        one, other = (np.asarray(s.handle.get_thumbnail((544, 512)).convert("RGB"), int) for s in (ill, healthy))
        rows, columns = np.nonzero(np.abs(one - other).max(-1) > 8)
        scale = ill.width / one.shape[1]
        away = np.hypot((columns + 0.5) * scale - focus.x, (rows + 0.5) * scale - focus.y)
        assert len(away) > 0.5 * np.pi * (focus.radius / scale) ** 2
        assert away.max() < focus.radius + 8 * 16, "blocks of JPEG are 8 pixels wide, here of the coarsest level"


def test_a_focus_covers_a_share_of_a_patch():
    focus = Focus(x=1000, y=1000, radius=100)
    whole, half, beside = (Patch(x, 800, 400, 0.5, 1.0) for x in (800, 1000, 1100))
    disc = np.pi * 100**2 / 400**2
    assert focus.share_of(whole) == pytest.approx(disc, rel=0.02)
    assert focus.share_of(half) == pytest.approx(disc / 2, rel=0.02)
    assert focus.share_of(beside) == 0
    assert focus.share_of(Patch(950, 950, 100, 0.5, 1.0)) == 1


@pytest.mark.parametrize("width", [0, -1, 19, 3001, float("nan")])
def test_a_focus_that_cannot_be_is_refused(tmp_path: Path, width: float):
    with pytest.raises(InputError, match="microns wide"):
        slide_with_focus(tmp_path / "slide.tiff", width_um=width, side=SIDE)
    assert not list(tmp_path.iterdir())
