"""Find the sources to prepare from listings, and the volumes, slides and images that a source holds.

A source is one file that is complete by itself (NIfTI, slide, picture), or all other files of one folder together,
such as the slices of DICOM series. No file is opened to find sources. So a later run only has to list thousands of
files that have not changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from helpers.data import fetch
from helpers.errors import InputError
from helpers.images import VOLUME_KINDS, Part, find_parts, stands_alone
from helpers.storage import filesystem, is_local

MARK = "_prepared.json"  # a folder that holds this file is an output
# The names that file systems and buckets use for a file's time of change, or for its hash.
_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "created")


@dataclass(frozen=True)
class Source:
    """One file, or the files of one folder, as a listing has them."""

    path: str  # relative to the folder that is prepared; "." is that folder
    files: tuple[tuple[str, int, str], ...]  # path relative to that folder, bytes, time of change
    problem: str = ""  # why it cannot be read

    @property
    def state(self) -> str:
        """A text that changes if a file was added, removed or changed."""
        return digest(*self.files, self.problem)


@dataclass(frozen=True)
class Found:
    """The volumes, slides and images of a source, and its problems."""

    parts: list[tuple[str, Part]]  # each with its path relative to the folder that is prepared
    problems: list[tuple[str, str]]  # path and reason
    passed_over: int  # files that are not images of the kinds known here


class Root:
    """The place to prepare: a file or folder of this machine, a name in data_manifest.yaml, or an fsspec address.

    Raises `InputError` if there is nothing at this place.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if os.fspath(path).startswith(("http://", "https://")):
            raise InputError(
                "prepare does not read web addresses.", path=path, remedy="Download the images first."
            )
        if "://" in os.fspath(path):
            self.system, self.path = filesystem(path)
            if not self.system.exists(self.path):
                raise InputError("No file exists at this address.", path=path, remedy="Check the address.")
        else:
            self.system, self.path = filesystem(Path(fetch(path)).resolve())
        self.is_file = self.system.isfile(self.path)
        self.folder = self.path.rpartition("/")[0] if self.is_file else self.path

    @property
    def key(self) -> str:
        """A text that identifies this folder without naming it."""
        return digest(self.path)

    @contextmanager
    def local(self, source: Source) -> Iterator[Path]:
        """A folder of this machine to which the paths of the source's files are relative, downloaded if needed."""
        if is_local(self.system):
            yield Path(self.folder)
            return
        with TemporaryDirectory() as folder:
            for name, _, _ in source.files:
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            names = [name for name, _, _ in source.files]
            self.system.get([f"{self.folder}/{n}" for n in names], [f"{folder}/{n}" for n in names])
            yield Path(folder)


def digest(*words: object) -> str:
    """16 hexadecimal digits that stand for ``words``."""
    return hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()[:16]


def find_sources(path: str | os.PathLike[str] | Root) -> Iterator[Source]:
    """Walk a file, a folder with everything below it, or a bucket, and give each source as it is found.

    Hidden files and folders with prepared images are skipped. Links to folders are not followed. Such a link, and
    a folder that cannot be listed, become a source with a ``problem``. Raises `InputError` as `Root` does.
    """
    root = path if isinstance(path, Root) else Root(path)
    if root.is_file:
        name = PurePosixPath(root.path).name
        yield Source(name, (_facts(name, root.system.info(root.path)),))
        return
    folders = [""]
    while folders:
        inside = folders.pop()
        prefix = f"{inside}/" if inside else ""
        folder = PurePosixPath(root.path) / inside
        try:
            listed = {PurePosixPath(entry["name"]): entry for entry in root.system.ls(str(folder), detail=True)}
        except OSError as error:  # becomes a source, so that earlier shards of the folder are kept
            yield Source(f"{inside or '.'}/", (), f"The folder cannot be listed ({type(error).__name__}).")
            continue
        # Some buckets list a folder's place holder as a file in it.
        entries = {path.name: entry for path, entry in listed.items() if path != folder}
        if MARK in entries:
            continue
        shown = [name for name in sorted(entries) if not name.startswith(".")]
        below = [name for name in shown if entries[name]["type"] == "directory"]
        files = {name: _facts(prefix + name, entries[name]) for name in shown if name not in below}
        for name in [name for name in files if _is_link_to_folder(entries[name])]:
            del files[name]
            yield Source(
                prefix + name, (), "prepare does not follow a link to a folder. Prepare that folder separately."
            )
        for name in filter(stands_alone, files):
            pixels = PurePath(name).stem if name.lower().endswith(".mrxs") else ""
            beside = []
            if pixels in below:  # this is the folder with the pixels of a MIRAX slide
                below.remove(pixels)
                found = root.system.find(f"{root.path}/{prefix}{pixels}", detail=True)
                beside = [_facts(f"{file[len(root.path) + 1 :]}", found[file]) for file in sorted(found)]
            yield Source(prefix + name, (files[name], *beside))
        together = tuple(facts for name, facts in files.items() if not stands_alone(name))
        if together:
            yield Source(inside or ".", together)
        folders += [prefix + name for name in reversed(below)]


def parts_of(source: Source, folder: Path, modality: str | None, mpp: float | None = None) -> Found:
    """Find out what a source holds, from headers alone.

    A DICOM file that cannot be read may be a slice of any series in its folder. So all these volumes are problems,
    too, because a series without one slice must not count as complete.

    Args:
        source: a source from `find_sources`.
        folder: the folder of its files, see `Root.local`.
        modality: "ct" or "mri", for NIfTI files.
        mpp: the microns per pixel of slides, if the user gave them.
    """
    files = [folder / name for name, _, _ in source.files]
    alone = stands_alone(source.path)
    damaged: list[InputError] = []
    parts, passed_over = find_parts(
        files[:1] if alone else files, modality, mpp=mpp, alone=alone, named=False, damaged=damaged
    )
    problems = [(_inside(error.path, folder), reason(error, folder)) for error in damaged]
    series = [part for part in parts if len(part.files) > 1]
    kept = []
    for part in parts:
        path = _inside(part.files[0], folder) if len(part.files) == 1 else source.path
        if len(part.files) > 1 and len(series) > 1:
            path += f"#{part.uid}"
        if damaged and part.kind in VOLUME_KINDS:
            problems.append((path, f"{_inside(damaged[0].path, folder)} is damaged and may be one of its slices."))
        else:
            kept.append((path, part))
    return Found(kept, problems, len(passed_over))


def reason(error: Exception, folder: Path) -> str:
    """The words of an error, with paths from ``folder``."""
    if isinstance(error, FileNotFoundError):
        return "The file does not exist: it is a link to a missing file, or it was deleted meanwhile."
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return text.replace(f"{folder}/", "")


def _inside(path: str | os.PathLike[str] | None, folder: Path) -> str:
    return PurePath(path or folder).relative_to(folder).as_posix()


def _is_link_to_folder(entry: dict[str, Any]) -> bool:
    return bool(entry.get("islink")) and Path(entry["name"]).is_dir()


def _facts(path: str, info: dict[str, Any]) -> tuple[str, int, str]:
    changed = next((str(info[key]) for key in _CHANGED if info.get(key)), "")
    return path, int(info.get("size") or 0), changed
