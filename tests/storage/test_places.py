"""What can be known of a place before the work begins that fills it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.storage import free_place


def test_a_place_is_free_where_a_folder_can_be_made(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    assert (
        free_place("new") == Path("new") and free_place(tmp_path / "a" / "b" / "é") == tmp_path / "a" / "b" / "é"
    )
    for taken in ("file", "link", "", ".", "..", "new/..", "/"):
        with pytest.raises(InputError, match="something here already"):
            free_place(taken)
    for bad, said in (("file/new", "is a file"), ("a\0b", "null"), ("a" * 300, "200"), ("a" * 300 + "/b", "200")):
        with pytest.raises(InputError, match=said) as caught:
            free_place(bad)
        assert caught.value.remedy
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="cannot write into the folder"):
        free_place("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]
