"""Answers in Parquet come back as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.errors import InputError
from helpers.evaluation import Answer, read_shards
from helpers.evaluation.answer_shards import keep_only, read_set_aside, write_shard
from helpers.storage import Store


def answer(name: str, **changes: Any) -> Answer:
    about = {"kind": "ct", "group": "v", "condition": "", "model": "m", "transformers": "5", "torch": "2"}
    about |= {"id": name, "medgemma-tutorials": "0", "worker": "a", "began": 1.0, "ended": 2.0}
    if "error" in changes:
        return about | changes
    said = {"form": "box", "prompt": "h", "text": "…", "thinking": "", "parsed": [[0, 1, 2, 3]]}
    said |= dict.fromkeys(("engine", "p_yes", "yes_no_mass", "p_yes_direct", "yes_no_mass_direct"))
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "finished": True, "runaway": False, "seconds": 0.5}
    return about | said | counts | {"truth": [0, 1, 2, 4], "options": []} | changes


@pytest.mark.parametrize("where", ["folder", "file://folder", "memory://run"])
def test_answers_come_back_from_parquet_as_they_were(where: str, tmp_path: Path) -> None:
    output = where.replace("folder", str(tmp_path))
    chosen = answer("b", form="choice", parsed="A", truth="B", options=["A", "B"], p_yes=0.25)
    failed = answer("c", error="OSError: gone")
    sized = answer("n", form="number", parsed=12.5, truth=13.0, unit="mm", tolerance=0.5, low=0.0)
    write_shard(output, [answer("a"), chosen, failed, sized])
    assert read_shards(output) == [answer("a"), chosen, failed, sized]
    write_shard(output, [answer("c")])
    write_shard(output, [answer("a", error="later")])  # never in the place of an answer
    assert {a["id"]: "error" in a for a in read_shards(output)} == dict.fromkeys("abcn", False)
    older = pa.Table.from_pylist([answer("d") | {"parsed": "null", "truth": "1"}]).drop_columns("engine")
    pq.write_table(older, tmp_path / "older.parquet")  # as it was before answers named their engine
    Store(output).write("answers/part-older.parquet", (tmp_path / "older.parquet").read_bytes())
    assert {a["id"]: a["engine"] for a in read_shards(output)}["d"] is None
    Store(output).write("answers/part-0.parquet", b"PAR1 and no more")
    with pytest.raises(InputError, match=r"part-0.parquet.*does not hold answers"):
        read_shards(output)
    assert read_shards(f"{output}/none") == []


@pytest.mark.parametrize("where", ["folder", "memory://aside"])
def test_what_is_not_asked_any_more_is_set_aside(where: str, tmp_path: Path) -> None:
    output = where.replace("folder", str(tmp_path))
    a, b, c = (answer(name, key=f"key of {name}", question="Red?", state="s") for name in "abc")
    write_shard(output, [a, b])
    write_shard(output, [c, answer("d", error="OSError: gone")])
    renamed = {**a, "id": "z", "group": "w"}
    for _ in range(2):
        keep_only(output, [renamed, c])
        assert {one["id"]: one for one in read_shards(output)} == {"z": renamed, "c": c}
        assert read_set_aside(output) == [b]
    keep_only(output, [c])
    keep_only(output, [])
    assert read_shards(output) == []
    assert sorted(one["key"] for one in read_set_aside(output)) == ["key of a", "key of b", "key of c"]
