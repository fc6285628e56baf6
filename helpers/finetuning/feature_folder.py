"""Check the folder for the image tokens of a run, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from helpers.errors import InputError
from helpers.storage import existing


def check_features(features: str | Path | None, output: Path) -> None:
    """Raise `InputError` if the place for image tokens is no folder, or is the place of the adapter."""
    if features is None:
        return
    try:
        own, ours = Path(features).resolve(), output.resolve()
        misplaced = ours in (own, *own.parents)
        above = existing(own)
        if not above.is_dir():
            raise NotADirectoryError(f"{above} is a file")
    except (OSError, ValueError) as error:
        raise InputError(
            f"This is not a folder ({error}).", path=features, remedy="Choose another one."
        ) from error
    if misplaced:
        raise InputError(
            "The folder of image tokens lies in the folder of the finished adapter.",
            path=features,
            remedy="Choose a folder outside of the output folder.",
        )
