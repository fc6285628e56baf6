"""Prepare a folder or bucket of series, volumes, slides and images once as Parquet shards of prompt-ready images.

Later runs read only PNG, and need not decode DICOM or slides again. An output holds a shard for each volume, slide
or image (`helpers.preparing.shards`), ``_prepared.json`` (the settings), ``_index.jsonl`` (the results for each
source) and ``_quarantine.jsonl`` (the files that could not be read, with the reasons). The last two hold paths,
which may name patients, so keep them to yourself. You may hand on the shards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.images import Reading, known_modality
from helpers.parallel import Killed
from helpers.preparing.run import DONE, INDEX, QUARANTINE, Run, Summary
from helpers.preparing.shards import (
    Made,
    Task,
    make_shard,
    parquet,
    png_writer,
    settings_of,
    shard_facts,
    shard_images,
)
from helpers.preparing.sources import MARK, Root, find_sources
from helpers.storage import Store

__all__ = ["Prepared", "Summary", "find_sources", "prepare", "prepared_images", "read_prepared"]


@dataclass(frozen=True)
class Prepared:
    """A volume, slide or image of an output. Its shard is only read when its images or facts are needed."""

    path: str  # relative to the folder that was prepared
    kind: str  # "ct", "mri", "slide" or "image"
    count: int
    series: str = field(repr=False)  # SeriesInstanceUID, for DICOM
    shard: str = field(repr=False)
    output: str = field(repr=False)
    # Sentences about anything estimated, turned or left out.
    notes: Sequence[str] = field(default=(), compare=False)

    def images(self) -> list[Image.Image]:
        """The images, RGB, as `volume_messages`, `slide_messages` and `image_messages` take them."""
        return shard_images(Store(self.output), self.shard)

    def places(self) -> list[dict[str, int]]:
        """Where each image comes from: ``slice`` (0 is the lowest), or ``x``, ``y`` and ``size`` of a patch."""
        return shard_facts(Store(self.output), self.shard)[0]

    def provenance(self) -> dict[str, Any]:
        """Files (bytes, SHA-256), series UID, settings, package version, and the attributes of `identifying`."""
        return shard_facts(Store(self.output), self.shard)[1]

    def identifying(self) -> list[str] | None:
        """Attributes of the DICOM headers that named the patient; None for files without such headers."""
        return self.provenance()["identifying"]

    def may_show_text(self) -> list[str]:
        """Kinds of images that often have words drawn into them, by the DICOM headers."""
        return self.provenance().get("may_show_text", [])  # older shards do not have it


def prepare(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    modality: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    retry: bool = False,
    only: Mapping[str, Any] | Iterable[str] = (),
    uniform: bool = True,
    offset: float | None = None,
    reformat: str | None = None,
    mpp: float | None = None,
    magnification: int | None = None,
    icc: bool | None = None,
    page: int | None = None,
    mapped: Callable[[Callable[[Task], Made], Iterable[Task]], Iterable[Made | Killed]] = map,
) -> Summary:
    """Make a shard for each volume, slide and image below ``path`` that ``output`` does not hold yet.

    A source that cannot be read goes into the quarantine with its reason, and the others continue. If files of a
    source were added or changed, its shards are made again. If a source no longer exists, its shards are kept. A
    series whose files lie in several folders is held back. Only one run at a time may write to an output.

    Args:
        path: a file, a folder with everything below it, a name in data_manifest.yaml, or an fsspec address.
        output: a folder, which is created if it does not exist, or an fsspec address.
        modality: "ct" or "mri" for NIfTI files, which do not record it.
        limit, seed: see `helpers.preparing.shards.settings_of`.
        only, uniform, offset, reformat: how volumes are read, as for `helpers.volumes.read_volume`; ``only`` also
            as words such as "EchoTime=20".
        mpp, magnification, icc, page: how slides and pictures are read, as for `helpers.models.ask_path`.
        retry: whether files in the quarantine are tried again although they have not changed.
        mapped: how the work is spread: ``map``, `helpers.parallel.in_processes`, or anything that is called like
            ``map`` and gives results in any order; whatever does the work must see the same files.

    Raises:
        InputError: the path does not exist or holds no image, or the output was made from another folder or with
            other settings.
    """
    parquet(), png_writer()  # fails before anything is listed
    reading = Reading.of(
        only,
        uniform=uniform,
        offset=offset,
        reformat=reformat,
        mpp=mpp,
        magnification=magnification,
        icc=icc,
        page=page,
    )
    settings = settings_of(limit, seed, reading)
    run = Run(Root(path), Store(output), modality or known_modality(path), settings, retry)
    for made in tqdm(mapped(make_shard, run.tasks()), desc="preparing", unit="shard"):
        run.take(made)
    return run.finish()


def read_prepared(output: str | os.PathLike[str]) -> dict[str, Prepared]:
    """The content of an output, by path relative to the folder that was prepared.

    Raises:
        InputError: the folder holds no prepared images, or the run has not ended.
    """
    store = Store(output)
    if not store.has(INDEX) or store.names(DONE):
        begun = store.has(MARK)
        raise InputError(
            "The preparation in this folder is not complete."
            if begun
            else "This folder holds no prepared images.",
            path=output,
            remedy="Run prepare again: it continues where it stopped."
            if begun
            else "Make them with prepare first.",
        )
    receipts = map(json.loads, store.read(INDEX).splitlines())
    parts = [Prepared(**part, output=store.address) for receipt in receipts for part in receipt["parts"]]
    return {part.path: part for part in parts}


def prepared_images(output: str | os.PathLike[str], path: str) -> list[Image.Image]:
    """The images of one volume, slide or image, by its path relative to the folder that was prepared.

    Raises `InputError` as `read_prepared` does, and if the output does not hold this path.
    """
    held = read_prepared(output)
    if path not in held:
        some = ", ".join(list(held)[:5])
        raise InputError(
            f"{path} is not among the {len(held)} prepared paths of this folder.",
            path=output,
            remedy=f"Write the path in the same way as these: {some}."
            if some
            else f"See {QUARANTINE} for the reasons.",
        )
    return held[path].images()
