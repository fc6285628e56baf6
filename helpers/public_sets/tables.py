"""Turn the downloaded folder of a public set into a table for ``evaluate --cases``."""

from __future__ import annotations

import csv
import os
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import InputError, did_you_mean
from helpers.evaluation import COLUMNS
from helpers.public_sets.brain_mri import BRATS
from helpers.public_sets.chest_ct import CT_RATE
from helpers.public_sets.chest_pairs import MS_CXR_T
from helpers.public_sets.layouts import PublicSet, Row
from helpers.public_sets.pathology_patches import NCT_CRC
from helpers.public_sets.published import published_lines
from helpers.public_sets.visual_questions import SLAKE, VQA_RAD
from helpers.storage import whole_file

SETS = {each.name: each for each in (NCT_CRC, VQA_RAD, SLAKE, CT_RATE, MS_CXR_T, BRATS)}


@dataclass(frozen=True)
class WrittenTable:
    """The written table, and its numbers of rows and groups."""

    path: Path
    rows: int
    groups: int
    notes: tuple[str, ...]  # sentences about questions that were left out, and other facts


def write_table(
    name: str,
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> WrittenTable:
    """Write the questions of a public set as a table (`helpers.evaluation.read_cases`); no image is copied.

    Args:
        name: the name of the set, as in `SETS`.
        folder: the set, downloaded and unpacked by its user.
        output: the new .csv file of the table. Paths in it are relative to its folder.
        split: a split of the set; by default the first one, which is the split of the published figures, if there
            are any.
        limit: the largest number of groups (patients, or images or patches if patients are not recorded), drawn
            with ``seed``, each with all its questions. None takes all.
        seed: of the drawing.

    Raises:
        InputError: the set or split does not exist; the folder does not have the layout of the set (the error says
            what is missing and where to get it); or ``output`` is not a new .csv.
    """
    each, output = public_set(name), Path(output)
    split = split or each.splits[0]
    if split not in each.splits:
        raise InputError(
            f"The set {each.name} has no split {split!r}.",
            remedy=f"Use one of {', '.join(each.splits)} (--split, split=).",
        )
    if limit is not None and limit < 1:
        raise InputError(
            f"The limit is {limit}, which leaves no cases.", remedy="Give 1 or more (--limit, limit=)."
        )
    if output.suffix.lower() != ".csv" or output.exists():
        why = (
            "A file of this name exists already." if output.exists() else "The table can only be written as .csv."
        )
        raise InputError(why, path=output, remedy="Give another name (--output, output=).")
    if not Path(folder).is_dir():
        raise InputError(
            "This folder does not exist.",
            path=folder,
            remedy=f"Download the set from {each.source}, and unpack it.",
        )

    def choose(groups: Collection[str]) -> Collection[str]:
        if limit is None or limit >= len(groups):
            return set(groups)
        return set(random.Random(seed).sample(sorted(groups), limit))

    found = each.read(Path(folder).resolve(), split, choose)
    _check(found.rows, Path(folder))
    _write(found.rows, output)
    groups = len({row["group"] for row in found.rows})
    return WrittenTable(output, len(found.rows), groups, found.notes)


def public_set(name: str) -> PublicSet:
    """The set with this name. Raises `InputError` if it is not in `SETS`."""
    if name.lower() not in SETS:
        remedy = f"{did_you_mean(name, SETS)}Use one of {', '.join(SETS)}."
        raise InputError(f"This program does not know a public set {name!r}.", remedy=remedy)
    return SETS[name.lower()]


def about(name: str) -> str:
    """A set as text: its source, terms, layout, splits, groups, protocol and published figures."""
    each = public_set(name)
    lines = [
        each.title,
        f"get it at: {each.source}",
        f"terms: {each.terms}",
        *(f"layout: {line}" for line in each.layout),
        f"splits: {', '.join(each.splits)} (the first where none is named)",
        f"one group: {each.groups}",
        f"asked: {each.protocol}",
        *(published_lines(each.name) or ["published: nothing of MedGemma on this set"]),
    ]
    return "\n".join(lines)


def _check(rows: list[Row], folder: Path) -> None:
    if not rows:
        raise InputError("No question of this folder is left.", path=folder, remedy="Choose another split.")
    twice = [name for name, count in Counter(row["id"] for row in rows).items() if count > 1]
    if twice:
        raise InputError(
            f"The case {twice[0]} occurs twice.", path=folder, remedy="Download the set's lists again."
        )


def _write(rows: list[Row], output: Path) -> None:
    columns = [column for column in COLUMNS if any(column in row for row in rows)]
    try:
        with whole_file(output) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
            writer.writeheader()
            for row in rows:
                paths = {c: _from(row[c], output.parent) for c in ("path", "prior") if c in row}
                writer.writerow(row | paths)
    except OSError as error:
        raise InputError(
            f"The table cannot be written ({error.strerror}).",
            path=output,
            remedy="Choose another file with --output (output=).",
        ) from error


def _from(path: str, folder: Path) -> str:
    """The path relative to the table's folder, so that both can be moved together. Absolute on another drive."""
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:
        return Path(path).as_posix()
