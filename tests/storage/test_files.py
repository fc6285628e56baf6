"""Files that are whole, and JSON that every reader takes."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.storage import json_text, write_json


def strictly(text: str) -> object:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_numbers_that_are_none_become_null_and_all_else_stays(tmp_path: Path) -> None:
    nan = float("nan")
    content = {"a": nan, "b": [1, -float("inf"), {"c": (nan, 2.5)}], "d": "NaN", "e": True}
    wanted = {"a": None, "b": [1, None, {"c": [None, 2.5]}], "d": "NaN", "e": True}
    assert strictly(json_text(content)) == wanted
    assert strictly(write_json(tmp_path / "x.json", content).read_text("utf-8")) == wanted
    assert json_text({"é": 1}) == '{"é": 1}'
