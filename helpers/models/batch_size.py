"""Check the number of images that a vision tower encodes at once, before anything is loaded."""

from __future__ import annotations

from helpers.errors import check_count

VISION_BATCH = 8  # the default number of images that pass the tower at once


def check_batch(size: int) -> int:
    """Return the size of a batch; raise `InputError` unless it is a whole number of 1 or more."""
    check_count(
        size, f"vision_batch is {size!r}, which is not a whole number of 1 or more.", remedy="Give 1 or more."
    )
    return size
