"""Which file of a DICOM slide is opened, and what lies beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from helpers.errors import InputError
from helpers.slides import open_slide
from tests.slide_files import blank_glass, dicom_level, new_series, save_dicom, write_dicom_slide

TEAL = np.full((512, 768, 3), (20, 140, 130), np.uint8)


def _picture(folder: Path, series: Dataset, flavour: str, name: str) -> Path:
    return save_dicom(dicom_level(blank_glass(256, 256), series, flavour=flavour), folder / name)


def _series_of(folder: Path) -> Dataset:
    series = new_series()
    series.SeriesInstanceUID = dcmread(folder / "level-0.dcm", stop_before_pixels=True).SeriesInstanceUID
    return series


@pytest.mark.parametrize("own_series", [False, True])
def test_pictures_beside_the_levels_are_passed_over(tmp_path: Path, own_series: bool) -> None:
    write_dicom_slide(tmp_path, TEAL, levels=2)
    series = new_series(number=2) if own_series else _series_of(tmp_path)
    for name, flavour in {"a.dcm": "LABEL", "b.dcm": "OVERVIEW", "c": "THUMBNAIL"}.items():
        _picture(tmp_path, series, flavour, name)
    (tmp_path / "README.txt").write_text("notes", encoding="utf-8")
    (tmp_path / "level-1.dcm").rename(tmp_path / "aa")  # a level before all others, and without an ending
    with open_slide(tmp_path) as slide:
        assert slide.path.name == "level-0.dcm"
        assert [(level.width, level.height) for level in slide.levels] == [(768, 512), (384, 256)]
        assert slide.notes == ("Files that were passed over: 1 label image, 1 overview image, 1 thumbnail image.",)
        pixels = np.asarray(slide.handle.read_region((0, 0), 0, (768, 512)).convert("RGB")).astype(int)
        assert np.abs(pixels - TEAL).max() <= 3  # JPEG
    with open_slide(tmp_path / "aa") as slide:
        assert (slide.path.name, slide.width) == ("level-0.dcm", 768)


def test_a_label_is_never_shown(tmp_path: Path) -> None:
    write_dicom_slide(tmp_path / "whole", TEAL, levels=1)
    beside = _picture(tmp_path / "whole", _series_of(tmp_path / "whole"), "LABEL", "label.dcm")
    alone = _picture(tmp_path / "alone", new_series(), "LABEL", "label.dcm")
    for path, problem in {
        beside: "label image of a slide.*patient's name.*Give a level of the slide: level-0.dcm",
        alone: "label image of a slide.*patient's name.*VOLUME",
        alone.parent: "no level of a slide, only 1 label image.*patient's name.*VOLUME",
    }.items():
        with pytest.raises(InputError, match=problem):
            open_slide(path)


def test_several_slides_are_listed_and_one_is_chosen_by_its_file(tmp_path: Path) -> None:
    def name(data: Dataset) -> None:
        data.PatientName, data.ContainerIdentifier, data.SeriesNumber = "Doe^Jane", "S26-7 B", 4

    write_dicom_slide(tmp_path, TEAL, levels=2)
    write_dicom_slide(tmp_path / "other", TEAL[:256], levels=1, change=name)
    (tmp_path / "other" / "level-0.dcm").rename(tmp_path / "x.dcm")
    with pytest.raises(InputError, match=r"2 DICOM slides.*Give one file.*level-0.dcm, x.dcm") as error:
        open_slide(tmp_path)
    assert "level-0.dcm (series 1, 768 x 512 pixels)" in str(error.value)
    assert "x.dcm (series 4, container S26-7 B, 768 x 256 pixels)" in str(error.value)
    assert "Doe" not in str(error.value)
    with open_slide(tmp_path / "x.dcm") as slide:
        assert (slide.width, slide.height) == (768, 256)


def test_the_scale_follows_from_the_size_of_what_was_imaged(tmp_path: Path) -> None:
    def no_spacing(data: Dataset) -> None:
        del data.SharedFunctionalGroupsSequence

    write_dicom_slide(tmp_path, TEAL, mpp=0.25, change=no_spacing)
    for file in (tmp_path, tmp_path / "level-1.dcm"):
        with open_slide(file) as slide:
            assert slide.mpp == pytest.approx(0.25, rel=1e-6)

    def odd(data: Dataset) -> None:
        no_spacing(data)
        data.ImagedVolumeWidth = data.ImagedVolumeHeight = 15  # some writers state one size for all slides

    write_dicom_slide(tmp_path / "odd", TEAL, change=odd)
    with pytest.raises(InputError, match="does not state its microns per pixel"):
        open_slide(tmp_path / "odd")


def test_other_files_of_a_folder(tmp_path: Path) -> None:
    def other_class(data: Dataset) -> None:
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"  # Segmentation

    write_dicom_slide(tmp_path / "seg", TEAL, levels=1, change=other_class)
    with pytest.raises(InputError, match="no DICOM whole slide"):
        open_slide(tmp_path / "seg")
    with pytest.raises(InputError, match=r"not a DICOM whole slide: Segmentation Storage"):
        open_slide(tmp_path / "seg" / "level-0.dcm")
    write_dicom_slide(tmp_path, TEAL, levels=1)
    (tmp_path / "seg" / "level-0.dcm").rename(tmp_path / "seg.dcm")
    (tmp_path / ".hidden.dcm").write_bytes(b"")
    with open_slide(tmp_path) as slide:
        assert slide.notes == ("Files that were passed over: 1 DICOM file of another kind.",)
    (tmp_path / "level-9.dcm").write_bytes(b"")
    with pytest.raises(InputError, match=r"level-9.dcm: .*empty file.*again"):
        open_slide(tmp_path)


def test_it_is_said_where_the_scan_itself_is_missing(tmp_path: Path) -> None:
    write_dicom_slide(tmp_path, TEAL)
    (tmp_path / "level-0.dcm").unlink()
    with open_slide(tmp_path) as slide:
        assert slide.mpp == pytest.approx(1.0)
        assert "level-1.dcm, says that it was resampled" in " ".join(slide.notes)
