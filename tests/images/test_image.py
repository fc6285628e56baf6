"""The one way to read a 2D image: its content tells the format, never its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import read_image


def test_the_content_of_a_file_tells_its_format(tmp_path: Path) -> None:
    radiograph, fundus = fetch("chest-radiograph"), fetch("fundus")
    shutil.copy(radiograph, tmp_path / "radiograph.png")
    shutil.copy(fundus, tmp_path / "fundus.dcm")
    Image.open(fundus).resize((64, 64)).save(tmp_path / "small.jpg", format="TIFF")
    assert read_image(tmp_path / "radiograph.png").tobytes() == read_image(radiograph).tobytes()
    assert np.array_equal(np.asarray(read_image(tmp_path / "fundus.dcm")), np.asarray(Image.open(fundus)))
    assert read_image(tmp_path / "small.jpg").size == (64, 64)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.png", "This file does not exist"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=words) as caught:
            read_image(path)
        assert caught.value.path == str(path) and caught.value.remedy


def test_a_format_that_is_no_image_is_an_error() -> None:
    with pytest.raises(InputError, match=r"This is a volume \(NIfTI\).*read_volume"):
        read_image(fetch("mri-t1"))
    with pytest.raises(InputError, match=r"not an image that can be read.*DICOM"):
        read_image(__file__)
