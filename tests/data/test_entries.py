"""The manifest: a slip in it is one error with its line; an entry is had in exactly one way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.data import manifest
from helpers.errors import InputError
from tests.data.conftest import as_file

ROOT = Path(__file__).parents[2]


def test_files_in_the_data_folder_are_all_in_the_manifest() -> None:
    listed = {file.path for entry in manifest().values() for file in entry.bundled or []}
    images = {p.relative_to(ROOT).as_posix() for p in (ROOT / "data").rglob("*") if p.is_file()}
    other = {p for p in images if p.startswith("data/LICENSES/") or p.endswith((".py", ".md", ".pyc"))}
    assert images - other == listed


def test_an_installed_package_finds_its_own_copy(tmp_path: Path) -> None:
    """As pyproject.toml lays it out: helpers/bundled/data_manifest.yaml and helpers/bundled/data/."""
    package = tmp_path / "site-packages" / "helpers"
    shutil.copytree(ROOT / "helpers", package, ignore=shutil.ignore_patterns("standin_weights", "__pycache__"))
    (package / "bundled" / "data").mkdir(parents=True)
    shutil.copy(ROOT / "data_manifest.yaml", package / "bundled")
    shutil.copy(ROOT / "data" / "retina.jpg", package / "bundled" / "data")
    code = "from helpers.data import fetch; print(fetch('fundus'))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=package.parent, capture_output=True, text=True, check=True
    )
    assert Path(run.stdout.splitlines()[-1]) == package / "bundled" / "data" / "retina.jpg"


@pytest.mark.parametrize(
    ("right", "wrong", "line", "says"),
    [
        (
            "licence: CC0",
            "licens: CC0",
            7,
            "field licens: An entry has no field of this name. Did you mean licence",
        ),
        ("text: W", "txt: W", 6, "field source.txt: An entry has no field of this name. Did you mean text"),
        (
            "  bundled:",
            "  bundeled:",
            10,
            "field bundeled: An entry has no field of this name. Did you mean bundled",
        ),
        ("  citation: none\n", "", 1, "field citation: The field is missing"),
        ("image-2d", "image-3d", 2, "field kind: Input should be 'ct-series'"),
        ("url: https", "url: http", 5, "field source.url: The address must begin with https"),
        ("bytes: 1024000", "bytes: many", 11, "field bundled[0].bytes: Input should be a valid integer"),
        ("sha256: ", "sha256: f", 11, "field bundled[0].sha256: String should match"),
        ("path: a", "path: ../a", 11, "field bundled[0].path: The path must be relative"),
        ("notes: none", "notes: 1: 2", 9, "The manifest is not YAML: mapping values are not allowed here"),
        ("notes: none", "title: Again", 9, "The name title occurs twice"),
        (
            "notes: none",
            "notes: none\n  boxes: {heart: {left: 1, top: 2, width: 0, height: 4}}",
            10,
            "field boxes.heart.width: Input should be greater than 0",
        ),
        ("sample:", "- sample:", 1, "The whole: Input should be a valid dictionary"),
    ],
)
def test_a_slip_in_the_manifest_is_one_error_with_its_line(
    sample: Callable[[str], Path], right: str, wrong: str, line: int, says: str
) -> None:
    path = sample(f"  bundled:\n    - {as_file('a.png')}\n")
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        manifest(path)
    entry = "Entry sample, " * says.startswith("field")
    assert f"{path}:{line}: {entry}{says}" in str(caught.value)


def test_an_entry_is_had_in_exactly_one_way(sample: Callable[[str], Path]) -> None:
    download = as_file("a.png").replace("{", "{url: https://example.org/a.png, ")
    for access in ("", f"  bundled: [{as_file('a.png')}]\n  download: {download}\n"):
        with pytest.raises(InputError, match="Entry sample: An entry must have exactly one of"):
            manifest(sample(access))
