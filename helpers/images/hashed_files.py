"""Keep the hashes of files at one moment, so that no other file is read, checked or sent in their place."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.volumes import find_dicom_files

WHOLE = 64_000_000  # bytes of all files of a source; up to this sum, each file is hashed completely
ENDS = 1 << 16  # bytes at both ends that are hashed of larger sources: the header, and the end of the pixels
OFTEN = 0.1  # seconds; if a check of all files takes longer, the next one waits ten times as long
_AGAIN = "Read the images and load the model again, so that the headers of these very files are checked."


class HashedFiles:
    """The files of a source and the hash of each, as they are when this is made.

    Args:
        source: a file, or a folder of a series with everything below it.

    Raises:
        InputError: no such file, or a folder without DICOM files.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self.path = os.fspath(source)
        stamps = {file: _stamp(file) for file in find_dicom_files(source)}
        self._whole = sum(stamp[0] for stamp in stamps.values()) <= WHOLE
        self._seen = {file: (stamp, self._hash(file)) for file, stamp in stamps.items()}

    @property
    def files(self) -> list[Path]:
        """Paths of the files."""
        return list(self._seen)

    def check_unchanged(self) -> None:
        """Raise `InputError` if a file is missing, has changed, or is new.

        If a file was only touched, it passes if it was hashed completely. Otherwise it counts as changed.
        """
        for file in find_dicom_files(self.path):
            stamp, seen = self._seen.get(file, (None, ""))
            now = _stamp(file)
            if stamp == now:
                continue
            if not self._whole or seen != self._hash(file):
                what = "was changed after it was read" if stamp else "came after the others were read"
                raise InputError(f"Not sent: the file {what}.", path=file, remedy=_AGAIN)
            self._seen[file] = now, seen

    def _hash(self, file: Path) -> str:
        with file.open("rb") as stream:
            if self._whole:
                return hashlib.file_digest(stream, "sha256").hexdigest()
            ends = stream.read(ENDS)
            stream.seek(max(0, file.stat().st_size - ENDS))
            return hashlib.sha256(ends + stream.read(ENDS)).hexdigest()


def check_all_unchanged(sources: Iterable[Any], looked: dict[str, float]) -> None:
    """Raise `InputError` as `HashedFiles.check_unchanged` for any of the ``sources`` that are such files.

    ``looked`` keeps the time of the next check. With very many files, checks take at most a tenth of the time.
    """
    began = time.monotonic()
    if began < looked.get("again", 0.0):
        return
    for source in sources:
        if isinstance(source, HashedFiles):
            source.check_unchanged()
    took = time.monotonic() - began
    looked["again"] = began + (10 * took if took > OFTEN else 0.0)


def _stamp(file: Path) -> tuple[int, ...]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
