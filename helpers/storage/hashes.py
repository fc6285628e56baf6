"""Tell by its hash whether a file is the one that is meant."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal. Raises `OSError` if it cannot be read."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
