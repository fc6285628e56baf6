"""Files that vanish, come, change or are replaced after their headers were read are noticed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.images import HashedFiles, check_all_unchanged, hashed_files

VOXELS = np.zeros((5, 8, 8))


def changed(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0\0")


def came(file: Path) -> None:
    shutil.copy(file, file.with_name("another.dcm"))


def came_as_a_link(file: Path) -> None:
    file.with_name("another.dcm").symlink_to(file)


def swapped_with_its_neighbour(file: Path) -> None:
    other = sorted(file.parent.iterdir())[1]
    file.rename(file.with_suffix(".kept"))
    other.rename(file)
    file.with_suffix(".kept").rename(other)


def became_a_link_to_another(file: Path) -> None:
    file.unlink()
    file.symlink_to(sorted(file.parent.iterdir())[-1])


def became_a_link_to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_name("nothing"))


def became_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def became_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder_became_a_link(file: Path) -> None:
    kept = file.parent.rename(file.parent.with_name("elsewhere"))
    changed(kept / file.name)
    file.parent.symlink_to(kept)


CHANGES = [
    (Path.unlink, "is gone"),
    (lambda file: [each.unlink() for each in file.parent.iterdir()], "is gone"),
    (lambda file: shutil.rmtree(file.parent), "is gone"),
    (lambda file: file.rename(file.with_name("renamed.dcm")), "is gone"),
    (became_a_link_to_nothing, "is gone"),
    (became_a_folder, "is gone"),
    (became_a_pipe, "is gone"),
    (changed, "was changed"),
    (swapped_with_its_neighbour, "was changed"),
    (became_a_link_to_another, "was changed"),
    (folder_became_a_link, "was changed"),
    (lambda file: file.write_bytes(b""), "was changed"),
    (came, "came after"),
    (came_as_a_link, "came after"),
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_a_folder_that_is_another_than_it_was_is_noticed(
    write_series: Callable,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    told: str,
    whole: bool,
) -> None:
    if not whole:
        monkeypatch.setattr(hashed_files, "WHOLE", 100)
    series = write_series(VOXELS, PatientID="")
    read = HashedFiles(series)
    read.check_unchanged()
    change(sorted(series.iterdir())[0])
    for _ in range(2):  # the second look passes nothing that the first one refused
        with pytest.raises(InputError, match=f"Not sent: the file {told}") as caught:
            read.check_unchanged()
        assert "load the model again" in str(caught.value)


@pytest.mark.parametrize(("change", "told"), [(Path.unlink, "is gone"), (changed, "was changed")])
def test_one_file_that_is_another_than_it_was_is_noticed(
    write_series: Callable, change: Callable[[Path], object], told: str
) -> None:
    file = sorted(write_series(VOXELS, PatientID="").iterdir())[0]
    read = HashedFiles(file)
    came(file)  # beside a file that was named alone, this changes nothing
    read.check_unchanged()
    change(file)
    with pytest.raises(InputError, match=f"Not sent: the file {told}"):
        read.check_unchanged()


def test_what_holds_the_same_content_passes(write_series: Callable) -> None:
    series = write_series(VOXELS, PatientID="")
    touched, linked, *_ = sorted(series.iterdir())
    read = HashedFiles(series)
    os.utime(touched)
    linked.symlink_to(shutil.move(linked, series.with_name("kept.dcm")))
    (series / ".hidden").write_text("no image")
    read.check_unchanged()
    changed(series.with_name("kept.dcm"))  # the content behind the link is looked at each time
    with pytest.raises(InputError, match="was changed"):
        read.check_unchanged()


def test_large_sources_are_hashed_at_their_ends_and_a_touched_file_counts_as_changed(
    write_series: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashed_files, "WHOLE", 100)
    series = write_series(VOXELS, PatientID="")
    read = HashedFiles(series)
    read.check_unchanged()
    os.utime(sorted(series.iterdir())[0])
    with pytest.raises(InputError, match="was changed after it was read"):
        read.check_unchanged()


def test_many_files_are_looked_at_only_so_often(write_series: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    series = write_series(VOXELS, PatientID="")
    read, looked = HashedFiles(series), {}
    monkeypatch.setattr(hashed_files, "OFTEN", 0.0)
    check_all_unchanged([read], looked)
    assert looked["again"] > 0
    changed(sorted(series.iterdir())[0])
    looked["again"] = time.monotonic() + 60
    check_all_unchanged([read], looked)  # not yet
    looked["again"] = 0.0
    with pytest.raises(InputError, match="was changed"):
        check_all_unchanged([read], looked)
