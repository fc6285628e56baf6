"""Check a place for output before the work begins that fills it."""

from __future__ import annotations

import os
from pathlib import Path

from helpers.errors import InputError

LONGEST_NAME = 200  # bytes; disks allow 255, and temporary names are longer


def existing(path: str | os.PathLike[str]) -> Path:
    """The path itself if it exists, else the nearest folder above it that exists."""
    path = Path(path).absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def free_place(path: str | os.PathLike[str]) -> Path:
    """The path of a folder that does not exist yet and can be made.

    Raises `InputError` if something is at this path (a broken link counts), if no folder can have this path, or if
    the folder above cannot be written to.
    """
    path = Path(path)
    try:
        taken = os.path.lexists(path) or path.name in ("", "..")
        if max(len(os.fsencode(part)) for part in path.absolute().parts) > LONGEST_NAME:
            raise ValueError("a name of more than 200 bytes")
        if "\0" in str(path):
            raise ValueError("a null character in a name")
        above = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), path)
        above.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"No folder can be made at this path ({why}).", path=path, remedy="Choose another output folder."
        ) from error
    if taken:
        raise InputError("There is something here already.", path=path, remedy="Choose another output folder.")
    if not above.is_dir():
        raise InputError(
            f"{above} is a file, so no folder can be made inside it.",
            path=path,
            remedy="Choose another output folder.",
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(
            f"This program cannot write into the folder {above}.",
            path=path,
            remedy="Choose another output folder.",
        )
    return path
