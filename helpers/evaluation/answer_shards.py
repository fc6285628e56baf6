"""Answers in Parquet, one whole file for each group of cases, in a folder or bucket that fsspec can reach.

Many workers write at the same time and none waits for another: each group has a file of its own, which appears
whole or not at all. What a file holds never depends on who wrote it or how often, so a group that was asked again
after a worker died takes the place of itself. ``pandas.read_parquet`` reads all files as one table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from helpers.errors import InputError
from helpers.storage import Store, filesystem, load_pyarrow

if TYPE_CHECKING:
    from helpers.evaluation.scores import Answer

FOLDER = "answers"  # of the files, in the folder of a run
READ_AT_ONCE = 500  # files; one request each, sent together where the file system can
ABOUT = ("id", "kind", "group", "condition", "model", "medgemma-tutorials", "transformers", "torch")
AS_JSON = ("parsed", "truth")  # an option, a sentence, or boxes: no single type of Parquet holds them all
WORDS = (*ABOUT, "engine", "form", "prompt", "text", "thinking", *AS_JSON, "error", "worker")
NUMBERS = {"p_yes": "float64", "seconds": "float64", "began": "float64", "ended": "float64"}
NUMBERS |= {"prompt_tokens": "int64", "completion_tokens": "int64", "finished": "bool_"}


def write_shard(output: str, answers: Sequence[Answer]) -> str:
    """Write the answers of one group into the run's folder ``output`` and return the file's path.

    Besides what `helpers.evaluation` keeps of a case, an answer names its ``worker`` and when the group ``began``
    and ``ended`` (seconds since 1970).
    """
    pyarrow = load_pyarrow("ray")
    rows = [answer | {name: json.dumps(answer[name]) for name in AS_JSON if name in answer} for answer in answers]
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=_schema(pyarrow)), buffer)
    ids = "\n".join(sorted(answer["id"] for answer in answers))
    name = f"{FOLDER}/part-{hashlib.sha256(ids.encode()).hexdigest()[:20]}.parquet"
    Store(output).write(name, buffer.getvalue().to_pybytes())
    return f"{output}/{name}"


def read_shards(output: str) -> list[Answer]:
    """The answers in the folder of a run, one of each case: an answer where there is one, else its error.

    None if there is no file yet. Raises `InputError` for a file that does not hold answers.
    """
    answers: dict[str, Answer] = {}
    for answer in _rows(output):
        if "error" in answers.get(answer["id"], {"error": ""}):
            answers[answer["id"]] = answer
    return list(answers.values())


def _rows(output: str) -> Iterator[Answer]:
    files, root = filesystem(f"{output}/{FOLDER}")
    files.invalidate_cache()  # another process has written
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
            names = (*ABOUT, "error", "worker", "began", "ended") if failed else row.keys() - {"error"}
            yield {name: json.loads(row[name]) if name in AS_JSON else row[name] for name in names}
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise InputError(
            f"This file does not hold answers ({error}).",
            path=path,
            remedy="Delete it; its cases are then asked again.",
        ) from error


def _schema(pyarrow: Any) -> Any:
    fields = [(name, pyarrow.string()) for name in WORDS]
    fields += [(name, getattr(pyarrow, kind)()) for name, kind in NUMBERS.items()]
    return pyarrow.schema([*fields, ("options", pyarrow.list_(pyarrow.string()))])
