"""What lies in a folder: series told apart, and found without opening a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from helpers.preparing import prepare, prepared_images, read_prepared
from helpers.preparing.sources import Root, find_sources
from tests.preparing.conftest import VOXELS, pictures, quarantined


def test_series_of_one_folder_are_told_apart_by_their_uid(write_series, tmp_path: Path) -> None:
    one, other = (write_series(VOXELS + k, folder=f"in/{k}") for k in (0, 50))
    for file in other.iterdir():
        file.rename(one / f"other-{file.name}")
    prepare(tmp_path / "in", tmp_path / "out")
    uids = [dcmread(one / name).SeriesInstanceUID for name in ("0000.dcm", "other-0000.dcm")]
    held = read_prepared(tmp_path / "out")
    assert held.keys() == {f"0#{uid}" for uid in uids}
    assert held[f"0#{uids[0]}"].images() != held[f"0#{uids[1]}"].images()


def test_a_series_in_two_folders_is_whole_in_neither(write_series, tmp_path: Path) -> None:
    one = write_series(np.tile(VOXELS, (2, 1, 1)), folder="in/one")
    other = tmp_path / "in" / "two"
    other.mkdir()
    for file in sorted(one.iterdir())[6:]:
        file.rename(other / file.name)
    write_series(VOXELS, folder="in/three")
    output = tmp_path / "out"
    assert prepare(tmp_path / "in", output).prepared == 1
    assert {path: "too" in reason for path, reason in quarantined(output).items()} == {"one": True, "two": True}
    for file in other.iterdir():
        file.rename(one / file.name)
    other.rmdir()
    prepare(tmp_path / "in", output)
    assert len(prepared_images(output, "one")) == 12
    one.rename(tmp_path / "in" / "moved")
    assert prepare(tmp_path / "in", output).prepared == 2
    assert read_prepared(output).keys() == {"moved", "three"}


def test_sources_are_found_one_at_a_time_without_opening_a_file(tmp_path: Path, monkeypatch) -> None:
    for k in range(3):
        pictures(tmp_path / "in" / f"{k}", 2)
    (tmp_path / "in" / ".hidden").touch()
    root = Root(tmp_path / "in")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    found = find_sources(root)
    assert next(found).path == "0/000.png"
    assert [source.path for source in found] == ["0/001.png", "1/000.png", "1/001.png", "2/000.png", "2/001.png"]
