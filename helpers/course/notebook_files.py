"""Find the files of the notebooks in the order of the course, and choose some by number or name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from helpers.errors import InputError, did_you_mean

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
_FILE = re.compile(r"(\d\d[a-z]?)_.+\.ipynb")  # a letter marks a notebook between two numbers: 03, 03b, 04
_NUMBER = re.compile(r"(\d{1,2})([a-z]?)", re.IGNORECASE)


def find_notebooks(folder: Path) -> list[Path]:
    """The notebooks in a folder (``NN_name.ipynb`` or ``NNb_name.ipynb``), in the order of the course."""
    return sorted(path for path in folder.glob("*.ipynb") if _FILE.fullmatch(path.name))


def notebook_number(name: str) -> str:
    """The number in a notebook's file name, with its letter: "03b" of "03b_several_sequences.ipynb"."""
    return name.partition("_")[0]


def choose_notebooks(folder: Path, only: Sequence[str]) -> list[Path]:
    """The chosen notebooks, each once and in the order of the course; all if ``only`` is empty.

    Args:
        folder: of the notebooks.
        only: numbers ("02", "3b") or names ("02_ct_volume_prompting"). "03" does not name 03b.

    Raises:
        InputError: the folder holds no notebooks, or none with that number or name.
    """
    paths = [path.resolve() for path in find_notebooks(folder)]
    if not paths:
        raise InputError(
            "This folder holds no notebooks named NN_*.ipynb.",
            path=folder,
            remedy="Run the command in a checkout of the repository, or give the folder of the notebooks "
            "with --notebooks.",
        )
    chosen = set()
    for name in only:
        stem = Path(name).stem
        number = _NUMBER.fullmatch(stem)
        wanted = f"{int(number[1]):02}{number[2].lower()}" if number else None
        matches = [path for path in paths if stem == path.stem or wanted == notebook_number(path.stem)]
        if not matches:
            known = [path.stem for path in paths]
            remedy = f"{did_you_mean(stem, known)}Choose from {', '.join(known)}."
            raise InputError("There is no such notebook.", path=name, remedy=remedy)
        chosen.update(matches)
    return [path for path in paths if path in chosen or not only]
