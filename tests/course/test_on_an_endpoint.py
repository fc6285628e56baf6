"""Notebooks with a served model: 01 to 05 run through, with few cases, and those that need the weights say so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from helpers.course import NOTEBOOKS, run_notebooks
from helpers.course.notebook_files import choose_notebooks
from helpers.errors import InputError
from helpers.models import serve

# The smallest numbers with which every cell still has what it shows: two slices of each sequence, a patch of each
# slide, one volume of each kind.
FEW = {
    "01": {},
    "02": {"MAX_SLICES": 4},
    "03": {"MAX_SLICES": 4},
    "03b": {"MAX_SLICES": 4},
    "04": {"MAX_PATCHES": 4, "DATA": "slide-he"},
    "04b": {"MAX_PATCHES": 4},
    "05": {"MAX_CASES": 3},
}


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """MODEL of the stand-in as `medgemma-tutorials serve` serves it."""
    with serve("standin") as server:
        yield server.model


@pytest.mark.parametrize("number", FEW)
def test_a_notebook_runs_through_on_a_server_and_all_its_answers_come_from_there(
    served: str, tmp_path: Path, number: str
) -> None:
    [record] = run_notebooks(tmp_path, only=[number], model=served, parameters=FEW[number])["notebooks"]
    assert (record["status"], record["error"]) == ("ok", None)
    place = served.removeprefix("endpoint:http://").partition("/")[0]
    assert record["results"]["model"].endswith(f"@{place}")
    assert record["results"].get("failed", 0) == 0


@pytest.mark.parametrize("number", ["05b", "06", "06b", "09", "12", "13"])
def test_a_notebook_that_needs_the_weights_says_so_as_soon_as_it_loads_the_model(served: str, number: str) -> None:
    [path] = choose_notebooks(NOTEBOOKS, [number])
    _, parameters, *cells = nbformat.read(path, as_version=4).cells
    loads = next(cell.source for cell in cells if re.search(r"load_\w+\(MODEL\b", cell.source))
    with pytest.raises(
        InputError, match=r"Give a model to load|Give the model's own name|Load a model on this machine"
    ):
        exec(f"{parameters.source}\nMODEL = {served!r}\n{loads}", {})
