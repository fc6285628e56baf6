"""One patient is one group, by whatever names his files are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers.evaluation import in_both, read_cases

HEADER = "path,modality,question,answer,group,prior\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "val").mkdir()
    for k, name in enumerate(("a.png", "b.png", "c.png", "val/a.png")):
        Image.new("RGB", (8, 8), (50 * k, 0, 0)).save(tmp_path / name)
    (tmp_path / "link.png").symlink_to("a.png")
    return tmp_path


def read(table: Path, *rows: str) -> list[object]:
    lines = [
        f"{path},image,Q{k}?,yes,{rest or ','}"
        for k, row in enumerate(rows)
        for path, _, rest in [row.partition(",")]
    ]
    table.write_text(HEADER + "\n".join(lines), encoding="utf-8")
    return read_cases(table)


def test_names_of_one_file_are_one_group(folder: Path) -> None:
    rows = ["a.png", f"{folder}/a.png", "val/../a.png", "link.png", "b.png", "c.png"]
    assert [case.group for case in read(folder / "t.csv", *rows)] == [*["a.png"] * 4, "b.png", "c.png"]


def test_a_group_that_a_row_names_is_its_group(folder: Path) -> None:
    assert [case.group for case in read(folder / "t.csv", "a.png", "link.png,p1,", "b.png,p1,")] == [
        "a.png",
        "p1",
        "p1",
    ]


def test_two_tables_share_the_files_that_are_the_same_and_no_names(folder: Path) -> None:
    ours = read(folder / "train.csv", "a.png", "b.png,p1,")
    assert in_both(ours, read(folder / "val/same.csv", "../a.png")) == [str(folder / "a.png")]
    assert in_both(ours, read(folder / "val/prior.csv", "../c.png,,../link.png")) == [str(folder / "a.png")]
    assert in_both(ours, read(folder / "val/group.csv", "../c.png,p1,")) == ["p1"]
    assert in_both(ours, read(folder / "val/other.csv", "a.png")) == []
