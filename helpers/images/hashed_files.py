"""Keep the hashes of files at one moment, so that no other file is read, checked or sent in their place."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.storage import file_sha256
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
        InputError: no such file, a folder without DICOM files, or a file that cannot be read.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self.path = os.fspath(source)
        try:
            stamps = {file: _stamp(file) for file in find_dicom_files(source)}
            self._whole = sum(stamp[0] for stamp in stamps.values()) <= WHOLE
            self._seen = {file: (stamp, self._hash(file)) for file, stamp in stamps.items()}
        except OSError as error:
            problem = f"A file cannot be read ({error.strerror or error})."
            raise InputError(problem, path=error.filename or self.path, remedy="Check its permissions.") from None

    @property
    def files(self) -> list[Path]:
        """Paths of the files."""
        return list(self._seen)

    def check_unchanged(self) -> None:
        """Raise `InputError` if a file or the folder is missing, if a file has changed, or if a file is new.

        If a file was only touched, it passes if it was hashed completely. Otherwise it counts as changed. The same
        holds for a link that was put in a file's place and leads to the same content.
        """
        for file, (stamp, seen) in list(self._seen.items()):
            try:
                now = _stamp(file)
                same = stamp == now or (self._whole and seen == self._hash(file))
            except OSError:
                raise _not_sent("is gone, or can no longer be read", file) from None
            if not same:
                raise _not_sent("was changed after it was read", file)
            self._seen[file] = now, seen
        for file in find_dicom_files(self.path):
            if file not in self._seen:
                raise _not_sent("came after the others were read", file)

    def _hash(self, file: Path) -> str:
        if self._whole:
            return file_sha256(file)
        with file.open("rb") as stream:
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
    if not stat.S_ISREG(found.st_mode):
        raise OSError("not a file")  # opening a pipe in a file's place would wait for ever
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _not_sent(what: str, file: Path) -> InputError:
    return InputError(f"Not sent: the file {what}.", path=file, remedy=_AGAIN)
