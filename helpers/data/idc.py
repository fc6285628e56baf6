"""Public series of NCI Imaging Data Commons (https://imaging.datacommons.cancer.gov), through idc-index.

You need no account. The index holds no checksums, so three other values are checked: the number of files, their
size in bytes, and the SeriesInstanceUID in each file.
"""

from __future__ import annotations

from pathlib import Path

from helpers.data.entries import IdcSeries
from helpers.errors import InputError


def fetch_series(name: str, series: IdcSeries, cache: Path) -> Path:
    """Download a series unless it is in ``cache``; check it and return its folder.

    Raises `InputError`, with ``name`` as its path: idc-index is missing or has another index, the series is
    incomplete, or the folder holds other files.
    """
    folder = cache / "idc" / series.crdc_series_uuid
    if folder.is_dir():
        _check_series(name, series, folder)
        return folder
    try:
        from idc_index import IDCClient
    except ImportError:
        raise InputError(
            "Downloading a series from Imaging Data Commons needs the package idc-index, which is not installed.",
            path=name,
            remedy='Run: pip install "medgemma-tutorials[idc]" (or: pip install idc-index).',
        ) from None
    uid = series.series_instance_uid
    # Kept after an interruption, so that the next call continues.
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        client = IDCClient.client()
        listed = client.sql_query(f"SELECT crdc_series_uuid FROM index WHERE SeriesInstanceUID = '{uid}'")
        known = series.crdc_series_uuid in set(listed["crdc_series_uuid"])
        if known:
            partial.mkdir(parents=True, exist_ok=True)
            client.download_from_selection(
                downloadDir=str(partial), seriesInstanceUID=[uid], dirTemplate=None, use_s5cmd_sync=True
            )
    except Exception as error:  # pandas, duckdb, s5cmd and the network raise errors of their own
        raise InputError(
            f"The download of series {uid} from Imaging Data Commons failed ({type(error).__name__}: {error}).",
            path=name,
            remedy="Check the network, then fetch again: the download continues where it stopped.",
        ) from error
    if not known:
        raise InputError(
            f"The installed idc-index does not list version {series.crdc_series_uuid} of series {uid}.",
            path=name,
            remedy=f"Run: pip install idc-index-data=={series.index_version}; or update the manifest's entry.",
        )
    _check_series(name, series, partial)
    partial.rename(folder)
    return folder


def _check_series(name: str, series: IdcSeries, folder: Path) -> None:
    from pydicom import Dataset, dcmread
    from pydicom.errors import InvalidDicomError

    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    size = sum(path.stat().st_size for path in files)
    if (len(files), size) != (series.instances, series.bytes):
        raise InputError(
            f"{folder} holds {len(files)} files with {size} bytes in all; the series has "
            f"{series.instances} files with {series.bytes} bytes.",
            path=name,
            remedy="Check the network and fetch again. If the error remains, delete the folder and fetch again.",
        )
    for path in files:
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        except InvalidDicomError:
            header = Dataset()
        if header.get("SeriesInstanceUID") != series.series_instance_uid:
            raise InputError(
                f"This file does not belong to series {series.series_instance_uid}.",
                path=path,
                remedy=f"Delete the folder {folder} and fetch {name} again.",
            )
