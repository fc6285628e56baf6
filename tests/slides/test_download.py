"""What lies where a slide should be is named: an unfinished download, a web page, a pointer, an archive."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.slides import open_slide
from tests.slide_files import REAL_SLIDE

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "problem", "remedy"),
    [
        (b"", "The file is empty", "download it again"),
        (bytes(5000), "zeros only", "download it again"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page", "login"),
        (POINTER, "a Git LFS pointer", "git lfs pull"),
        (gzip.compress(b"II*\0", mtime=0), "a gzip archive", "Unpack it"),
    ],
)
@pytest.mark.parametrize("name", ["a.svs", "a.ndpi"])
def test_what_came_instead_of_a_slide(
    tmp_path: Path, name: str, content: bytes, problem: str, remedy: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as error:
        open_slide(path)
    assert error.value.path == str(path)
    assert remedy in error.value.remedy


def test_an_archive_of_a_slide_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(REAL_SLIDE, "slide.svs")
    with pytest.raises(InputError, match=r"a.svs: This file is a zip archive.*Unpack"):
        open_slide(path)


def test_slides_of_several_files_name_what_is_missing(tmp_path: Path) -> None:
    mirax = tmp_path / "case 7.mrxs"
    mirax.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"the folder case 7 beside it.*Copy that folder"):
        open_slide(mirax)
    vms = tmp_path / "case.vms"
    lines = ["[Virtual Microscope Specimen]", "NoLayers=1", "NoJpegColumns=1", "NoJpegRows=1", "ImageFile=a.jpg"]
    vms.write_text("\n".join([*lines, "MapFile=m.jpg", "OptimisationFile=o.opt"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"incomplete \(.*\.jpg.*with all files that belong to it"):
        open_slide(vms)
