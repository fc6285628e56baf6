"""Whole slides: opening, tissue, the patch grid and its sample, the patches' pixels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from helpers.errors import InputError
from helpers.slides import (
    Patch,
    Slide,
    TissueMask,
    open_slide,
    patch_grid,
    patch_notes,
    read_patches,
    sample_patches,
    sample_slides,
    tissue_mask,
    tissue_shown,
)
from helpers.slides.pyramid import Level
from tests.slide_files import (
    REAL_SLIDE,
    blank_glass,
    real_tissue,
    write_tiff_slide,
)
from tests.slides.conftest import _pixels, slides_with_mask


def test_patches_of_the_real_slide_are_its_pixels() -> None:
    tissue = real_tissue()
    with open_slide(REAL_SLIDE) as slide:
        assert (slide.width, slide.height, slide.mpp) == (2220, 2967, 0.499)
        mask = tissue_mask(slide)
        assert mask.mpp == pytest.approx(2.0, rel=0.01)
        assert mask.tissue.shape == mask.rgb.shape[:2] == (742, 555)
        assert 0.3 < mask.tissue.mean() < 0.45

        # 20x is the slide's own resolution, within the tolerance: pixel for pixel.
        patches = sample_patches(slide, mpp=0.5)
        for patch, image in zip(patches, _pixels(slide, patches), strict=True):
            x, y = max(patch.x, 0), max(patch.y, 0)
            inside = tissue[y : patch.y + 896, x : patch.x + 896]
            shown = image[y - patch.y :, x - patch.x :]
            assert np.array_equal(shown[: inside.shape[0], : inside.shape[1]], inside)

        # 10x halves it by one Lanczos resample; both reach beyond the slide, which has the colour of its glass.
        ten = slide.mpp * 1796 / 896
        upper, lower = (Patch(212, y, 1796, ten, 1.0, mask.glass) for y in (-312, 1484))
        assert {patch.size for patch in sample_patches(slide, mpp=1.0)} == {1796}
        first, second = _pixels(slide, [upper, lower])
        whole = Image.new("RGB", (1796, 1796), mask.glass)
        whole.paste(Image.fromarray(tissue[: upper.y + 1796, upper.x : upper.x + 1796]), (0, -upper.y))
        assert np.array_equal(first, np.asarray(whole.resize((896, 896), Image.Resampling.LANCZOS)))
        end = (2967 - lower.y) * 896 // 1796
        assert (second[end + 4 :] == mask.glass).all()
        assert all(abs(channel - 243) <= 3 for channel in mask.glass)  # as it was scanned


def test_a_dicom_slide_is_the_same_as_a_tiff(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["tiff"]) as tiff, open_slide(slide_files["dicom"]) as dicom:
        assert (dicom.width, dicom.height, dicom.mpp) == (tiff.width, tiff.height, tiff.mpp)
        for mpp in (0.5, 1.0, 1.3):
            patches = sample_patches(tiff, mpp)
            places = np.array([(p.x, p.y, p.size) for p in patches])
            # Another encoder may move the edge of the tissue by a pixel of the mask.
            assert np.abs([(p.x, p.y, p.size) for p in sample_patches(dicom, mpp)] - places).max() <= 4
            difference = _pixels(tiff, patches).astype(int) - _pixels(dicom, patches)
            assert np.abs(difference).mean() < 2.5  # two JPEG encoders
    with open_slide(slide_files["dicom"] / "level-1.dcm") as by_file:
        assert (by_file.width, by_file.height) == (tiff.width, tiff.height)


def test_a_level_that_fits_is_read_pixel_for_pixel(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        patches = sample_patches(slide, mpp=1.0)
        level = np.asarray(slide.handle.read_region((0, 0), 1, slide.handle.level_dimensions[1]))[..., :3]
        for patch, image in zip(patches, _pixels(slide, patches), strict=True):
            x, y = patch.x // 2, patch.y // 2
            inside = level[max(y, 0) : y + 896, max(x, 0) : x + 896]
            shown = image[max(-y, 0) :, max(-x, 0) :][: inside.shape[0], : inside.shape[1]]
            assert np.array_equal(shown, inside)


@pytest.mark.parametrize("mpp", [0.5, 0.508, 0.6, 1.0, 1.4, 2.0])
def test_pixels_come_from_the_best_level_never_upsampled(
    slide_files: dict[str, Path], reads: list[tuple[int, int]], mpp: float
) -> None:
    with open_slide(slide_files["tiff"]) as slide:
        grid = patch_grid(slide, tissue_mask(slide), mpp)
        patches = [replace(patch, x=max(patch.x, 0), y=max(patch.y, 0)) for patch in grid]  # all of it is read
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
    if not mask.tissue.any():
        return
    mpp = slide.mpp * coarser
    grid = patch_grid(slide, mask, mpp)
    for patch in grid:
        assert patch.mpp == pytest.approx(mpp, rel=0.025)
        assert patch.size / slide.levels[slide.best_level(patch.mpp)].downsample >= 895.5  # not upsampled

    chosen = sample_patches(slide, mpp, limit, seed, min_tissue, mask)
    assert set(chosen) <= set(grid)
    places = [(patch.y, patch.x) for patch in chosen]
    assert places == sorted(places) and len(chosen) == len(set(chosen))
    full = {patch for patch in grid if patch.tissue >= min_tissue}
    # The full ones first, all of them if they fit; then others, as long as something of the tissue is missing.
    assert len(full & set(chosen)) == min(limit, len(full))
    assert len(chosen) == min(limit, len(grid)) or tissue_shown(mask, chosen) >= 0.99
    assert chosen == sample_patches(slide, mpp, limit, seed, min_tissue, mask)


def test_another_seed_gives_other_patches(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        mask = tissue_mask(slide)
        first, second = (sample_patches(slide, 0.5, limit=10, seed=seed, mask=mask) for seed in (0, 1))
    assert first != second


def test_slides_that_cannot_give_patches(tmp_path: Path) -> None:
    with (
        open_slide(write_tiff_slide(tmp_path / "blank.tiff", blank_glass(1500, 1000))) as blank,
        pytest.raises(InputError, match=r"blank.tiff: No stained tissue"),
    ):
        sample_patches(blank)
    with open_slide(REAL_SLIDE) as slide:
        with pytest.raises(
            InputError, match=r"0.499 .*does not enlarge it to 0.25.*20x \(mpp=0.5, --magnification 20"
        ):
            sample_patches(slide, mpp=0.25)
        with pytest.raises(InputError, match="limit of 0"):
            sample_patches(slide, limit=0)
        with pytest.raises(InputError, match="seed is -1"):
            sample_patches(slide, seed=-1)


def test_a_slide_slightly_coarser_is_taken_as_it_is_and_said_so(tmp_path: Path) -> None:
    for mpp, taken in ((0.52, True), (0.57, True), (0.58, False)):
        path = write_tiff_slide(tmp_path / f"{mpp}.tif", real_tissue(), mpp)
        with open_slide(path) as slide:
            mask = tissue_mask(slide)
            if not taken:
                with pytest.raises(InputError, match=r"does not enlarge it to 0.5.*Use 5x .* 10x"):
                    sample_patches(slide, 0.5, mask=mask)
                continue
            patches = sample_patches(slide, 0.5, mask=mask)
            assert {patch.size for patch in patches} == {896}
            assert patches[0].mpp == pytest.approx(mpp)
            assert patch_notes(slide, mask, patches, 0.5) == [
                f"The slide has {mpp} microns per pixel, which is coarser than the 0.5 that was asked for. "
                "The patches keep the resolution of the slide.",
                f"{len(patches)} patches show {int(100 * tissue_shown(mask, patches))} % of the tissue.",
            ]
            assert tissue_shown(mask, patches) >= 0.99


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
    with pytest.raises(InputError, match=r"5 images cannot be shared among 6 slides.*at most 5 slides"):
        sample_slides(slides, 1.0, limit=5, masks=masks)
    with pytest.raises(InputError, match="No slides were given"):
        sample_slides([])
    glass = write_tiff_slide(tmp_path / "glass.tiff", blank_glass(2000, 2000))
    with (
        open_slide(REAL_SLIDE) as real,
        open_slide(glass) as blank,
        pytest.raises(InputError, match=r"glass\.tiff: No stained tissue"),
    ):
        sample_slides([real, blank])
