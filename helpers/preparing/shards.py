"""Write a volume, slide or image as a shard, a Parquet file with its images as in a prompt, and read shards.

Each row is an image: ``source`` and ``kind``, its place (``slice``, 0 is the lowest, or ``x``, ``y`` and ``size``
of a patch in level-0 pixels) and ``image``, the bytes of a PNG with exactly the pixels of
`helpers.images.part_images`, without padding. The schema's metadata has the provenance. A shard names no file and
no patient. From a DICOM header, it has only the UID of the series.
"""

from __future__ import annotations

import io
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.misc import is_dicom

from helpers.errors import InputError
from helpers.images import Part, Reading, identifying_in, may_show_text_in, part_images
from helpers.preparing.sources import digest, reason
from helpers.prompts import CT_WINDOWS, MAX_SLICE_SIDE, PATCH_SIDE
from helpers.slides import MIN_TISSUE
from helpers.storage import Store, file_sha256, load_pyarrow

ROWS = 16  # images in a row group, and in memory as PNG
HASHED_BYTES = 256 << 20  # for larger sources, no SHA-256 is computed
_PLACE = ("slice", "x", "y", "size")


def settings_of(
    limit: int | None = None,
    seed: int = 0,
    reading: Reading | None = None,
) -> dict[str, Any]:
    """The settings that decide which images a source gives, and how they look.

    Args:
        limit: the most slices or patches of a source; by default as many as fill MedGemma's context (85, 126).
        seed: the seed for the choice of patches.
        reading: how volumes, slides and pictures are read.

    Raises `InputError` for a limit that leaves nothing, and for a seed below 0.
    """
    if limit is not None and limit < 1:
        raise InputError(
            f"The limit is {limit} images, which is less than 1.", remedy="Give a limit of 1 or more (--limit)."
        )
    if seed < 0:
        raise InputError(f"The seed is {seed}, below 0.", remedy="Use 0 or more.")
    return {
        "limit": limit,
        "seed": seed,
        "reading": (reading or Reading()).arguments,
        "min_tissue": MIN_TISSUE,
        "patch_side": PATCH_SIDE,
        "max_slice_side": MAX_SLICE_SIDE,
        "ct_windows": {name: list(window) for name, window in CT_WINDOWS.items()},
    }


@dataclass(frozen=True)
class Task:
    """A shard to be made."""

    source: str  # path of the source
    path: str  # path of the volume, slide or image, relative to the folder that is prepared
    part: Part
    folder: str  # folder of this machine to which that path is relative
    state: str  # state of the files
    settings: dict[str, Any]
    output: str

    @property
    def shard(self) -> str:
        """The name of the shard. A changed source gets another name."""
        return f"{digest(self.path)}-{self.state}.parquet"


@dataclass(frozen=True)
class Made:
    """The result of a task: the number of images in the shard, or the reason why there is none."""

    task: Task
    images: int = 0
    reason: str = ""
    notes: tuple[str, ...] = ()  # what was estimated, turned or left out


class _UnreadableError(Exception):
    """A fault of the source. Any other error, such as a full disk, stops the run."""


def make_shard(task: Task) -> Made:
    """Make one shard, unless it exists already. Faults of the source are returned, not raised."""
    store = Store(task.output)
    if store.has(task.shard):
        with store.open(task.shard) as stream:
            held = parquet().ParquetFile(stream)
            facts = json.loads(held.schema_arrow.metadata[b"prepared"])
            return Made(task, held.metadata.num_rows, notes=tuple(facts["notes"]))
    rows, n = _blaming_the_source(_rows(task)), 0
    try:
        _, facts = next(rows)
        with store.whole(task.shard) as file:
            schema = _schema(facts)
            with parquet().ParquetWriter(file, schema, compression="none") as writer:
                while batch := list(itertools.islice(rows, ROWS)):
                    writer.write_table(_table(batch, task, schema))
                    n += len(batch)
    except _UnreadableError as error:
        return Made(task, reason=reason(error.__cause__, Path(task.folder)))
    return Made(task, n, notes=tuple(facts["notes"]))


def shard_images(store: Store, name: str) -> list[Image.Image]:
    """The images of a shard, RGB."""
    with store.open(name) as stream:
        column = parquet().read_table(stream, columns=["image"])["image"]
    return [Image.open(io.BytesIO(png.as_py())).convert("RGB") for png in column]


def shard_facts(store: Store, name: str) -> tuple[list[dict[str, int]], dict[str, Any]]:
    """The place of each image of a shard, and the provenance."""
    with store.open(name) as stream:
        table = parquet().read_table(stream, columns=list(_PLACE))
    places = [{key: value for key, value in row.items() if value is not None} for row in table.to_pylist()]
    return places, json.loads(table.schema.metadata[b"prepared"])


def parquet() -> Any:
    """The module ``pyarrow.parquet``. Raises `InputError` if it is not installed."""
    return load_pyarrow("prepare").parquet


def png_writer() -> Any:
    """The module ``fpng``. Raises `InputError` if it is not installed."""
    try:
        import fpng
    except ImportError as error:
        raise InputError(
            f"Preparing needs the package fpng, which writes PNG ({error}).",
            remedy="Run: pip install 'medgemma-tutorials[prepare]'",
        ) from error
    return fpng


def _blaming_the_source(rows: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from rows
    except Exception as error:  # readers and decoders raise errors of many unrelated kinds
        raise _UnreadableError from error


def _rows(task: Task) -> Iterator[tuple[bytes | None, dict[str, Any]]]:
    """Yield first the provenance, then PNG and place of each image."""
    before = _stamps(task.part)
    notes: list[str] = []
    images = part_images(
        task.part,
        task.settings["limit"],
        seed=task.settings["seed"],
        reading=Reading.of(**task.settings["reading"]),
        notes=notes,
    )
    first = next(images)  # after the first image, the notes are complete
    yield None, {**_provenance(task), "notes": notes}
    for image, place in itertools.chain([first], images):
        yield as_png(image, grey=task.part.kind == "mri"), place
    if _stamps(task.part) != before:
        raise InputError(
            "The files were changed while they were read.",
            remedy="Run prepare again when the files no longer change.",
        )


def as_png(image: Image.Image, *, grey: bool) -> bytes:
    """The pixels of an RGB image as PNG; ``grey`` says that its three channels are equal, so that one is kept.

    Nothing else of the image is kept, because EXIF and comments may name somebody.
    """
    if not grey:
        return png_writer().from_ndarray(np.ascontiguousarray(image))
    file = io.BytesIO()
    # fpng writes no grey. With runs alone, zlib is faster here and its files are smaller than with level 1.
    Image.fromarray(np.asarray(image)[..., 0]).save(file, "png", compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


def _provenance(task: Task) -> dict[str, Any]:
    files = task.part.files
    sizes = [file.stat().st_size for file in files]
    hashes = map(file_sha256, files) if sum(sizes) <= HASHED_BYTES else itertools.repeat(None)
    return {
        "source": digest(task.path),
        "kind": task.part.kind,
        "series_instance_uid": task.part.uid or None,
        "files": [{"bytes": size, "sha256": sha256} for size, sha256 in zip(sizes, hashes, strict=False)],
        # Attributes of the headers that name the patient, without their values; None if it is not known.
        "identifying": sorted(identifying_in(files)) if is_dicom(files[0]) else None,
        "may_show_text": may_show_text_in(files) if is_dicom(files[0]) else [],
        "settings": task.settings,
        "version": version("medgemma-tutorials"),
    }


def _schema(facts: dict[str, Any]) -> Any:
    import pyarrow

    places = [(key, pyarrow.int64()) for key in _PLACE]
    columns = [("source", pyarrow.string()), ("kind", pyarrow.string()), *places, ("image", pyarrow.binary())]
    return pyarrow.schema(columns, metadata={"prepared": json.dumps(facts)})


def _table(rows: Sequence[tuple[bytes, dict[str, int]]], task: Task, schema: Any) -> Any:
    import pyarrow

    same = {"source": digest(task.path), "kind": task.part.kind}
    return pyarrow.Table.from_pylist([{**same, **place, "image": png} for png, place in rows], schema=schema)


def _stamps(part: Part) -> list[tuple[int, int]]:
    return [(fact.st_size, fact.st_mtime_ns) for fact in map(Path.stat, part.files)]
