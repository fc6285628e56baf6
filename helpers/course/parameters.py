"""Read the parameters that a notebook declares, and check the values that a run gives it."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from helpers.errors import InputError, did_you_mean
from helpers.models import RECORDED_PREFIX, recorded_folder


def declared_parameters(path: Path) -> dict[str, Any]:
    """Names and defaults in the cell tagged ``parameters``. A default that is not a literal stays source text.

    Raises:
        InputError: the file is not a notebook, or that cell no Python.
    """
    try:
        cells = nbformat.read(path, as_version=4).cells
        source = next((c.source for c in cells if "parameters" in c.metadata.get("tags", [])), "")
        statements = ast.parse(source).body
    except Exception as error:  # nbformat raises many kinds of errors
        raise InputError(
            f"The notebook or its parameters cell cannot be read ({error}).",
            path=path,
            remedy="Open it in JupyterLab and save it again, or restore it with git.",
        ) from error
    declared = {}
    for statement in statements:
        targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                try:
                    declared[target.id] = ast.literal_eval(value)
                except ValueError:
                    declared[target.id] = ast.unparse(value)
    return declared


def given_parameters(
    model: str | None, parameters: Mapping[str, Any], declared: Mapping[Path, Mapping[str, Any]]
) -> dict[str, Any]:
    """MODEL and the further parameters as one, paths made absolute: a kernel works in the notebooks' folder.

    Args:
        model: value of MODEL, or None to leave each notebook its own.
        parameters: further names and values.
        declared: what each notebook of the run declares (`declared_parameters`).

    Raises:
        InputError: OUTPUT_DIR was given, which the runner sets; two models were given; or no notebook has a
            parameter of this name.
    """
    if "OUTPUT_DIR" in parameters:
        raise InputError("The command sets this parameter itself.", path="OUTPUT_DIR", remedy="Use --output DIR.")
    given = dict(parameters)
    if model is not None:
        if given.get("MODEL", model) != model:
            raise InputError("You gave two models.", path="MODEL", remedy="Give the model only with --model.")
        given["MODEL"] = model
    for name, value in given.items():
        if not any(name in names for names in declared.values()):
            known = sorted({parameter for names in declared.values() for parameter in names} - {"OUTPUT_DIR"})
            raise InputError(
                f"No notebook of this run ({', '.join(path.stem for path in declared)}) has this parameter.",
                path=name,
                remedy=f"{did_you_mean(name, known)}Their parameters are {', '.join(known) or 'none'}.",
            )
        if isinstance(value, str) and value.startswith(RECORDED_PREFIX):
            given[name] = f"{RECORDED_PREFIX}{recorded_folder(value).resolve()}"
        elif _is_path(value):
            given[name] = str(Path(value).expanduser().resolve())
    return given


def typed_value(text: str) -> int | float | bool | str | None:
    """A command-line text as the number, truth value or None that it spells, otherwise as it is.

    Quotes keep a text that looks like a number: ``"'02'"`` gives ``"02"``.
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if value is None or isinstance(value, int | float | str) else text


def _is_path(value: Any) -> bool:
    """Whether a text is an existing path. A plain name counts as a manifest entry or a model."""
    if not isinstance(value, str) or not (value.startswith((".", "~")) or "/" in value or os.sep in value):
        return False
    return Path(value).expanduser().exists()
