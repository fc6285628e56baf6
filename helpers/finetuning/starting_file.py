"""Write a settings file to start from: every setting with its default, and its docstring as a comment."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.finetuning.config import FinetuneConfig
from helpers.finetuning.tuning import Tuning

HEAD = """\
# A fine-tuning run: medgemma-tutorials finetune --config FILE
# On several GPUs: accelerate launch --num_processes 4 $(which medgemma-tutorials) finetune --config FILE
# Paths are taken from the folder that the command is run in.
"""
EXAMPLES = {  # of settings without a default; the stand-in can run them
    "train": [
        '{ cases: "teaching:ct-staining", n: 96, seed: 0 } # or { cases: my_table.csv }',
        '{ cases: "teaching:ct", n: 8, seed: 0 }',
        '{ cases: "teaching:mri", n: 8, seed: 0 }',
        '{ cases: "teaching:image", n: 16, seed: 0 }',
    ],
    "validation": ['{ cases: "teaching:ct-staining", n: 16, seed: 900000 }'],
    "output": "outputs/adapter",
}


def write_starting_file(path: str | Path) -> Path:
    """Write the file, which can be used unchanged, and return its path; raises `InputError` if the path exists."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(starting_text())
    except FileExistsError as error:
        raise InputError("There is something here already.", path=path, remedy="Choose another name.") from error
    except OSError as error:
        raise InputError(
            f"The settings file cannot be written ({error}).", path=path, remedy="Choose another folder."
        ) from error
    return path


def starting_text() -> str:
    """The file's text."""
    parts = [HEAD]
    for name, field in FinetuneConfig.model_fields.items():
        if name == "tuning":
            parts.append(f"{_comment(field.description)}{_tuning()}")
            continue
        value = EXAMPLES.get(name, field.default)
        written = "".join(f"\n  - {one}" for one in value) if isinstance(value, list) else f" {_text(value)}"
        parts.append(f"{_comment(field.description)}{name}:{written}\n")
    return "\n".join(parts)


def _tuning() -> str:
    """All settings except the recipe, as comments, because any other line would override the recipe."""
    hint = "The recipe gives the defaults below. Take the # from before a name to set it yourself."
    parts = [f"tuning:\n{_comment(hint, '  ')}"]
    for name, field in Tuning.__pydantic_fields__.items():
        sign = "" if name == "recipe" else "# "
        parts.append(f"{_comment(field.description, '  ')}  {sign}{name}: {_text(field.default)}\n")
    return "\n".join(parts)


def _comment(text: str | None, indent: str = "") -> str:
    return (
        textwrap.fill(
            " ".join((text or "").split()), 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        + "\n"
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
