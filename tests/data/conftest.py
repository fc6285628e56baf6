"""What the tests of this folder share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

CONTENT = bytes(range(256)) * 4000
ENTRY = """\
sample:
  kind: image-2d
  title: A sample
  source:
    url: https://example.org
    text: Written by a test.
  licence: CC0-1.0
  citation: none
  notes: none
"""


@pytest.fixture
def sample(tmp_path: Path) -> Callable[[str], Path]:
    """Write a manifest of one entry; how it is had is the argument."""

    def write(access: str) -> Path:
        path = tmp_path / "project" / "manifest.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(ENTRY + access)
        return path

    return write


def as_file(path: str, content: bytes = CONTENT) -> str:
    return f"{{path: {path}, bytes: {len(content)}, sha256: {hashlib.sha256(content).hexdigest()}}}"


def download(url: str, content: bytes = CONTENT) -> str:
    return f"  download: {as_file('sample.png', content).replace('{', f'{{url: {url}, ')}\n"
