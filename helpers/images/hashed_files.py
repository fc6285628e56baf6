"""Files as they were at one moment, by their hash: so that none is read, checked or sent in another's place."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.volumes import find_dicom_files

WHOLE = 64_000_000  # bytes of all files of a source, up to which each is hashed from its first byte to its last
ENDS = 1 << 16  # of larger ones so many bytes at both ends: the header, and the end of the pixels
OFTEN = 0.1  # seconds; a look at all files that takes longer is repeated only after ten times as long
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
        """Raise `InputError` where a file is gone, has another content, or has come since.

        A file that was only touched passes where it was hashed as a whole, and counts as changed where it was not.
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

    ``looked`` keeps when to look again: where there are very many files, a look takes at most a tenth of the time.
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
