"""Whole slides: opening, tissue, the patch grid and its sample, the patches' pixels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from openslide import OpenSlide
from PIL import Image

from helpers.errors import InputError
from helpers.slides import (
    Patch,
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
from helpers.slides.tissue import OVERVIEW_PIXELS, TILE_SIDE, overview, tissue_in
from tests.slide_files import (
    REAL_SLIDE,
    blank_glass,
    real_tissue,
    tissue_mosaic,
    write_dicom_slide,
    write_tiff_slide,
)


@pytest.fixture(scope="module")
def slide_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The real tissue as a TIFF pyramid and as DICOM, and a larger mosaic of it as a TIFF pyramid."""
    folder = tmp_path_factory.mktemp("slides")
    return {
        "tiff": write_tiff_slide(folder / "tissue.tiff", real_tissue()),
        "dicom": write_dicom_slide(folder / "dicom", real_tissue()),
        "mosaic": write_tiff_slide(folder / "mosaic.tiff", tissue_mosaic(8000, 6000)),
    }


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The size of each region that is read from any slide, in pixels."""
    sizes: list[tuple[int, int]] = []
    read_region = OpenSlide.read_region

    def spy(self: OpenSlide, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        sizes.append(size)
        return read_region(self, location, level, size)

    monkeypatch.setattr(OpenSlide, "read_region", spy)
    return sizes


def _pixels(slide: Slide, patches: list[Patch], workers: int = 2) -> np.ndarray:
    return np.stack([np.asarray(image) for image in read_patches(slide, patches, workers)])


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


def test_the_mask_reads_few_pixels(slide_files: dict[str, Path], reads: list[tuple[int, int]]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        mask = tissue_mask(slide)
        assert sum(width * height for width, height in reads) <= OVERVIEW_PIXELS
        assert mask.mpp == slide.mpp * mask.downsample == 4.0  # the level at 2.0 holds 3 million pixels
        assert mask.tissue.shape == (750, 1000)

    reads.clear()
    with open_slide(REAL_SLIDE) as slide:  # one level only: all of it is read, in tiles
        overview(slide)
    assert sum(width * height for width, height in reads) == slide.width * slide.height
    assert max(width * height for width, height in reads) <= TILE_SIDE**2


def test_only_the_scanned_bounds_count(slide_files: dict[str, Path]) -> None:
    with open_slide(slide_files["mosaic"]) as slide:
        part = replace(slide, bounds=(800, 1600, 4000, 3200))
        whole_rgb, scale = overview(slide, mpp=4.0)
        part_rgb, part_scale = overview(part, mpp=4.0)
        assert scale == part_scale == 8
        assert np.array_equal(part_rgb, whole_rgb[200:600, 100:600])
        patches = sample_patches(part, mpp=0.5)
        assert all((p.x - 800) % 896 == 0 and (p.y - 1600) % 896 == 0 for p in patches)


def test_tissue_is_stain_and_neither_ink_nor_glass() -> None:
    picture = blank_glass(400, 300)
    picture[50:250, 50:250] = (200, 120, 170)  # eosin and haematoxylin
    picture[100:110, 100:110] = 240  # a hole of 20 um
    picture[20:24, 300:304] = (200, 120, 170)  # a speck
    picture[60:120, 300:380] = (20, 20, 20)
    picture[140:200, 300:380] = (40, 150, 60)
    picture[220:280, 300:380] = (30, 60, 190)
    expected = np.zeros((300, 400), bool)
    expected[50:250, 50:250] = True
    assert np.array_equal(tissue_in(picture), expected)
    assert tissue_in(np.full((200, 200, 3), (200, 120, 170), np.uint8)).all()
    assert not tissue_in(blank_glass(400, 300)).any()
    assert not tissue_in(np.zeros((200, 200, 3), np.uint8)).any()


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


def test_microns_per_pixel_can_be_given(tmp_path: Path) -> None:
    path = write_tiff_slide(tmp_path / "no-mpp.svs", real_tissue(), mpp=None)
    with pytest.raises(InputError, match=r"no-mpp.svs: .*microns per pixel.*mpp=0.5"):
        open_slide(path)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.mpp == 0.5
    for mpp in (0, -1, float("nan"), 353):
        with pytest.raises(InputError, match="cannot be right"):
            open_slide(path, mpp=mpp)


def test_bad_slides_are_one_clear_error(tmp_path: Path, slide_files: dict[str, Path]) -> None:
    text = tmp_path / "text.svs"
    text.write_text("not a slide")
    cut = tmp_path / "cut.svs"
    cut.write_bytes(REAL_SLIDE.read_bytes()[:1_000_000])
    photo = tmp_path / "photo.png"
    Image.new("RGB", (50, 50)).save(photo)
    for path, problem in {
        text: "no whole slide",
        cut: "cut off",
        photo: "read_image",
        tmp_path: "no DICOM whole slide",
        tmp_path / "absent.svs": "no such file",
        write_tiff_slide(tmp_path / "printer.tiff", blank_glass(600, 600), mpp=353): "353 microns",
    }.items():
        with pytest.raises(InputError, match=problem) as error:
            open_slide(path)
        assert error.value.path == str(path)
        assert error.value.remedy

    two = tmp_path / "two"
    write_dicom_slide(two, blank_glass(300, 300), levels=1).joinpath("level-0.dcm").rename(two / "other.dcm")
    write_dicom_slide(two, blank_glass(300, 300), levels=1)
    with pytest.raises(InputError, match=r"2 DICOM slides.*level-0.dcm, other.dcm"):
        open_slide(two)


def test_damaged_pixels_name_the_file(tmp_path: Path, slide_files: dict[str, Path]) -> None:
    damaged = tmp_path / "cut.dcm"
    whole = (slide_files["dicom"] / "level-0.dcm").read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    with open_slide(damaged) as slide, pytest.raises(InputError, match=r"cut.dcm: .*damaged.*again"):
        tissue_mask(slide)
    with open_slide(damaged) as slide, pytest.raises(InputError, match=r"cut.dcm: .*damaged.*again"):
        _pixels(slide, [Patch(0, 2000, 896, 0.5, 1.0)])


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
