"""Series of the NCI Imaging Data Commons: named as in its index, and taken only when whole."""

from __future__ import annotations

import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from helpers.data import fetch, manifest
from helpers.errors import InputError


def test_every_idc_series_is_in_the_index_as_the_manifest_says() -> None:
    import duckdb
    import idc_index_data

    series = [entry.idc for entry in manifest().values() if entry.idc]
    assert {s.modality for s in series} >= {"CT", "MR", "SM"}
    rows = duckdb.execute(
        "SELECT SeriesInstanceUID, collection_id, Modality, crdc_series_uuid, instanceCount, "
        "CAST(round(series_size_MB * 1e6) AS BIGINT), license_short_name FROM read_parquet(?) "
        "WHERE SeriesInstanceUID IN (SELECT unnest(?))",
        [str(idc_index_data.IDC_INDEX_PARQUET_FILEPATH), [s.series_instance_uid for s in series]],
    ).fetchall()
    assert {row[:-1] for row in rows} == {
        (s.series_instance_uid, s.collection, s.modality, s.crdc_series_uuid, s.instances, s.bytes) for s in series
    }
    licences = {row[0]: row[-1].replace(" ", "-") for row in rows}
    assert all(licences[e.idc.series_instance_uid] == e.licence for e in manifest().values() if e.idc)


@pytest.fixture
def idc_entry(sample: Callable[[str], Path], head_ct: Path) -> Path:
    """A manifest whose entry is the head CT, as if Imaging Data Commons had it."""
    files = list(head_ct.iterdir())
    return sample(
        "  idc:\n"
        f"    series_instance_uid: {pydicom.dcmread(files[0]).SeriesInstanceUID}\n"
        "    crdc_series_uuid: 00000000-1111\n"
        "    collection: none\n    modality: CT\n    index_version: '0'\n"
        f"    instances: {len(files)}\n    bytes: {sum(f.stat().st_size for f in files)}\n"
    )


class Client:
    """Stands for idc_index.IDCClient, which needs a network: copies the first ``whole`` files of the head CT."""

    whole = 108
    version = "00000000-1111"

    @classmethod
    def client(cls) -> Client:
        return cls()

    def sql_query(self, _: str) -> dict[str, list[str]]:
        return {"crdc_series_uuid": [self.version]}

    def download_from_selection(self, downloadDir: str, **_: object) -> None:
        for path in sorted(fetch("ct-head").iterdir())[: self.whole]:
            shutil.copy(path, downloadDir)


def test_an_idc_series_is_taken_only_when_it_is_whole(
    idc_entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = type("Client", (Client,), {"whole": 50})
    monkeypatch.setitem(sys.modules, "idc_index", types.SimpleNamespace(IDCClient=client))
    folder = tmp_path / "idc" / "00000000-1111"
    with pytest.raises(InputError, match=r"holds 50 files .* the series has 108"):
        fetch("sample", tmp_path, idc_entry)
    assert not folder.exists()
    client.whole = 108
    assert fetch("sample", tmp_path, idc_entry) == folder
    assert list(folder.parent.iterdir()) == [folder]

    monkeypatch.setitem(sys.modules, "idc_index", None)  # not installed: the cache does
    assert fetch("sample", tmp_path, idc_entry) == folder
    victim = next(folder.iterdir())
    victim.write_bytes(bytes(victim.stat().st_size))
    with pytest.raises(InputError, match="This file does not belong to series"):
        fetch("sample", tmp_path, idc_entry)


def test_an_idc_series_needs_idc_index_and_its_own_version(
    idc_entry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "idc_index", None)
    with pytest.raises(InputError, match="pip install"):
        fetch("sample", tmp_path, idc_entry)
    newer = type("Client", (Client,), {"version": "22222222-3333"})
    monkeypatch.setitem(sys.modules, "idc_index", types.SimpleNamespace(IDCClient=newer))
    with pytest.raises(InputError, match="does not list version 00000000-1111"):
        fetch("sample", tmp_path, idc_entry)
