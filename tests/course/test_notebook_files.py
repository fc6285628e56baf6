"""Which files are notebooks of the course, in which order, and how somebody names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.course import choose_notebooks, find_notebooks, notebook_number
from helpers.errors import InputError

NAMES = ["00_start_here", "03_mri", "03b_several_sequences", "04_slide", "10_chest"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*reversed(NAMES), "Untitled", "3_x", "03bc_x", "03_mri-checkpoint.txt"):
        (tmp_path / (name if "." in name else f"{name}.ipynb")).touch()
    return tmp_path


def test_a_letter_stands_between_two_numbers(folder):
    assert [path.stem for path in find_notebooks(folder)] == NAMES
    assert [notebook_number(name) for name in NAMES] == ["00", "03", "03b", "04", "10"]


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ([], NAMES),
        (["3"], ["03_mri"]),
        (["3b", "03B", "0"], ["00_start_here", "03b_several_sequences"]),
        (["10_chest", "notebooks/04_slide.ipynb"], ["04_slide", "10_chest"]),
    ],
)
def test_a_notebook_is_named_by_its_number_or_its_file(folder, only, chosen):
    assert [path.stem for path in choose_notebooks(folder, only)] == chosen


@pytest.mark.parametrize("name", ["4b", "03_", "b", "003", "03_mri_"])
def test_another_name_is_refused_with_those_there_are(folder, name):
    with pytest.raises(InputError, match=r"no such notebook\. .*Choose from 00_start_here, 03_mri, 03b_several"):
        choose_notebooks(folder, [name])
