"""Recognise files of failed downloads or copies by their first bytes."""

from __future__ import annotations

from pathlib import Path

_HEAD = 4096  # bytes
_AGAIN = "Copy or download it again."
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
}


def not_the_file(path: Path) -> tuple[str, str] | None:
    """The fault of a file whose download or copy failed, and the remedy; None if no such fault is found.

    It recognises an empty file, a file of zeros, a web page, a Git LFS pointer (specification:
    github.com/git-lfs/git-lfs, docs/spec.md), an archive, and a MIRAX slide without its folder.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        return "The file is empty.", _AGAIN
    if not any(head):
        return "The file begins with zeros only, so its download probably never finished.", _AGAIN
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return (
            "This is a web page that was saved in place of the file.",
            "Open the file in a browser to see why (often a login is missing), then download it again.",
        )
    if text.startswith(b"version https://git-lfs"):
        return "This file is a Git LFS pointer, not the image itself.", "Run: git lfs pull"
    if path.name.lower().endswith(".nii.gz"):
        return "This is a volume (NIfTI).", "Use read_volume."
    for start, kind in _ARCHIVES.items():
        if head.startswith(start):
            return f"This file is {kind}, not an image.", "Unpack it, and give the image file that it holds."
    folder = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and not (folder / "Slidedat.ini").is_file():
        return (
            f"A MIRAX slide consists of this file and the folder {folder.name} beside it, but the "
            "Slidedat.ini of that folder is missing.",
            "Copy that folder too, and keep its name.",
        )
    return None
