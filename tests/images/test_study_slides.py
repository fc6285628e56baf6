"""DICOM slides of a study folder: each with its levels, without the pictures beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.images import find_study
from helpers.slides import open_slide
from tests.slide_files import blank_glass, dicom_level, new_series, save_dicom, write_dicom_slide

GLASS = blank_glass(512, 256)


def test_labels_are_passed_over_and_slides_are_parts(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_dicom_slide(tmp_path / name, GLASS, levels=2)
    label = dicom_level(GLASS, new_series(number=9), flavour="LABEL")
    file = save_dicom(label, tmp_path / "a" / "0.dcm")
    study = find_study(tmp_path)
    assert study.kind == "slide"
    assert [sorted(f.name for f in part.files) for part in study.parts] == [["level-0.dcm", "level-1.dcm"]] * 2
    assert [(one.path, one.what) for one in study.passed_over] == [(file, "the label image of a slide")]
    for part in study.parts:
        open_slide(part.files[0]).close()
    for alone in (file, save_dicom(label, tmp_path / "label" / "0.dcm").parent):
        with pytest.raises(InputError, match=r"No image was found.*the label image of a slide"):
            find_study(alone)


def test_a_slide_lies_in_one_folder(tmp_path: Path) -> None:
    write_dicom_slide(tmp_path / "x", GLASS, levels=2)
    (tmp_path / "y").mkdir()
    (tmp_path / "x" / "level-1.dcm").rename(tmp_path / "y" / "level-1.dcm")
    with pytest.raises(InputError, match=r"one slide lie in 2 folders.*: x, y\..*one folder"):
        find_study(tmp_path)
