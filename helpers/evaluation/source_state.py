"""Find out, without reading it, whether a case's file may have changed.

The same state means the same content. Another state means only that the pixels must be compared. So a copied or
touched file is read again, but its case is not asked again.
"""

from __future__ import annotations

import os
from pathlib import Path

from helpers.preparing import Prepared
from helpers.storage import filesystem

# Endings of slides that consist of one file. For other kinds, OpenSlide also opens files beside it.
ONE_FILE = {".svs", ".tif", ".tiff", ".ndpi", ".scn", ".bif", ".svslide"}
# The names that file systems and buckets use for a file's size, time of change, and hash.
_FACTS = ("size", "ino", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag")


def source_state(path: Path, kind: str, prepared: Prepared | None = None) -> list[str]:
    """Size, times and inode of each file that is read for a case. Raises OSError if a file does not exist.

    They include the time of the last change to the inode, which no program can set back. For prepared images, the
    state of their shard is used.
    """
    if prepared is not None:
        system, place = filesystem(f"{prepared.output}/{prepared.shard}")
        system.invalidate_cache(place.rpartition("/")[0])
        found = system.info(place)
        return [prepared.shard, *(f"{name} {found[name]}" for name in _FACTS if name in found)]
    if path.is_file():
        beside = kind == "slide" and path.suffix.lower() not in ONE_FILE
        files = [path, *(_files_in(path.parent) if beside else ())]
    else:
        files = _files_in(path)
    if not files:
        raise FileNotFoundError(f"No file exists at {path}.")
    return [_facts(file, path) for file in files]


def _files_in(folder: Path) -> list[Path]:
    """All files below a folder, except those whose names begin with a dot, which are never read."""
    return sorted(
        Path(where) / name for where, _, names in os.walk(folder) for name in names if not name.startswith(".")
    )


def _facts(file: Path, root: Path) -> str:
    found = file.stat()
    facts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return f"{os.path.relpath(file, root)} {' '.join(map(str, facts))}"
