"""The table to begin with runs as it is, and what tables hold is told whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.evaluation import COLUMNS, columns_text, read_cases, run_evaluation, write_example
from helpers.evaluation.asking import form_of
from tests.evaluation.parrot import Parrot


@pytest.mark.parametrize("name", ["example.csv", "below/it.jsonl"])
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    files = write_example(tmp_path / name)
    assert all(file.is_file() for file in files)
    cases = read_cases(files[0])
    assert {form_of(case)[0] for case in cases} == {"choice", "number", "text"}
    assert run_evaluation(Parrot(), cases, tmp_path / "out")["failed"] == 0
    for there in (tmp_path / name, files[1].parent.parent / f"{files[1].parent.name.removesuffix('_images')}.csv"):
        with pytest.raises(InputError, match="exists already"):
            write_example(there)


def test_an_example_is_a_table_in_a_folder_that_may_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.csv or \.jsonl"):
        write_example(tmp_path / "example.xlsx")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_example(tmp_path / "file" / "example.csv")


def test_the_columns_are_told_with_what_they_hold() -> None:
    text = columns_text(60)
    assert max(map(len, text.splitlines())) <= 60
    for name, about in COLUMNS.items():
        assert f"\n{name} " in f"\n{text}" and about.split()[-1] in text
