"""Whole slides: opening, tissue, the patch grid and its sample, the patches' pixels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from helpers.errors import InputError
from helpers.slides import (
    Slide,
    TissueMask,
    open_slide,
    patch_grid,
    read_patches,
    sample_patches,
    sample_slides,
    tissue_mask,
)
from helpers.slides.pyramid import Level
from tests.slide_files import (
    REAL_SLIDE,
    blank_glass,
    real_tissue,
    write_tiff_slide,
)
from tests.slides.conftest import _pixels


def test_patches_of_the_real_slide_are_its_pixels() -> None:
    tissue = real_tissue()
    with open_slide(REAL_SLIDE) as slide:
        assert (slide.width, slide.height, slide.mpp) == (2220, 2967, 0.499)
        mask = tissue_mask(slide)
        assert mask.mpp == pytest.approx(2.0, rel=0.01)
        assert mask.tissue.shape == mask.rgb.shape[:2] == (742, 555)
        assert 0.3 < mask.tissue.mean() < 0.4

        # 20x is the slide's own resolution, within the tolerance: pixel for pixel.
        patches = sample_patches(slide, mpp=0.5)
        assert (0, 0) not in [(p.x, p.y) for p in patches]  # the upper left is glass
        for patch, image in zip(patches, _pixels(slide, patches), strict=True):
            inside = tissue[patch.y : patch.y + 896, patch.x : patch.x + 896]
            assert np.array_equal(image[: inside.shape[0], : inside.shape[1]], inside)

        # 10x halves it by one Lanczos resample; the lower patch reaches beyond the slide, which is white.
        upper, lower = sample_patches(slide, mpp=1.0)
        assert (upper.x, upper.y, lower.x, lower.y) == (0, 0, 0, 1796)
        first, second = _pixels(slide, [upper, lower])
        expected = Image.fromarray(tissue[:1796, :1796]).resize((896, 896), Image.Resampling.LANCZOS)
        assert np.array_equal(first, np.asarray(expected))
        end = (2967 - 1796) * 896 // 1796
        assert (second[end + 4 :] == 255).all()
        assert second[:end].mean() < 250


def test_a_dicom_slide_is_the_same_as_a_tiff(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["tiff"]) as tiff, open_slide(slide_files["dicom"]) as dicom:
        assert (dicom.width, dicom.height, dicom.mpp) == (tiff.width, tiff.height, tiff.mpp)
        for mpp in (0.5, 1.0, 1.3):
            patches = sample_patches(tiff, mpp)
            places = [(p.x, p.y, p.size) for p in patches]
            assert [(p.x, p.y, p.size) for p in sample_patches(dicom, mpp)] == places
            difference = _pixels(tiff, patches).astype(int) - _pixels(dicom, patches)
            assert np.abs(difference).mean() < 2.5  # two JPEG encoders
    with open_slide(slide_files["dicom"] / "level-1.dcm") as by_file:
        assert (by_file.width, by_file.height) == (tiff.width, tiff.height)


@pytest.mark.parametrize("mpp", [0.5, 0.508, 0.6, 1.0, 1.4, 2.0])
def test_pixels_come_from_the_best_level_never_upsampled(
    slide_files: dict[str, Path], reads: list[tuple[int, int]], mpp: float
) -> None:
    with open_slide(slide_files["tiff"]) as slide:
        patches = patch_grid(slide, tissue_mask(slide), mpp, min_tissue=0.01)
        reads.clear()
        shapes = {image.size for image in read_patches(slide, patches)}
    assert shapes == {(896, 896)}
    assert len(reads) == len(patches)
    assert all(896 <= side < 2 * 896 for size in reads for side in size)  # the level above would be too coarse
    assert patches[0].mpp == pytest.approx(mpp, rel=0.02)


def test_patches_are_read_a_few_at_a_time(slide_files: dict[str, Path], reads: list[tuple[int, int]]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        patches = sample_patches(slide, mpp=0.5, limit=20)
        reads.clear()
        images: Iterator[Image.Image] = read_patches(slide, patches, workers=2)
        next(images)
        time.sleep(0.5)  # enough to read all 20, were they not read as they are taken
        images.close()
        assert len(reads) <= 5  # two a worker waiting, and the one that was taken
        assert np.array_equal(_pixels(slide, patches, workers=1), _pixels(slide, patches, workers=3))


@st.composite
def slides_with_mask(draw: st.DrawFn) -> tuple[Slide, TissueMask]:
    """A slide of any size, bounds, pyramid and resolution, and its mask. No file: only places are asked for."""
    columns, rows = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    downsample = draw(st.floats(8, 200))
    width, height = round(columns * downsample), round(rows * downsample)
    x, y = draw(st.integers(0, 500)), draw(st.integers(0, 500))
    scales = draw(st.sampled_from([[1], [1, 2, 4, 8], [1, 4.0005, 16.02]]))
    slide = Slide(
        path=Path("drawn"),
        width=x + width,
        height=y + height,
        mpp=draw(st.floats(0.1, 1.0)),
        levels=tuple(Level(round((x + width) / s), round((y + height) / s), s) for s in scales),
        bounds=(x, y, width, height),
    )
    seed, share = draw(st.integers(0, 99)), draw(st.floats(0, 1))
    tissue = np.random.default_rng(seed).random((rows, columns)) < share
    rgb = np.zeros((rows, columns, 3), np.uint8)
    return slide, TissueMask(tissue, rgb, slide.mpp * downsample, downsample, (x, y))


@settings(deadline=None)
@given(
    drawn=slides_with_mask(),
    coarser=st.floats(0.985, 6),
    limit=st.integers(1, 130),
    seed=st.integers(0, 5),
    min_tissue=st.floats(0.01, 1),
)
def test_law_of_grid_and_sample(
    drawn: tuple[Slide, TissueMask], coarser: float, limit: int, seed: int, min_tissue: float
) -> None:
    slide, mask = drawn
    mpp = slide.mpp * coarser
    try:
        grid = patch_grid(slide, mask, mpp, min_tissue)
    except InputError as error:
        assert "min_tissue" in error.remedy
        return
    x, y, width, height = slide.bounds
    size = grid[0].size
    for patch in grid:
        assert patch.size == size
        assert (patch.x - x) % size == 0 and (patch.y - y) % size == 0  # so no two overlap
        assert x <= patch.x < x + width and y <= patch.y < y + height
        assert patch.mpp == pytest.approx(mpp, rel=0.025)
        assert patch.size / slide.levels[slide.best_level(patch.mpp)].downsample >= 895.5  # not upsampled
        assert patch.tissue >= min_tissue

    chosen = sample_patches(slide, mpp, limit, seed, min_tissue, mask)
    assert len(chosen) == min(limit, len(grid))
    places = [(patch.y, patch.x) for patch in chosen]
    assert places == sorted(set(places))
    assert set(chosen) <= set(grid)
    assert chosen == sample_patches(slide, mpp, limit, seed, min_tissue, mask)


@settings(deadline=None, max_examples=25)
@given(drawn=slides_with_mask())
def test_the_grid_shares_out_all_tissue(drawn: tuple[Slide, TissueMask]) -> None:
    slide, mask = drawn
    if not mask.tissue.any():
        return
    grid = patch_grid(slide, mask, slide.mpp, min_tissue=1e-12)
    found = sum(patch.tissue * patch.size**2 for patch in grid)
    assert found == pytest.approx(mask.tissue.sum() * mask.downsample**2, rel=1e-6)


def test_another_seed_gives_other_patches(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        mask = tissue_mask(slide)
        first, second = (sample_patches(slide, 0.5, limit=10, seed=seed, mask=mask) for seed in (0, 1))
    assert first != second


def test_slides_that_cannot_give_patches(tmp_path: Path) -> None:
    with (
        open_slide(write_tiff_slide(tmp_path / "blank.tiff", blank_glass(1500, 1000))) as blank,
        pytest.raises(InputError, match=r"blank.tiff: There is no stained tissue"),
    ):
        sample_patches(blank)
    with open_slide(REAL_SLIDE) as slide:
        with pytest.raises(InputError, match=r"0.499 .*never upsampled to 0.25.*20x \(mpp=0.5\)"):
            sample_patches(slide, mpp=0.25)
        with pytest.raises(InputError, match=r"95% tissue \(the fullest: \d\d%\).*Lower min_tissue"):
            sample_patches(slide, min_tissue=0.95)
        with pytest.raises(InputError, match="limit of 0"):
            sample_patches(slide, limit=0)


def _full_of_tissue(columns: int, rows: int) -> tuple[Slide, TissueMask]:
    """A slide whose grid at 1 um a pixel has ``columns`` x ``rows`` patches, all of tissue. It has no pixels."""
    size = (columns * 896, rows * 896)
    slide = Slide(Path(f"{columns}x{rows}"), *size, 1.0, (Level(*size, 1.0),), (0, 0, *size))
    tissue = np.ones((rows * 7, columns * 7), bool)
    return slide, TissueMask(tissue, np.zeros((*tissue.shape, 3), np.uint8), 128.0, 128.0, (0, 0))


@settings(max_examples=30, deadline=None)
@given(
    sides=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=20),
    limit=st.integers(20, 126),
    seed=st.integers(0, 5),
)
def test_several_slides_share_the_patches_by_tissue(sides: list[tuple[int, int]], limit: int, seed: int) -> None:
    slides, masks = zip(*(_full_of_tissue(*side) for side in sides), strict=True)
    chosen = sample_slides(slides, 1.0, limit, seed, masks=masks)
    grids = [patch_grid(slide, mask, 1.0) for slide, mask in zip(slides, masks, strict=True)]
    assert sum(map(len, chosen)) == min(limit, sum(map(len, grids)))
    for patches, grid in zip(chosen, grids, strict=True):
        assert patches and patches == [patch for patch in grid if patch in set(patches)]  # its own, in order
    shares = sorted((len(grid), len(patches)) for patches, grid in zip(chosen, grids, strict=True))
    assert [got for _, got in shares] == sorted(got for _, got in shares)  # more tissue, no fewer patches
    first, mask = slides[0], masks[0]
    assert sample_slides([first], 1.0, limit, seed, masks=[mask]) == [
        sample_patches(first, 1.0, limit, seed, mask=mask)
    ]


def test_more_slides_than_patches_and_a_slide_of_glass_are_refused(tmp_path: Path) -> None:
    slides, masks = zip(*(_full_of_tissue(2, 2) for _ in range(6)), strict=True)
    with pytest.raises(InputError, match=r"6 slides cannot share 5 places.*at most 5 slides"):
        sample_slides(slides, 1.0, limit=5, masks=masks)
    with pytest.raises(InputError, match="There are no slides"):
        sample_slides([])
    glass = write_tiff_slide(tmp_path / "glass.tiff", blank_glass(2000, 2000))
    with (
        open_slide(REAL_SLIDE) as real,
        open_slide(glass) as blank,
        pytest.raises(InputError, match=r"glass\.tiff: There is no stained tissue"),
    ):
        sample_slides([real, blank])
