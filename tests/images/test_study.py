"""What a folder holds: the images of an examination, and no pictures of what shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.images import find_study


def test_the_pictures_of_a_cd_are_not_those_of_the_patient(
    write_image: Callable[..., Path], tmp_path: Path
) -> None:
    for folder in ("CD/DICOM", "CD/VIEWER"):
        (tmp_path / folder).mkdir(parents=True)
    image = write_image(np.zeros((4, 4), np.uint8), WindowCenter=1, WindowWidth=1)
    image.rename(tmp_path / "CD" / "DICOM" / "00000001")
    splash = tmp_path / "CD" / "VIEWER" / "splash.png"
    Image.new("RGB", (4, 4)).save(splash)
    assert len(find_study(tmp_path / "CD").parts) == 2  # nothing tells that one is not an image of the patient
    (tmp_path / "CD" / "DICOMDIR").write_bytes(b"")
    study = find_study(tmp_path / "CD")
    assert [file.name for file in study.files] == ["00000001"]
    assert "splash.png (a picture beside a DICOMDIR)" in str(study)
    assert find_study(splash).files == [splash]
