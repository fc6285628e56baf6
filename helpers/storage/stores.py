"""A folder on this machine or in a bucket, through fsspec, whose files are either complete or absent."""

from __future__ import annotations

import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from helpers.errors import InputError
from helpers.storage.files import whole_file

# In these stores, one put writes a complete object, and a rename would copy it.
ONE_PUT = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}


def filesystem(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """The fsspec file system of a path or address (``s3://``, ``gs://`` ...), and the path in it.

    Raises `InputError` if fsspec, or its driver for this kind of address, is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise InputError(
            f"Reading folders and addresses needs the package fsspec ({error}).",
            remedy="Run: pip install 'medgemma-tutorials[prepare]'",
        ) from error
    try:
        system, inner = fsspec.core.url_to_fs(os.path.expanduser(os.fspath(path)))  # noqa: PTH111 (an address too)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"This kind of address cannot be opened ({error}).",
            path=path,
            remedy="Give a folder, or install what fsspec needs for it: s3fs for s3://, gcsfs for gs://.",
        ) from error
    return system, inner.rstrip("/") or "/"


def load_pyarrow(extra: str) -> Any:
    """The module ``pyarrow`` with ``pyarrow.parquet``; ``extra`` names the optional part of the package that
    installs it.

    Raises `InputError` if it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            f"Parquet needs the package pyarrow ({error}).",
            remedy=f"Run: pip install 'medgemma-tutorials[{extra}]'",
        ) from error
    return pyarrow


def is_local(system: Any) -> bool:
    """Whether a file system is that of this machine."""
    return "file" in _protocols(system)


def _protocols(system: Any) -> set[str]:
    return {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)


class Store:
    """The files of one folder, by name. Each worker makes its own Store from the same address."""

    def __init__(self, address: str | os.PathLike[str]) -> None:
        self.address = os.fspath(address)
        self._system, self._root = filesystem(address)
        self._local = is_local(self._system)

    def names(self, folder: str = "") -> set[str]:
        """The names of the files in the folder, or in its subfolder ``folder``; an empty list if that does not
        exist.
        """
        self._system.invalidate_cache()
        try:
            found = self._system.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return set()
        except NotADirectoryError as error:
            raise InputError(
                "This is not a folder.", path=self.address, remedy="Choose another folder."
            ) from error
        return {PurePosixPath(path).name for path in found}

    def is_at(self, system: Any, path: str) -> bool:
        """Whether this Store is the folder at ``path`` of that file system."""
        return system == self._system and path == self._root

    def has(self, name: str) -> bool:
        """Whether the folder holds a file of this name."""
        return self._system.exists(self._path(name))

    def open(self, name: str) -> Any:
        """The file, opened to be read in binary."""
        return self._system.open(self._path(name), "rb")

    def read(self, name: str) -> str:
        """The text of a file."""
        return self._system.cat_file(self._path(name)).decode()

    def read_all(self, names: Iterable[str]) -> Iterator[str]:
        """The texts of several files, in order. A bucket is asked for many files at a time."""
        paths = [self._path(name) for name in names]
        for start in range(0, len(paths), 512):
            chunk = paths[start : start + 512]
            texts = {chunk[0]: self._system.cat_file(chunk[0])} if len(chunk) == 1 else self._system.cat(chunk)
            yield from (texts[path].decode() for path in chunk)

    @contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        """Give a temporary file on this machine to write to; store it as ``name`` only on success."""
        if self._local:
            with whole_file(self._path(name)) as partial:
                yield partial
            return
        with TemporaryDirectory() as folder:
            made = Path(folder) / "made"
            yield made
            self._put(made, self._path(name))

    def write(self, name: str, content: str | bytes) -> None:
        """Write a text (as UTF-8) or bytes, completely or not at all."""
        with self.whole(name) as partial:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)

    def _put(self, made: Path, place: str) -> None:
        """Copy a file of this machine into the folder, so that nobody sees a part of it."""
        if _protocols(self._system) & ONE_PUT:
            self._system.put_file(str(made), place)
            return
        folder, name = posixpath.split(place)
        self._system.makedirs(folder, exist_ok=True)
        # Unique, because two machines may write the same file.
        partial = f"{folder}/.{name}.{uuid.uuid4().hex}.partial"
        try:
            self._system.put_file(str(made), partial)
            self._system.mv(partial, place)
        except BaseException:
            if self._system.exists(partial):
                self._system.rm_file(partial)
            raise

    def remove(self, names: Iterable[str]) -> None:
        """Remove files. A missing file is not an error."""
        for name in names:
            try:
                self._system.rm_file(self._path(name))
            except FileNotFoundError:
                continue

    def remove_partial(self, folder: str = "") -> None:
        """Remove the temporary files that killed writers left behind."""
        left = [name for name in self.names(folder) if name.startswith(".") and name.endswith(".partial")]
        self.remove(f"{folder}/{name}" if folder else name for name in left)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root
