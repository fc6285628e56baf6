"""Choose the page of a picture, or the frame of a DICOM image, if a file holds several."""

from __future__ import annotations

import operator
from pathlib import Path

from helpers.errors import InputError


def chosen_page(path: Path, count: int, page: int | None, what: str = "pages", *, otherwise: str = "") -> int:
    """The index, from 0, of the image to read among the ``count`` images of a file.

    Args:
        path: the file, for the error.
        count: how many images the file holds.
        page: the page that was asked for, or None.
        what: the name of such images, in the plural.
        otherwise: a sentence that says what else can be done with a file of several images.

    Raises:
        InputError: there are several images and none was chosen, or the page does not exist.
    """
    choice = f"Choose one: page=0 to {count - 1} (--page)." if count > 1 else "Leave out page (--page)."
    if page is None:
        if count == 1:
            return 0
        raise InputError(f"The file holds {count} {what}.", path=path, remedy=f"{choice} {otherwise}".strip())
    try:
        index = operator.index(page)
    except TypeError:  # not a whole number
        index = -1
    if not 0 <= index < count:
        held = f"{count} {what}" if count > 1 else "one image"
        raise InputError(f"Page {page} does not exist, because the file holds {held}.", path=path, remedy=choice)
    return index
