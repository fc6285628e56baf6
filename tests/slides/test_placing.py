"""Where patches go: all tissue is shown once, pieces whole where they are smaller than a patch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers.errors import InputError
from helpers.slides import Slide, TissueMask, patch_grid, sample_patches, sample_slides, tissue_shown
from helpers.slides.pyramid import Level
from tests.slides.conftest import slides_with_mask

GLASS = (240, 238, 241)


def slide_with(
    pieces: list[tuple[float, float, float, float]], width: int, height: int
) -> tuple[Slide, TissueMask]:
    """A slide of 1 um a pixel with rectangles of tissue (x, y, width, height); its mask has 4 um a pixel."""
    tissue = np.zeros((height // 4, width // 4), bool)
    for x, y, wide, high in pieces:
        tissue[round(y / 4) : round((y + high) / 4), round(x / 4) : round((x + wide) / 4)] = True
    slide = Slide(Path("made"), width, height, 1.0, (Level(width, height, 1.0),), (0, 0, width, height))
    return slide, TissueMask(tissue, np.zeros((*tissue.shape, 3), np.uint8), 4.0, 4.0, (0, 0), GLASS)


@settings(deadline=None, max_examples=60)
@given(drawn=slides_with_mask(), coarser=st.floats(0.985, 6))
def test_the_grid_shows_all_tissue_once(drawn: tuple[Slide, TissueMask], coarser: float) -> None:
    slide, mask = drawn
    if not mask.tissue.any():
        return
    grid = patch_grid(slide, mask, slide.mpp * coarser)
    places = [(patch.y, patch.x) for patch in grid]
    assert places == sorted(places)
    assert all(0 < patch.tissue <= 1 for patch in grid)
    assert len({patch.size for patch in grid}) == 1
    side = grid[0].size / mask.downsample
    # Each pixel of the mask has its middle in a patch; together the patches count each once.
    seen = np.zeros_like(mask.tissue)
    for patch in grid:
        left, top = (
            (at - start) / mask.downsample for at, start in zip((patch.x, patch.y), mask.origin, strict=True)
        )
        rows, columns = (
            slice(max(int(np.ceil(at - 0.55)), 0), max(int(np.ceil(at + side - 0.45)), 0)) for at in (top, left)
        )
        seen[rows, columns] = True
    assert seen[mask.tissue].all()
    # Where the level's whole pixels move a patch, a pixel of the mask may lie in half.
    assert tissue_shown(mask, grid) == pytest.approx(1, abs=0.02 if side > 4 else 0.2)


@settings(deadline=None, max_examples=40)
@given(drawn=slides_with_mask(), limit=st.integers(1, 20), seed=st.integers(0, 3))
def test_the_share_that_is_shown_is_what_lies_in_the_patches(
    drawn: tuple[Slide, TissueMask], limit: int, seed: int
) -> None:
    slide, mask = drawn
    if not mask.tissue.any():
        return
    chosen = sample_patches(slide, slide.mpp, limit, seed, mask=mask)
    inside = [
        any(0 <= x - patch.x < patch.size and 0 <= y - patch.y < patch.size for patch in chosen)
        for row, column in np.argwhere(mask.tissue)
        for x in [mask.origin[0] + (column + 0.5) * mask.downsample]
        for y in [mask.origin[1] + (row + 0.5) * mask.downsample]
    ]
    assert tissue_shown(mask, chosen) == pytest.approx(np.mean(inside), abs=0.002)


def test_a_slide_of_200_000_pixels_is_shown_whole() -> None:
    """Patches of 14 pixels of the mask: the rounding of each must not add up to tissue that seems left out."""
    side, downsample = 1580, 127.0
    width = round(side * downsample)
    levels = tuple(Level(width // step, width // step, step) for step in (1, 4, 16))
    slide = Slide(Path("made"), width, width, 0.25, levels, (0, 0, width, width))
    mask = TissueMask(
        np.ones((side, side), bool), np.zeros((side, side, 3), np.uint8), 31.75, downsample, (0, 0), GLASS
    )
    grid = patch_grid(slide, mask, 0.5)
    assert len(grid) == 112**2  # 200,660 / 1,792 = 111.98
    assert tissue_shown(mask, grid) == 1
    assert tissue_shown(mask, sample_patches(slide, 0.5, mask=mask)) == pytest.approx(126 / 111.98**2, rel=0.02)


def test_a_place_that_one_slide_does_not_need_goes_to_another() -> None:
    """Slivers of a slide that is nearly all shown are fuller than the specks that are all of another's rest."""
    whole = slide_with(
        [(1000, 500, 3584, 3584), *((100 + 1200 * k, 5000, 150, 150) for k in range(5))], 8000, 6000
    )
    specks = slide_with([(100 + 1200 * k, 500, 100, 100) for k in range(6)], 8000, 6000)
    slides, masks = zip(whole, specks, strict=True)
    first, second = sample_slides(slides, 1.0, 16 + 6, masks=masks)
    assert (len(first), len(second)) == (16, 6)
    assert tissue_shown(masks[0], first) >= 0.99 and tissue_shown(masks[1], second) == 1


def test_the_order_of_slides_changes_nothing() -> None:
    sizes = ((9000, 8000), (5000, 7000), (7000, 5000), (5000, 7000))
    some = [slide_with([(500, 500, *size)], 12000, 12000) for size in sizes]
    slides = [replace(slide, path=Path(f"{number}.svs")) for number, (slide, _) in enumerate(some)]
    masks = [mask for _, mask in some]
    for limit in (29, 30, 31):
        forth = sample_slides(slides, 1.0, limit, seed=3, masks=masks)
        assert sum(map(len, forth)) == limit
        assert forth == sample_slides(slides[::-1], 1.0, limit, seed=3, masks=masks[::-1])[::-1]


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        ([(1000, 1000, 500, 500)], [(802, 802)]),  # in the middle of one patch
        ([(896 - 250, 896 - 250, 500, 500)], [(448, 448)]),  # also where four squares of a fixed grid would meet
        ([(0, 0, 300, 300)], [(0, 0)]),  # on the slide
        ([(2700, 2700, 300, 300)], [(2104, 2104)]),
        ([(100, 100, 100, 100), (350, 120, 100, 100)], [(0, 0)]),  # neighbours share a patch
        ([(100, 100, 300, 300), (2000, 1500, 300, 300)], [(0, 0), (1702, 1202)]),
        ([(300, 600, 1792, 896)], [(300, 600), (1196, 600)]),  # two squares fit exactly
        ([(500, 600, 2000, 100)], [(0, 202), (896, 202), (1792, 202)]),  # a strip: three, of which one is full
    ],
)
def test_each_piece_gets_the_patches_that_it_needs(
    pieces: list[tuple[float, float, float, float]], wanted: list[tuple[int, int]]
) -> None:
    slide, mask = slide_with(pieces, 3000, 3000)
    grid = patch_grid(slide, mask, 1.0)
    found = [(patch.x, patch.y) for patch in grid]
    assert len(found) == len(wanted)
    for (x, y), (x_wanted, y_wanted) in zip(found, wanted, strict=True):
        assert abs(x - x_wanted) <= 64 and abs(y - y_wanted) <= 64  # on a tile of the file, if it covers the piece
    assert sum(patch.tissue * 896**2 for patch in grid) == pytest.approx(
        sum(w * h for *_, w, h in pieces), rel=0.02
    )


def test_a_region_smaller_than_a_patch_is_one_patch_on_glass() -> None:
    slide, mask = slide_with([(0, 0, 400, 300)], 400, 300)
    (patch,) = patch_grid(slide, mask, 1.0)
    assert abs(patch.x + 248) <= 64 and abs(patch.y + 298) <= 64 and patch.size == 896
    assert patch.tissue == pytest.approx(400 * 300 / 896**2, rel=0.01)
    assert patch.glass == GLASS
    assert sample_patches(slide, mask=mask) == [patch]


def test_places_left_free_show_what_is_less_than_a_tenth_of_a_patch() -> None:
    """Nine cores of 250 um beside a section: a full patch is drawn first, a core is 8 % of a patch."""
    cores = [(400 + 1200 * k, 4000, 250, 250) for k in range(9)]
    slide, mask = slide_with([(1000, 500, 2688, 1792), *cores], 12000, 6000)
    chosen = sample_patches(slide, mask=mask)
    assert len(chosen) == 6 + 9
    assert tissue_shown(mask, chosen) == pytest.approx(1)
    few = sample_patches(slide, limit=8, mask=mask)
    assert sum(patch.tissue > 0.99 for patch in few) == 6
    core, section = 250 * 250, 2688 * 1792
    assert tissue_shown(mask, few) == pytest.approx((section + 2 * core) / (section + 9 * core), rel=0.01)
    assert tissue_shown(mask, sample_patches(slide, limit=3, mask=mask)) == pytest.approx(
        section / 2 / (section + 9 * core), rel=0.01
    )


def test_slivers_are_left_out_once_nearly_all_is_shown() -> None:
    specks = [(100 + 600 * k, 5000, 60, 60) for k in range(10)]
    slide, mask = slide_with([(1000, 500, 3584, 3584), *specks], 8000, 6000)
    chosen = sample_patches(slide, mask=mask)
    assert len(chosen) == 16
    assert 0.99 <= tissue_shown(mask, chosen) < 1


def test_a_share_that_no_patch_has_is_refused() -> None:
    slide, mask = slide_with([(1000, 1000, 500, 500)], 3000, 3000)
    with pytest.raises(
        InputError, match=r"at least 50% tissue \(the patch with the most has 31%\).*Lower min_tissue"
    ):
        patch_grid(slide, mask, 1.0, min_tissue=0.5)
