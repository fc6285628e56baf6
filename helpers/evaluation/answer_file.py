"""The folder of a run: it belongs to one run at a time, and ``answers.jsonl`` gets each answer as a line."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO

from filelock import FileLock, Timeout

from helpers.errors import InputError
from helpers.storage import json_text, make_folder, whole_file

if TYPE_CHECKING:  # the libraries that score answers are not needed to read them
    from helpers.evaluation.marks import Answer

ANSWERS = "answers.jsonl"
SET_ASIDE = "set_aside.jsonl"  # answers to questions that are no longer asked; they return if the question does
LOCK = ".lock"
KEPT = "Then run the same command again: it keeps the answers that are there."


def check_output(output: str | os.PathLike[str]) -> Path:
    """The folder of a run, which is created if it does not exist.

    Raises `InputError` if it cannot be written to.
    """
    with explained(output):
        folder = make_folder(output)
        with TemporaryFile(dir=folder) as stream:
            stream.write(b"-")
    return folder


@contextmanager
def explained(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an error of writing into a folder (full, read-only, gone) into an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The answers cannot be written ({error.strerror or error}).",
            path=folder,
            remedy=f"Free some space, or choose a folder that you may write to. {KEPT}",
        ) from error


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the folder of a run; raises `InputError` while another run holds it.

    The operating system holds the lock and frees it when the process ends, even after a crash. The file ``.lock``
    stays.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    with explained(folder):
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                "Another run is writing into this folder.",
                path=folder,
                remedy="Wait until the other run ends, or choose another output folder.",
            ) from error
    try:
        yield
    finally:
        lock.release()


def read_answers(path: str | os.PathLike[str], *, repair: bool = False) -> list[Answer]:
    """The answers in a file, the last answer of each case; None if there is no file yet.

    A run that was killed while it wrote leaves a last line without an end. This line is ignored, and with
    ``repair`` it is removed. Raises `InputError` for any other line that is not an answer.
    """
    return list({answer["id"]: answer for answer in _lines(Path(path), repair)}.values())


def _lines(path: Path, repair: bool) -> Iterator[Answer]:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if repair and whole < len(content):
        os.truncate(path, whole)
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            answer = json.loads(line)
            if not (isinstance(answer["id"], str) and isinstance(answer["model"], str)):
                raise TypeError("the names must be texts")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"Line {number} is not an answer.",
                path=path,
                remedy="Delete that line and run again: the run then asks its case again.",
            ) from error
        yield answer


def read_set_aside(folder: Path) -> list[Answer]:
    """All answers that were set aside, also several of one case."""
    return list(_lines(folder / SET_ASIDE, repair=True))


def keep_only(folder: Path, before: Sequence[Answer], kept: Sequence[Answer], ids: Collection[str]) -> None:
    """Reduce ``answers.jsonl`` from ``before`` to the ``kept`` answers and the errors of ``ids``.

    All other answers are set aside.

    Even if the process is killed, no answer is lost, because an answer is in the one file before it leaves the
    other.
    """
    keys = {answer["key"] for answer in kept}
    lost = [answer for answer in before if "error" not in answer and answer.get("key") not in keys]
    known = {answer["id"] for answer in kept}
    errors = [a for a in before if "error" in a and a["id"] in ids and a["id"] not in known]
    if {answer["id"]: answer for answer in [*kept, *errors]} == {answer["id"]: answer for answer in before}:
        return
    with explained(folder):
        if lost:
            aside = {json.dumps(answer, sort_keys=True) for answer in read_set_aside(folder)}
            with (folder / SET_ASIDE).open("ab") as stream:
                for answer in lost:
                    if json.dumps(answer, sort_keys=True) not in aside:
                        write_answer(stream, answer)
        with whole_file(folder / ANSWERS) as partial, partial.open("wb") as stream:
            stream.writelines(map(_line, [*kept, *errors]))
            stream.flush()
            os.fsync(stream.fileno())


def write_answer(stream: BinaryIO, answer: Answer) -> None:
    """Append an answer. It is stored on the disk when this function returns."""
    stream.write(_line(answer))
    stream.flush()
    os.fsync(stream.fileno())


def _line(answer: Any) -> bytes:
    # A server may send half of a surrogate pair, which is written as its escape.
    return json_text(answer).encode(errors="backslashreplace") + b"\n"
