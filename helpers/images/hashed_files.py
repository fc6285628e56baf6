"""Files as they were at one moment, by their hash: so that none is read, checked or sent in another's place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from helpers.errors import InputError
from helpers.volumes import find_dicom_files

_AGAIN = "Read the images and load the model again, so that the headers of these very files are checked."


class HashedFiles:
    """The files of a source and the SHA-256 of each, as they are when this is made.

    Args:
        source: a file, or a folder of a series with everything below it.

    Raises:
        InputError: no such file, or a folder without DICOM files.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self.path = os.fspath(source)
        self._seen = {file: (_stamp(file), _sha256(file)) for file in find_dicom_files(source)}

    @property
    def files(self) -> list[Path]:
        """Paths of the files."""
        return list(self._seen)

    def check_unchanged(self) -> None:
        """Raise `InputError` where a file is gone, has another content, or has come since."""
        for file in find_dicom_files(self.path):
            stamp, sha256 = self._seen.get(file, (None, ""))
            now = _stamp(file)
            if stamp == now:
                continue
            if sha256 != _sha256(file):
                what = "was changed after it was read" if stamp else "came after the others were read"
                raise InputError(f"Not sent: the file {what}.", path=file, remedy=_AGAIN)
            self._seen[file] = now, sha256  # copied or touched, with the same content


def _stamp(file: Path) -> tuple[int, ...]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
