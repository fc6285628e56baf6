"""How long a new Python takes until it can begin: each work is a process of its own that imports and ends."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable

import nbformat

from tests.benchmarks.measure import REPOSITORY

FIRST_NOTEBOOK = "notebooks/01_load_medgemma.ipynb"
# What the first notebook's task needs, as one would write it without the package.
PLAIN_IMPORTS = """
import matplotlib.pyplot
import numpy
import openslide
import pydicom
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
"""


def fresh(code: str) -> Callable[[], int]:
    """A new Python that runs ``code``."""

    def work() -> int:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return done.returncode

    return work


def plain_imports() -> Callable[[], int]:
    """The libraries themselves."""
    return fresh(PLAIN_IMPORTS)


def notebook_imports() -> Callable[[], int]:
    """All that the cells of the first notebook import, after the one that installs."""
    cells = nbformat.read(REPOSITORY / FIRST_NOTEBOOK, as_version=4).cells
    start = next(k for k, cell in enumerate(cells) if "install" in cell.metadata.get("tags", [])) + 1
    trees = [ast.parse(cell.source) for cell in cells[start:] if cell.cell_type == "code"]
    imports = [node for tree in trees for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return fresh("\n".join(map(ast.unparse, imports)))
