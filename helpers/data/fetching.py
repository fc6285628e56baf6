"""Get an image by its name: from an entry of data_manifest.yaml to a checked local file or folder."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from helpers.data.entries import Download, Entry, File, manifest, own_manifest
from helpers.data.idc import fetch_series
from helpers.data.series_url import parse_url
from helpers.errors import InputError
from helpers.storage import file_sha256

CACHE_VARIABLE = "MEDGEMMA_TUTORIALS_CACHE"
_announced: set[str] = set()


def fetch(
    name: str | os.PathLike[str],
    cache: str | os.PathLike[str] | None = None,
    manifest_file: str | os.PathLike[str] | None = None,
) -> Path | str:
    """Get an image by its name, and return the local path of its file, or of its folder for a series.

    At every call, bundled files and downloads are compared with the SHA-256 in the manifest before anything reads
    them. A series of Imaging Data Commons has no checksum in the index; its SeriesInstanceUIDs, its number of
    files and their size in bytes are compared instead. A download has a temporary name until it is complete and
    checked. At the first call in a process, a printed line names the title, the licence and the citation.

    Args:
        name: a name in the manifest, the path of your own file or folder, or the https address of a DICOMweb
            series. Paths and addresses are returned unchanged; `helpers.volumes.read_volume` downloads the slices
            of an address.
        cache: folder for downloads; default: ``$MEDGEMMA_TUTORIALS_CACHE``, else the user's cache folder.
        manifest_file: another manifest, whose bundled files lie beside it; default: this project's own.

    Raises:
        InputError: an unknown name, any other address, a missing or changed file, a failed download, or idc-index
            is not installed.
    """
    if isinstance(name, str) and "://" in name:
        return str(parse_url(name))
    source = Path(manifest_file) if manifest_file else own_manifest()
    entries = manifest(source)
    entry = entries.get(name) if isinstance(name, str) else None
    if entry is None:
        return _own_path(name, entries)
    if name not in _announced:
        _announced.add(name)
        print(f"{entry.title}. Licence: {entry.licence}. Please cite: {entry.citation}")
    if entry.bundled:
        return _bundled(entry.bundled, source.parent)
    cache = cache_folder() if cache is None else Path(cache).expanduser()
    return _downloaded(name, entry.download, cache) if entry.download else fetch_series(name, entry.idc, cache)


def cache_folder() -> Path:
    """The folder for downloads: ``$MEDGEMMA_TUTORIALS_CACHE``, or else the user's cache folder."""
    if not (cache := os.environ.get(CACHE_VARIABLE)):
        import pooch

        cache = pooch.os_cache("medgemma-tutorials")
    return Path(cache).expanduser()


def _own_path(name: str | os.PathLike[str], entries: Mapping[str, Entry]) -> Path:
    path = Path(name).expanduser()
    if os.fspath(name) and os.path.exists(path):  # noqa: PTH110 - Path's raises for some texts
        return path
    close = difflib.get_close_matches(str(name), entries, n=2, cutoff=0.5)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    raise InputError(
        f"This is neither the name of a bundled image nor the path of a file or folder. {meant}The "
        f"names are: {', '.join(entries)}.",
        path=name or "''",
        remedy="Give one of these names, or the path of your own file or folder.",
    )


def _bundled(files: list[File], root: Path) -> Path:
    remedy = "Restore the data folder (git checkout -- data), or install the package again."
    for file in files:
        path = root / file.path
        if not path.is_file():
            raise InputError("This bundled file is missing.", path=path, remedy=remedy)
        found = file_sha256(path)
        if found != file.sha256:
            raise InputError(
                f"The file is not the one that the manifest describes: its SHA-256 is {found}, not {file.sha256}.",
                path=path,
                remedy=remedy,
            )
    first = root / files[0].path
    if len(files) == 1:
        return first
    # A file that the manifest does not list would be read as a part of the series without a check.
    listed = {PurePosixPath(file.path).name for file in files}
    for path in sorted(first.parent.iterdir()):
        if path.name not in listed and not path.name.startswith("."):
            raise InputError(
                "This file is not part of the series.", path=path, remedy="Take it out of the folder."
            )
    return first.parent


def _downloaded(name: str, file: Download, cache: Path) -> Path:
    import pooch

    store = pooch.create(
        path=cache,
        base_url="",
        registry={file.path: f"sha256:{file.sha256}"},
        urls={file.path: file.url},
        retry_if_failed=2,
    )
    downloader = pooch.HTTPDownloader(progressbar=True, hooks={"response": _refuse_insecure_redirect})
    try:
        return Path(store.fetch(file.path, downloader=downloader))
    except (OSError, ValueError) as error:  # requests raises OSErrors, a wrong checksum a ValueError
        raise InputError(
            f"The download from {file.url} failed ({type(error).__name__}: {error}).",
            path=name,
            remedy=f"Check the network and the free space in {cache}, then fetch again. The incomplete file "
            "was deleted.",
        ) from error


def _refuse_insecure_redirect(response: Any, **_: Any) -> None:
    """Refuse a redirect to an address that is not https; requests calls this before it follows one."""
    target = response.headers.get("location", "")
    if response.is_redirect and urlsplit(target).scheme not in ("https", ""):
        raise OSError(f"the server redirects to {target}, which is not https")
