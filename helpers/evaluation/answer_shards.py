"""Keep answers in Parquet, one file for each group of cases, in a folder or bucket that fsspec can reach.

Many workers write at the same time, and none waits for another, because each group has a file of its own. A file
appears complete or not at all. Its content does not depend on the worker that wrote it, so if a group is asked
again after a worker died, the new file replaces the old one. ``pandas.read_parquet`` reads all files as one table.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from helpers.errors import InputError
from helpers.evaluation.answer_file import ANSWERS, read_answers
from helpers.storage import Store, filesystem, load_pyarrow

if TYPE_CHECKING:
    from helpers.evaluation.marks import Answer

FOLDER = "answers"  # the subfolder of a run with these files
SET_ASIDE = "set_aside"  # for answers to questions that are no longer asked
READ_AT_ONCE = 500  # files; their requests are sent together if the file system can
ABOUT = ("id", "kind", "group", "condition", "model", "medgemma-tutorials", "transformers", "torch")
AS_JSON = ("parsed", "truth")  # no single type of Parquet holds options, numbers and boxes
LIMITS = ("tolerance", "low", "high")
OF_QUESTION = ("question", "path", "state", "key", "unit")
WHERE_KNOWN = (*OF_QUESTION, *LIMITS)  # only answers whose cases have these have them
WORDS = (*ABOUT, *OF_QUESTION, "engine", "form", "prompt", "text", "thinking", *AS_JSON, "error", "worker")
LIKELIHOODS = ("p_yes", "yes_no_mass", "p_yes_direct", "yes_no_mass_direct")
NUMBERS = dict.fromkeys((*LIKELIHOODS, *LIMITS, "seconds", "began", "ended"), "float64")
NUMBERS |= {"prompt_tokens": "int64", "completion_tokens": "int64", "finished": "bool_", "runaway": "bool_"}


def write_shard(output: str, answers: Sequence[Answer], folder: str = FOLDER) -> str:
    """Write the answers of one group into ``folder`` of the run's folder ``output`` and return the file's path.

    Besides what `helpers.evaluation` keeps of a case, an answer names its ``worker`` and when the group ``began``
    and ``ended`` (seconds since 1970).
    """
    pyarrow = load_pyarrow("ray")
    rows = [answer | {name: json.dumps(answer[name]) for name in AS_JSON if name in answer} for answer in answers]
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=_schema(pyarrow)), buffer)
    ids = "\n".join(sorted(answer["id"] if folder == FOLDER else answer["key"] for answer in answers))
    name = f"{folder}/part-{hashlib.sha256(ids.encode()).hexdigest()[:20]}.parquet"
    Store(output).write(name, buffer.getvalue().to_pybytes())
    return f"{output}/{name}"


def read_shards(output: str) -> list[Answer]:
    """The answers in the folder of a run, one for each case, or its error if it has no answer.

    None if there is no file yet. Raises `InputError` for a file that does not hold answers.
    """
    answers: dict[str, Answer] = {}
    for answer in _rows(output):
        if "error" in answers.get(answer["id"], {"error": ""}):
            answers[answer["id"]] = answer
    return list(answers.values())


def read_run(output: str | os.PathLike[str]) -> list[Answer]:
    """The answers in the folder of a run, with or without Ray, one for each case.

    Raises `InputError` as `read_answers` and `read_shards` do.
    """
    address = os.fspath(output)
    file = Path(address) / ANSWERS
    if "://" in address or (not file.exists() and (Path(address) / FOLDER).is_dir()):
        return read_shards(address)
    return read_answers(file)


def read_set_aside(output: str) -> list[Answer]:
    """All answers that were set aside, also several of one case."""
    return list(_rows(output, SET_ASIDE))


def keep_only(output: str, kept: Sequence[Answer]) -> None:
    """Keep these answers in the folder of a run, set all others aside, and remove errors.

    Even if the process is killed, no answer is lost. If nothing changes, nothing is written.
    """
    before = read_shards(output)
    here = {answer["id"]: answer for answer in before if "error" not in answer}
    if {answer["id"]: answer for answer in kept} == here:
        return
    keys = {answer["key"] for answer in kept}
    if lost := [answer for answer in here.values() if "key" in answer and answer["key"] not in keys]:
        write_shard(output, lost, SET_ASIDE)
    left = {PurePosixPath(write_shard(output, kept)).name} if kept else set()
    store = Store(output)
    store.remove(f"{FOLDER}/{name}" for name in store.names(FOLDER) - left if name.startswith("part-"))


def _rows(output: str, folder: str = FOLDER) -> Iterator[Answer]:
    files, root = filesystem(f"{output}/{folder}")
    files.invalidate_cache()  # another process may have written files
    paths = sorted(files.glob(f"{root}/part-*.parquet"))
    for start in range(0, len(paths), READ_AT_ONCE):
        contents = files.cat(paths[start : start + READ_AT_ONCE])
        for path in sorted(contents):
            yield from _answers(path, contents[path])


def _answers(path: str, content: bytes) -> Iterator[Answer]:
    pyarrow = load_pyarrow("ray")
    try:
        rows = pyarrow.parquet.read_table(pyarrow.BufferReader(content), schema=_schema(pyarrow)).to_pylist()
        for row in rows:
            failed = row["error"] is not None
            names = (
                (*ABOUT, *OF_QUESTION, "error", "worker", "began", "ended") if failed else row.keys() - {"error"}
            )
            kept = [name for name in names if name not in WHERE_KNOWN or row[name] is not None]
            yield {name: json.loads(row[name]) if name in AS_JSON else row[name] for name in kept}
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise InputError(
            f"This file does not hold answers ({error}).",
            path=path,
            remedy="Delete the file and run again: the run then asks its cases again.",
        ) from error


def _schema(pyarrow: Any) -> Any:
    fields = [(name, pyarrow.string()) for name in WORDS]
    fields += [(name, getattr(pyarrow, kind)()) for name, kind in NUMBERS.items()]
    return pyarrow.schema([*fields, ("options", pyarrow.list_(pyarrow.string()))])
