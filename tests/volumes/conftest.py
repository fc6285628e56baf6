"""Every header that a test of this folder reads is read in both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom.tag import BaseTag

from helpers.volumes import dicom_files, dicom_slices
from tests.volumes.both_ways import differences


@pytest.fixture(autouse=True)
def both_ways_agree(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So all files that the tests make, the faulty ones too, hold the quick way to what pydicom reads."""
    differing: list[str] = []

    def read_header(path: Path, tags: Mapping[int, BaseTag], *, alone: bool = False) -> Any:
        differing.extend(differences(path, tags, alone))
        return dicom_files.read_header(path, tags, alone=alone)

    monkeypatch.setattr(dicom_slices, "read_header", read_header)
    yield
    assert not differing
