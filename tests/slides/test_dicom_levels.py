"""DICOM slides that OpenSlide would read wrongly without a word, or refuse in words of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from helpers.errors import InputError
from helpers.slides import open_slide
from tests.slide_files import dicom_level, keep_frames, new_series, save_dicom, write_dicom_slide

# Six tiles of 256 pixels in two rows, each of one grey value.
GREYS = np.array([[40, 80, 120], [160, 200, 230]], np.uint8)
TILES = np.repeat(np.kron(GREYS, np.ones((256, 256), np.uint8))[:, :, None], 3, axis=2)


def _greys(path: Path) -> list[list[int]]:
    """The grey value in the middle of each tile of level 0, on white."""
    with open_slide(path) as slide:
        assert (slide.width, slide.height) == (768, 512)
        shown = np.asarray(slide.handle.read_region((0, 0), 0, (768, 512)))
    values = np.where(shown[..., 3] == 0, 255, shown[..., 0])
    return values[128::256, 128::256].tolist()


def _coarse(folder: Path, series: Dataset) -> None:
    size_mm = [side * 0.0005 for side in TILES.shape[:2]]
    save_dicom(dicom_level(np.ascontiguousarray(TILES[::2, ::2]), series, size_mm, derived=True), folder / "1.dcm")


def _concatenate(folder: Path, offsets: bool = True) -> None:
    series, uid = new_series(), generate_uid()
    level = dicom_level(TILES, series)
    for part in range(2):
        data = keep_frames(level, range(part * 3, part * 3 + 3))
        data.ConcatenationUID, data.InConcatenationNumber = uid, part + 1
        if offsets:
            data.ConcatenationFrameOffsetNumber = part * 3
        save_dicom(data, folder / f"0-{part + 1}.dcm")
    _coarse(folder, series)


def test_a_level_in_several_files(tmp_path: Path) -> None:
    _concatenate(tmp_path / "whole")
    assert np.abs(np.subtract(_greys(tmp_path / "whole"), GREYS.astype(int))).max() <= 2
    shutil.copytree(tmp_path / "whole", tmp_path / "last")
    (tmp_path / "last" / "0-2.dcm").unlink()
    with pytest.raises(InputError, match=r"concatenation of 2 files, but the folder holds 1 \(0-1.dcm\).*Put all"):
        open_slide(tmp_path / "last")
    _concatenate(tmp_path / "unordered", offsets=False)
    with pytest.raises(
        InputError, match=r"6 tiles.*3 from number 1 on \(0-1.dcm\), 3 from number 1 on \(0-2.dcm\)"
    ):
        open_slide(tmp_path / "unordered")


def _sparse(kept: list[int], shift: int = 0, stated: bool = True) -> Dataset:
    """Some of the tiles, each with its place, in any order."""
    data = keep_frames(dicom_level(TILES, new_series()), kept)
    data.DimensionOrganizationType = "TILED_SPARSE"
    data.PerFrameFunctionalGroupsSequence = [Dataset() for _ in kept]
    for frame, index in zip(data.PerFrameFunctionalGroupsSequence, kept, strict=True):
        place = Dataset()
        place.RowPositionInTotalImagePixelMatrix = index // 3 * 256 + 1 + shift
        place.ColumnPositionInTotalImagePixelMatrix = index % 3 * 256 + 1
        frame.PlanePositionSlideSequence = [place]
    if not stated:
        del data.PerFrameFunctionalGroupsSequence
    return data


def test_tiles_that_state_their_places(tmp_path: Path) -> None:
    save_dicom(_sparse([5, 0, 3, 1]), tmp_path / "some" / "0.dcm")
    wanted = [[40, 80, 255], [160, 255, 230]]  # glass where there is no tile
    assert np.abs(np.subtract(_greys(tmp_path / "some"), wanted)).max() <= 2
    for name, (data, problem) in {
        "none": (_sparse([0, 1, 2, 3, 4, 5], stated=False), "the position of 0 of its 6 tiles"),
        "twice": (_sparse([0, 1, 0]), "several images of each place"),
        "shifted": (_sparse([0, 1], shift=10), "grid of 256 x 256"),
    }.items():
        file = save_dicom(data, tmp_path / name / "0.dcm")
        with pytest.raises(InputError, match=problem) as error:
            open_slide(file)
        assert error.value.path == str(file)


def test_one_series_is_one_volume(tmp_path: Path) -> None:
    series = new_series()
    for name, other in {"size": TILES[:, :512], "near": TILES[:480, :720], "same": TILES[::-1]}.items():
        save_dicom(dicom_level(TILES, series), tmp_path / name / "a.dcm")
        save_dicom(dicom_level(np.ascontiguousarray(other), series), tmp_path / name / "b.dcm")
        with pytest.raises(InputError, match=r"(specimens|2 times).*a.dcm.*b.dcm.*[Mm]ove"):
            open_slide(tmp_path / name / "b.dcm")

    def container(data: Dataset) -> None:
        data.ContainerIdentifier = f"S26-{data.InstanceNumber}"

    write_dicom_slide(tmp_path / "containers", TILES, levels=2, change=container)
    with pytest.raises(InputError, match=r"specimens.*container S26-1.*container S26-2"):
        open_slide(tmp_path / "containers")
    shutil.copytree(tmp_path / "size", tmp_path / "copy")
    shutil.copy(tmp_path / "copy" / "a.dcm", tmp_path / "copy" / "b.dcm")  # one file twice is no other volume
    assert np.abs(np.subtract(_greys(tmp_path / "copy"), GREYS.astype(int))).max() <= 2


def _set(**values: object) -> Callable[[Dataset], None]:
    def change(data: Dataset) -> None:
        for keyword, value in values.items():
            setattr(data, keyword, value)

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_set(SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2"), r"one channel \(MONOCHROME2\).*RGB"),
        (_set(TotalPixelMatrixFocalPlanes=3), "3 focal planes"),
        (_set(NumberOfFrames=12), "several images of each place"),
        (_set(TotalPixelMatrixRows=2048, ImagedVolumeHeight=1.024), r"24 tiles\. The files hold 6"),
        (_set(ImageType=["ORIGINAL", "VOLUME"]), "third value is not VOLUME"),
        (_set(PhotometricInterpretation="YBR_FULL"), "YBR_FULL.*YBR_FULL_422"),
        (_set(BitsAllocated=16), "16 bits"),
    ],
)
def test_forms_that_cannot_be_read_right(tmp_path: Path, change: Callable[[Dataset], None], problem: str) -> None:
    write_dicom_slide(tmp_path, TILES, levels=1, change=change)
    with pytest.raises(InputError, match=problem):
        open_slide(tmp_path)


def test_stored_in_ways_that_openslide_does_not_read(tmp_path: Path) -> None:
    data = dicom_level(TILES, new_series())
    data.file_meta.TransferSyntaxUID, data.PixelData = DeflatedExplicitVRLittleEndian, TILES.tobytes()
    data["PixelData"].is_undefined_length = False
    save_dicom(data, tmp_path / "deflated" / "0.dcm")
    with pytest.raises(InputError, match=r"0.dcm: .*Deflated.*dcmconv \+te"):
        open_slide(tmp_path / "deflated")
    file = save_dicom(dicom_level(TILES, new_series()), tmp_path / "bare" / "0.dcm")
    file.write_bytes(file.read_bytes()[132:])
    with pytest.raises(InputError, match=r"0.dcm: .*preamble.*save_as"):
        open_slide(file)


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write_dicom_slide(tmp_path, TILES, levels=2)
    whole = (tmp_path / "level-0.dcm").read_bytes()
    pixels = whole.index(b"\xe0\x7f\x10\x00")
    for kept in (400, 700, pixels, pixels + 2000, len(whole) - 9):
        (tmp_path / "level-0.dcm").write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"level-0.dcm: .*cut off.*again"):
            open_slide(tmp_path)


def test_a_picture_that_spoils_the_slide_is_named(tmp_path: Path) -> None:
    series = new_series()
    save_dicom(dicom_level(TILES, series), tmp_path / "0.dcm")
    save_dicom(dicom_level(TILES, series, flavour="LABEL"), tmp_path / "l1.dcm")
    other = save_dicom(dicom_level(TILES, series, flavour="LABEL"), tmp_path / "l2.dcm")
    with pytest.raises(InputError, match=r"l2.dcm: .*label image.*another one, l1.dcm.*Move this file"):
        open_slide(tmp_path / "0.dcm")
    other.unlink()
    for name in ("l3", "l4"):  # OpenSlide knows no such pictures, and passes over any number of them
        save_dicom(dicom_level(TILES, series, flavour="LOCALIZER"), tmp_path / name)
    assert np.abs(np.subtract(_greys(tmp_path), GREYS.astype(int))).max() <= 2
