"""Check the values of options before anything is loaded, with one check for an option of several commands."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers import models
from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.prompts import check_max_new_tokens
from helpers.storage import existing

MAY_BE_EMPTY = {"question", "may_leave", "ray"}  # the question is checked when it is asked


def check(options: argparse.Namespace) -> None:
    """Raise `InputError` for the first value that no command can use; loads neither torch nor a model."""
    given = {name: value for name, value in vars(options).items() if value is not None}
    for name, value in given.items():
        _check_not_empty(name, value)
    for name, checked in CHECKS.items():
        if name in given:
            checked(given[name])


def check_model(name: str) -> None:
    """Raise `InputError` for a name that cannot be a model, and for a folder without a model or a recording."""
    if name.startswith(models.RECORDED_PREFIX):
        models.read_recording(models.recorded_folder(name))
    elif not name.startswith(ENDPOINT_PREFIX):
        models.check_name(name)


def check_folder(path: str, option: str = "--output") -> None:
    """Raise `InputError` for an output folder that cannot be written into. Addresses are not checked here."""
    if "://" in path:
        return
    try:
        above = existing(path)
        here = "This" if above == Path(path).absolute() else str(above)
        problem = None if above.is_dir() else f"{here} is a file, so no folder can be made at this path."
        if problem is None and not os.access(above, os.W_OK | os.X_OK):
            problem = f"This program cannot write into the folder {above}."
    except (OSError, ValueError) as error:
        problem = f"No folder can be made at this path ({getattr(error, 'strerror', None) or error})."
    if problem:
        raise InputError(problem, path=path, remedy=f"Choose another folder with {option}.")


def _check_not_empty(name: str, given: Any) -> None:
    """Raise `InputError` for an empty value: as a path it would be the current folder."""
    values = given if isinstance(given, list) else [given]
    if name not in MAY_BE_EMPTY and any(isinstance(value, str) and not value.strip() for value in values):
        raise InputError(
            f"The value of {name} is empty.",
            remedy="Give a value. If you wrote a shell variable, check that it is set.",
        )


def _check_config(path: str) -> None:
    if not os.path.isfile(path):  # noqa: PTH113 - Path's raises for some texts
        raise InputError(
            "This settings file does not exist.",
            path=path,
            remedy="To write a file to start from, run: medgemma-tutorials finetune --init FILE",
        )


def _check_offset(offset: float) -> None:
    if not math.isfinite(offset):
        raise InputError(
            f"The offset {offset} is not a number that can be added to values.",
            remedy="Give --offset a number, e.g. -1024.",
        )


# The readers of files check the other numbers, before a model is loaded. The checks of ``models`` are looked up
# when they are called, so that a help text does not load them.
CHECKS: dict[str, Callable[[Any], None]] = {
    "config": _check_config,
    "context": lambda tokens: models.check_context(tokens),
    "max_new_tokens": check_max_new_tokens,
    "vision_batch": lambda size: models.check_batch(size),
    "offset": _check_offset,
    "adapter": lambda folder: models.read_adapter(folder),
}
