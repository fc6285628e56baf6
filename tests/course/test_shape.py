"""Every notebook has the shape that CONTRIBUTING.md describes, and leads to the one after it."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from helpers.course import find_notebooks, notebook_number

PATHS = find_notebooks(Path(__file__).resolve().parents[2] / "notebooks")
HEADINGS = ("**You will learn**", "**You need**", "**Time**", "**Hardware**")
# The one limit of each notebook; which of the numbers has which is in docs/notebooks.md too.
LIMITS = {
    "MAX_NEW_TOKENS": ("01", "07"),
    "MAX_SLICES": ("02", "03", "03b", "14"),
    "MAX_PATCHES": ("04", "04b"),
    "MAX_CASES": ("05", "05b", "09", "10", "12"),
    "MAX_EXAMPLES": ("06", "06b"),
    "MAX_VOLUMES": ("08",),
    "MAX_STEPS": ("13",),
    "MAX_REPORTS": ("11",),
}
FOLDED = {"source_hidden": True, "outputs_hidden": True}  # in JupyterLab; Colab folds by "cellView" and "# @title"


def cells_of(path: Path) -> list[nbformat.NotebookNode]:
    return nbformat.read(path, as_version=4).cells


def tagged(cells: list[nbformat.NotebookNode], tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in cells if tag in cell.metadata.get("tags", ())]


def bullets(text: str) -> int:
    return len(re.findall(r"^- ", text, re.MULTILINE))


each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@each_notebook
def test_it_begins_with_three_goals_and_ends_with_the_same_three(path):
    cells = cells_of(path)
    places = [cells[0].source.find(heading) for heading in HEADINGS]
    assert -1 not in places and places == sorted(places), f"the title cell has these, in order: {HEADINGS}"
    assert bullets(cells[0].source[places[0] : places[1]]) == 3
    last = cells[-1].source
    assert last.startswith("## You can now")
    assert bullets(last) == 3
    assert len(cells) <= (24 if path.stem.startswith("00") else 36)


def test_each_leads_to_the_next():
    for path, following in pairwise(PATHS):
        led_to = re.search(r"\*\*Next:\*\* \[[^\]]+\]\(([^)]+)\)", cells_of(path)[-1].source)
        assert led_to and led_to[1] == following.name, path.name
    assert "**Next:**" in cells_of(PATHS[-1])[-1].source


@each_notebook
def test_its_limit_has_a_name_that_says_what_is_limited(path):
    targets = {node.id for node in ast.walk(ast.parse(cells_of(path)[1].source)) if isinstance(node, ast.Name)}
    assert "LIMIT" not in targets
    for name, numbers in LIMITS.items():
        assert name in targets or notebook_number(path.stem) not in numbers, f"{path.stem} has {name}"


@each_notebook
def test_its_solutions_are_folded_and_check_what_they_claim(path):
    cells = cells_of(path)
    solutions = tagged(cells, "solution")
    assert len(solutions) >= 2
    exercises = next(k for k, cell in enumerate(cells) if "## Exercises" in cell.source)
    assert cells[exercises + 1] in solutions, "the solutions stand below the exercises"
    for cell in solutions:
        assert cell.cell_type == "code" and re.match(r"# @title Solution \d", cell.source)
        assert (cell.metadata.get("jupyter"), cell.metadata.get("cellView")) == (FOLDED, "form")
        assert re.search(r"\bassert\b", cell.source), "a solution checks what it claims"
