"""Embed a folder of any number of volumes, slides or images as a table of vectors in Parquet.

The table is a folder of Parquet files (``pandas.read_parquet`` reads it as one). Each file is written completely
after a few more sources, and is never changed. So if a run was killed, the next one continues with the sources
that no file holds yet. Sources that could not be read are listed in ``_failed.json`` with the reason, and the next
run tries them again. Memory holds only the images of two sources and a few vectors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers.embeddings.embedder import Embedder, pool
from helpers.errors import InputError
from helpers.images import MODALITIES, read_images
from helpers.parallel import one_ahead
from helpers.storage import load_pyarrow, make_folder, whole_file, write_json

FAILED = "_failed.json"  # readers of Parquet ignore names that begin with _


@dataclass(frozen=True)
class EmbeddingTable:
    """One vector of each source, and the reasons why other sources have none."""

    paths: list[str]  # relative to the folder that was embedded
    vectors: np.ndarray  # float32 (sources, width)
    failed: dict[str, str]  # path -> reason


def embed_folder(
    embedder: Embedder,
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    kind: str,
    pattern: str = "*",
    limit: int | None = None,
    batch_size: int | None = None,
    every: int = 16,
) -> EmbeddingTable:
    """Embed each source in ``folder`` that the table in ``output`` does not hold yet, and return the table.

    Args:
        embedder: see `helpers.embeddings.load_embedder`.
        folder: its entries are the sources: a DICOM series is a folder of its own.
        output: folder of the table. Its columns: ``path``, ``state`` (files, bytes and time of the last change of
            the source), ``images`` (how many were seen) and ``vector``.
        kind: the kind of all sources: "ct", "mri", "slide" or "image".
        pattern: which entries are sources, e.g. ``"*/*"`` for series in folders of patients.
        limit: the largest number of slices or patches of a source.
        batch_size: images that pass the tower together; by default the embedder's ``vision_batch``.
        every: the number of sources after which a file is written. A killed run loses at most this many.

    Raises:
        InputError: there are no sources, the table was made with another tower, kind, limit or folder, or a source
            has changed. A source that cannot be read raises no error.
    """
    folder, output = Path(folder), make_folder(output)
    if kind not in MODALITIES:
        raise InputError(f"{kind!r} is not a kind of source.", remedy=f"Use one of {', '.join(MODALITIES)}.")
    sources = sorted(path for path in folder.glob(pattern) if not path.name.startswith((".", "_")))
    if not sources:
        raise InputError(
            f"No file or folder here matches {pattern!r}.",
            path=folder,
            remedy="Check the folder, or choose another pattern.",
        )
    made_by = {"model": embedder.name, "tower": embedder.key, "kind": kind, "limit": str(limit)}
    made_by["folder"] = str(folder.resolve())
    known = _known(output, made_by)
    states = {source.relative_to(folder).as_posix(): _state(source) for source in sources}
    changed = [name for name, state in states.items() if known.get(name, state) != state]
    if changed:
        raise InputError(
            "This source was changed after it was embedded.",
            path=folder / changed[0],
            remedy=f"Embed into another folder, or delete {output}.",
        )
    missing = [name for name in states if name not in known]

    def read(name: str) -> list[Image.Image] | str:
        """The images of a source, or why it has none."""
        try:
            return read_images(folder / name, kind, limit)
        except Exception as error:  # a file that cannot be read must not stop the run
            return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"

    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    bar = tqdm(missing, desc=f"embedding with {embedder.name}", total=len(states), initial=len(known))
    try:
        for name, images in zip(bar, one_ahead(read, missing), strict=True):
            if isinstance(images, str):
                failed[name] = images
                continue
            vector = pool(embedder.encode(images, batch_size))
            rows.append({"path": name, "state": states[name], "images": len(images), "vector": vector})
            if len(rows) == every:
                _write(output, rows, made_by)
                rows = []
    finally:  # an interrupted run keeps its results
        if rows:
            _write(output, rows, made_by)
        write_json(output / FAILED, failed)
    table = read_embeddings(output)
    kept = [k for k, name in enumerate(table.paths) if name in states]  # others were removed, or do not match
    return EmbeddingTable([table.paths[k] for k in kept], table.vectors[kept], table.failed)


def read_embeddings(output: str | os.PathLike[str]) -> EmbeddingTable:
    """The table of `embed_folder` in a folder. Raises `InputError` if there is none."""
    output = Path(output)
    tables = list(_files(output))
    if not tables and not (output / FAILED).is_file():
        raise InputError(
            "This folder holds no table of embeddings.", path=output, remedy="Make a table with embed_folder."
        )
    paths = [path for table in tables for path in table["path"].to_pylist()]
    vectors = [np.stack(table["vector"].to_numpy()) for table in tables]
    failed = json.loads((output / FAILED).read_text(encoding="utf-8")) if (output / FAILED).is_file() else {}
    return EmbeddingTable(paths, np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32), failed)


def _known(output: Path, made_by: dict[str, str]) -> dict[str, str]:
    """States of the sources in a table, by path."""
    known: dict[str, str] = {}
    for table in _files(output, ["path", "state"]):
        said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        for name, value in made_by.items():
            if said.get(name, value if name == "folder" else None) != value:  # older tables name no folder
                raise InputError(
                    f"The table in this folder was made with {name} {said.get(name)}, not {value}.",
                    path=output,
                    remedy="Choose another output folder.",
                )
        known |= zip(table["path"].to_pylist(), table["state"].to_pylist(), strict=True)
    return known


def _files(output: Path, columns: Sequence[str] | None = None) -> Iterator[Any]:
    parquet = load_pyarrow("embeddings").parquet
    for path in sorted(output.glob("part-*.parquet")):
        yield parquet.read_table(path, columns=columns)


def _write(output: Path, rows: Sequence[dict[str, Any]], made_by: dict[str, str]) -> None:
    pyarrow = load_pyarrow("embeddings")
    vectors = np.stack([row["vector"] for row in rows])
    columns = {name: [row[name] for row in rows] for name in ("path", "state", "images")}
    columns["vector"] = pyarrow.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
    table = pyarrow.table(columns).replace_schema_metadata(made_by)
    last = max((int(path.stem.removeprefix("part-")) for path in output.glob("part-*.parquet")), default=-1)
    with whole_file(output / f"part-{last + 1:05d}.parquet") as partial:
        pyarrow.parquet.write_table(table, partial)


def _state(source: Path) -> str:
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    facts = [path.stat() for path in files]
    latest = max((fact.st_mtime_ns for fact in facts), default=0)
    return f"{len(facts)} files, {sum(fact.st_size for fact in facts)} bytes, {latest}"
