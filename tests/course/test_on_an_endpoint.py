"""Notebooks 01 to 05 with a served model: each runs through against a server on this machine, with few cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.course import run_notebooks
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
