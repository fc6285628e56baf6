"""A folder to a table of vectors: bad files noted, a stopped run gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.embeddings import Embedder, embed, embed_folder, load_embedder, read_embeddings
from helpers.errors import InputError
from tests.embeddings.conftest import pictures


def test_a_folder_becomes_parquet_and_a_bad_file_is_noted(embedder, folder: Path, tmp_path: Path) -> None:
    table = embed_folder(embedder, folder, tmp_path / "table", kind="image", every=2)
    assert table.paths == [f"{k}.png" for k in range(5)]
    np.testing.assert_allclose(table.vectors, embed(embedder, pictures(5)).parts, rtol=1e-5)
    assert table.failed.keys() == {"2b.png"} and "not an image" in table.failed["2b.png"]
    frame = pd.read_parquet(tmp_path / "table")  # the folder, as others read it
    assert list(frame["path"]) == table.paths and list(frame["images"]) == [1] * 5
    np.testing.assert_array_equal(np.stack(frame["vector"]), table.vectors)


def test_a_run_that_was_stopped_goes_on(embedder, folder: Path, tmp_path: Path, monkeypatch) -> None:
    output, encode, stop_after, seen = tmp_path / "table", Embedder.encode, [3], []

    def stopping(self, images, batch_size=8):
        if len(seen) in stop_after:
            raise KeyboardInterrupt
        seen.append(images)
        return encode(self, images, batch_size)

    monkeypatch.setattr(Embedder, "encode", stopping)
    with pytest.raises(KeyboardInterrupt):
        embed_folder(embedder, folder, output, kind="image", every=2)
    (output / ".part-00009.parquet.1.partial").write_bytes(b"half")  # of a run that was killed while it wrote
    kept = {path.name: path.read_bytes() for path in output.glob("part-*")}
    assert len(read_embeddings(output).paths) == 3

    seen.clear()
    stop_after.clear()
    pictures(1, seed=3)[0].save(folder / "2b.png")  # put right
    pictures(1, seed=4)[0].save(folder / "9.png")  # and one more
    table = embed_folder(embedder, folder, output, kind="image", every=2)
    assert len(seen) == 4  # two more, the one put right, and the new one
    assert kept.items() <= {path.name: path.read_bytes() for path in output.glob("part-*")}.items()
    assert sorted(table.paths) == ["0.png", "1.png", "2.png", "2b.png", "3.png", "4.png", "9.png"]
    assert table.failed == json.loads((output / "_failed.json").read_text()) == {}


def test_a_table_of_something_else_is_not_added_to(embedder, siglip, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "table"
    embed_folder(embedder, folder, output, kind="image")
    with pytest.raises(InputError, match="made with model"):
        embed_folder(load_embedder(str(siglip), device="cpu"), folder, output, kind="image")
    with pytest.raises(InputError, match="made with limit None, not 5"):
        embed_folder(embedder, folder, output, kind="image", limit=5)
    pictures(1, side=32)[0].save(folder / "0.png")
    with pytest.raises(InputError, match=r"0\.png: This source was changed"):
        embed_folder(embedder, folder, output, kind="image")
    with pytest.raises(InputError, match="no table"):
        read_embeddings(tmp_path)


def test_a_table_is_not_that_of_another_folder_or_of_files_that_are_gone(embedder, folder, tmp_path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number, picture in enumerate(pictures(2, seed=9)):
        picture.save(other / f"{number}.png")
    embed_folder(embedder, folder, tmp_path / "table", kind="image")
    with pytest.raises(InputError, match=f"made with folder {folder.resolve()}, not {other.resolve()}"):
        embed_folder(embedder, other, tmp_path / "table", kind="image")
    (folder / "3.png").unlink()
    assert embed_folder(embedder, folder, tmp_path / "table", kind="image").paths == [
        "0.png",
        "1.png",
        "2.png",
        "4.png",
    ]
    some = embed_folder(embedder, folder, tmp_path / "table", kind="image", pattern="[12].png")
    assert some.paths == ["1.png", "2.png"]
    np.testing.assert_allclose(some.vectors, embed(embedder, pictures(5)).parts[[1, 2]], rtol=1e-5)
