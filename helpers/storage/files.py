"""Write files so that nobody takes a half-written file for a complete one."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.errors import InputError


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; rename it to ``path`` only on success.

    On an error the temporary file is removed and a file already at ``path`` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The temporary name is unique, because two runs, even on two machines with a shared disk, may write the same
    # file.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty temporary folder beside ``path`` to fill; rename it to ``path`` only on success.

    On success, whatever was at ``path`` before is removed, so the caller must check that it may be removed. On an
    error it stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f".{path.name}.{uuid.uuid4().hex}"
    partial, old = (path.with_name(f"{name}.{kind}partial") for kind in ("", "old."))
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Write ``content`` as indented UTF-8 JSON, completely or not at all, and return the path."""
    path = Path(path)
    with whole_file(path) as partial:
        partial.write_text(json_text(content, indent=2) + "\n", encoding="utf-8")
    return path


def json_text(content: Any, **settings: Any) -> str:
    """``content`` as JSON. NaN and infinity become null, because JSON has no word for them and most readers refuse
    them.

    Other ``settings`` are those of `json.dumps`.
    """
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, **settings)
    except ValueError:
        return json.dumps(_numbers_or_none(content), ensure_ascii=False, allow_nan=False, **settings)


def _numbers_or_none(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _numbers_or_none(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_numbers_or_none(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, which is created if it does not exist. Raises `InputError` if it cannot be created."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            "A folder cannot be made at this path, because a file is there.",
            path=folder,
            remedy="Choose another folder.",
        ) from error
    except (OSError, ValueError) as error:  # e.g. no permission, a full or read-only disk, or an impossible name
        raise InputError(
            f"The folder cannot be created ({error}).", path=folder, remedy="Choose another folder."
        ) from error
    return folder
