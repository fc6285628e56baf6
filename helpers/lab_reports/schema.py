"""The fields of a row, as a pydantic model: the project's own, or one made from a JSON Schema file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from helpers.errors import InputError, did_you_mean
from helpers.prompts import LAB_REPORT_QUESTION

OWN_SCHEMA = "lab-report"  # this name stands for `LabRow` where a schema file is expected
BEFORE, BEHIND = ("file", "page", "row"), ("mended", "cut")  # columns before and behind the fields of a row
_TYPES = {"string": str, "number": float, "integer": int, "boolean": bool}
_OF_FIELD = {"type", "description", "enum", "title", "default", "examples"}
_MAX_FIELDS = 40


class LabRow(BaseModel):
    """One test of a laboratory report. Each field is as printed, and empty if nothing is printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    test: str = Field(description="name of the test, as printed")
    value: str = Field("", description='result as printed, with "<" or ">" where it is a limit')
    unit: str = Field("", description="unit of the result")
    range: str = Field("", description="reference range as printed")
    flag: str = Field("", description="mark of an abnormal result, empty where there is none")


FIELDS = tuple(LabRow.model_fields)


def lab_question(schema: type[BaseModel] = LabRow, question: str = "") -> str:
    """The question of the MedGemma 1.5 report (Table 11), or your own, with the fields of ``schema``."""
    listed = ", ".join(
        f"{name} ({field.description})" if field.description else name
        for name, field in schema.model_fields.items()
    )
    if question:
        return f"{question.strip()}\nEach object in the JSON list must include: {listed}"
    return LAB_REPORT_QUESTION.format(fields=listed)


def read_schema(name: str | os.PathLike[str]) -> type[BaseModel]:
    """The model of a row: `LabRow` for "lab-report", else one made from a JSON Schema file.

    The file holds the schema of one row, ``{"type": "object", "properties": {...}}``, or of a list of rows. The
    first field is a text that names the row, and every row must have it. A row may lack the other fields, whatever
    "required" says. A field is a string, number, integer or boolean, and may have a ``description`` and an
    ``enum``.

    Raises:
        InputError: there is no such file, it is not JSON, or its schema has anything else, such as a field with
            fields.
    """
    if str(name) == OWN_SCHEMA:
        return LabRow
    path = Path(name)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError:
        raise InputError(
            "There is no such schema file.",
            path=path,
            remedy=f"{did_you_mean(str(name), [OWN_SCHEMA])}Give a JSON Schema file, or {OWN_SCHEMA}.",
        ) from None
    except ValueError as error:
        raise InputError(f"This is not JSON ({error}).", path=path, remedy="Give a JSON Schema file.") from None
    row = content.get("items") if isinstance(content, dict) and content.get("type") == "array" else content
    properties = row.get("properties") if isinstance(row, dict) else None
    if not isinstance(properties, dict) or not properties or len(properties) > _MAX_FIELDS:
        raise InputError(
            f'The schema must name fields in "properties", at most {_MAX_FIELDS}.',
            path=path,
            remedy='Write {"type": "object", "properties": {"test": {"type": "string"}, ...}}.',
        )
    if taken := sorted({*BEFORE, *BEHIND}.intersection(properties)):
        raise InputError(
            f"The name {taken[0]!r} is already that of a column of the table.",
            path=path,
            remedy="Give the field another name.",
        )
    fields = {name: _field(name, about, path) for name, about in properties.items()}
    first = next(iter(fields))
    if properties[first].get("type", "string") != "string" or properties[first].get("enum"):
        raise InputError(
            f"The first field, {first!r}, is not a text, but it has to name the row.",
            path=path,
            remedy="Put a field for the name first, as a string without enum.",
        )
    fields[first] = (str, Field(description=fields[first][1].description))
    return create_model("Row", __config__=ConfigDict(extra="forbid", frozen=True), **fields)


def _field(name: str, about: Any, path: Path) -> tuple[Any, Any]:
    """One field of a schema for `create_model`: its type or None, and its description."""
    kinds = about.get("type", "string") if isinstance(about, dict) else None
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds or []) if kind != "null"]
    unknown = sorted(set(about) - _OF_FIELD) if isinstance(about, dict) else []
    bad_name = not name.isidentifier() or name.startswith(("_", "model_")) or hasattr(BaseModel, name)
    if bad_name or unknown or len(kinds) != 1 or kinds[0] not in _TYPES:
        what = f"it has {', '.join(unknown)}" if unknown else f"it is {about!r}"
        what = "its name is taken, or is not one plain word" if bad_name else what
        raise InputError(
            f"The field {name!r} is not possible: {what}.",
            path=path,
            remedy="A field has a plain name such as test or taken_at, and is a string, number, integer "
            "or boolean, with description and enum if wanted.",
        )
    kind: Any = _TYPES[kinds[0]]
    options = about.get("enum")
    if options:
        if kind is not str or not all(isinstance(option, str) for option in options):
            raise InputError(
                f"The options of {name!r} are not texts.", path=path, remedy="Give a list of strings."
            )
        kind = Literal[tuple(options)]
    listed = f"one of {', '.join(map(repr, options))}" if options else ""
    said = "; ".join(filter(None, [about.get("description"), listed]))
    return kind | None, Field(None, description=said or None)
