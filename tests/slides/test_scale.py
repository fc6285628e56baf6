"""Where a slide's microns per pixel are from, and that it is said where the slide does not state them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.slides.scale import microns_per_pixel

MPP_IN_WORDS, POWER_IN_WORDS = "aperio.MPP", "aperio.AppMag"
X, Y, POWER = "openslide.mpp-x", "openslide.mpp-y", "openslide.objective-power"


@pytest.mark.parametrize(
    ("properties", "given", "stated", "wanted", "said"),
    [
        ({X: "0.499", Y: "0.499", POWER: "20"}, None, None, 0.499, ""),
        ({X: "0.25"}, None, None, 0.25, ""),
        ({POWER: "40"}, None, None, 0.25, r"objective \(40x\): 0.25"),
        ({POWER: "20", X: "0", Y: "0"}, None, None, 0.5, r"objective \(20x\): 0.5\."),
        ({POWER: "20", X: "0.000499", Y: "0.000499"}, None, None, 0.5, "0.000499, as the slide says, cannot be"),
        ({POWER: "40", X: "0.5", Y: "0.5"}, None, None, 0.5, r"which does not fit its objective \(40x\)"),
        ({X: "0.5", Y: "0.48"}, None, None, 0.49, r"not quite square \(0.5 by 0.48"),
        ({}, None, (0.25, 0.25), 0.25, ""),
        ({X: "353", Y: "353"}, None, (0.25, 0.25), 0.25, ""),
        ({X: "0.5", Y: "0.5"}, None, (0.25, 0.25), 0.5, "0.5 microns per pixel in one place and 0.25 in another"),
        ({POWER_IN_WORDS: "40X"}, None, None, 0.25, r"objective \(40x\): 0.25"),
        ({POWER_IN_WORDS: "Plan Apo 63x/1.4"}, None, None, 10 / 63, r"objective \(63x\): 0.1587"),
        ({POWER_IN_WORDS: "20 x", MPP_IN_WORDS: "0,4990 µm/px"}, None, None, 0.499, ""),
        ({MPP_IN_WORDS: "0.5 \ufffdm"}, None, None, 0.5, ""),
        ({MPP_IN_WORDS: "0.00025 mm per pixel"}, None, None, 0.25, ""),
        ({MPP_IN_WORDS: "250 nm"}, None, None, 0.25, ""),
        ({X: "nan", Y: "nan"}, 0.5, None, 0.5, ""),
        ({}, 0.5, None, 0.5, ""),
        ({X: "0.25", Y: "0.25"}, 0.5, None, 0.5, "as given; the slide says 0.25"),
        ({X: "0.5", Y: "0.3"}, 0.5, None, 0.5, "0.5 by 0.3, so that patches may be stretched"),
    ],
)
def test_the_scale_and_what_is_said_of_it(
    properties: dict[str, str],
    given: float | None,
    stated: tuple[float, float] | None,
    wanted: float,
    said: str,
) -> None:
    mpp, notes = microns_per_pixel(properties, Path("a.svs"), given, stated)
    assert mpp == pytest.approx(wanted)
    assert len(notes) == bool(said)
    assert re.search(said, " ".join(notes))


@pytest.mark.parametrize(
    ("properties", "given", "problem"),
    [
        ({}, None, "does not state its microns per pixel"),
        ({X: "n/a", POWER: "0"}, None, "does not state"),
        ({MPP_IN_WORDS: "0.25/0.5"}, None, "does not state"),
        ({POWER_IN_WORDS: "10x or 20x"}, None, "does not state"),
        ({X: "353", Y: "353"}, None, "353 microns per pixel cannot be right"),
        ({X: "0.5", Y: "0.5"}, float("nan"), "nan microns per pixel cannot be right"),
        ({X: "0.5", Y: "0.5"}, 0.0, "cannot be right"),
        ({X: "0.5", Y: "0.4545"}, None, r"not square \(0.5 by 0.4545"),
    ],
)
def test_no_scale_is_an_error_with_a_way_out(
    properties: dict[str, str], given: float | None, problem: str
) -> None:
    with pytest.raises(InputError, match=rf"a.svs: .*{problem}.*mpp=0.5 \(--mpp 0.5\)"):
        microns_per_pixel(properties, Path("a.svs"), given)
