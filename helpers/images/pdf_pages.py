"""Draw pages of a PDF as pictures with PDFium (pypdfium2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2
from PIL import Image

from helpers.errors import InputError
from helpers.images.pages import chosen_page
from helpers.prompts import IMAGE_SIDE

# The longer side of a page in pixels, twice the model's side, so that a person can also read the page.
PAGE_SIDE = 2 * IMAGE_SIDE
MAX_PAGES = 20  # the default for the most pages of one PDF in a prompt
_HEAD = 1024  # the mark of a PDF is in the first bytes (ISO 32000-1, annex H.3.4.1)
_PASSWORD = 4  # FPDF_ERR_PASSWORD
_ONE_AT_A_TIME = threading.Lock()  # PDFium has one state for the whole process


def is_pdf(path: Path) -> bool:
    """Whether a file is a PDF by its first bytes or by its name."""
    if path.suffix.lower() == ".pdf":
        return True
    with path.open("rb") as stream:
        return stream.read(5) == b"%PDF-"


def pdf_page_count(path: Path) -> int:
    """The number of pages of a PDF, 1 or more. Raises `InputError` as `read_pdf_page` does."""
    with _opened(path) as document:
        return len(document)


def read_pdf_page(path: Path, page: int | None = None, *, icc: bool = False) -> Image.Image:
    """One page as RGB, its longer side `PAGE_SIDE` pixels. ``page`` is counted from 0; ``icc`` changes nothing.

    Raises:
        InputError: the file is no PDF, damaged, locked with a password, or has no pages; it has several pages and
            none was chosen; or the page does not exist or is empty.
    """
    with _opened(path) as document:
        index = chosen_page(path, len(document), page)
        image = _drawn(document, index)
    if image is None:
        raise InputError(f"Nothing stands on page {index}.", path=path, remedy="Choose another page.")
    return image


def pdf_images(path: Path, limit: int | None = None, notes: list[str] | None = None) -> Iterator[Image.Image]:
    """All pages in order, drawn as by `read_pdf_page`. Empty pages are left out.

    Before the first image comes, ``notes`` gets a line about empty pages. Raises `InputError` as `read_pdf_page`
    does, and if there are more than ``limit`` pages (by default `MAX_PAGES`) or all pages are empty.
    """
    most = limit or MAX_PAGES
    with _opened(path) as document:
        count = len(document)
        if count > most:
            raise InputError(
                f"The PDF has {count} pages, and a prompt shows {most} of one.",
                path=path,
                remedy=f"Choose a page (--page 0 to {count - 1}), or show all of them (--limit {count}).",
            )
        empty = [index for index in range(count) if _is_empty(document, index)]
        if len(empty) == count:
            raise InputError("Nothing stands on any page of the PDF.", path=path, remedy="Export it again.")
    if empty and notes is not None:
        notes.append(f"{path.name}: nothing stands on page {', '.join(map(str, empty))}; left out.")
    for index in range(count):
        if index not in empty:
            yield read_pdf_page(path, index if count > 1 else None)


@contextmanager
def _opened(path: Path) -> Iterator[pypdfium2.PdfDocument]:
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if b"%PDF-" not in head:
        what = "an empty file" if not head else "not a PDF"
        raise InputError(f"This is {what}, in spite of its name.", path=path, remedy="Copy or export it again.")
    with _ONE_AT_A_TIME:
        try:
            document = pypdfium2.PdfDocument(path)
            document.init_forms()  # before any page is loaded, or what was typed into fields is not drawn
        except pypdfium2.PdfiumError as error:
            if error.err_code == _PASSWORD:
                raise InputError(
                    "The PDF is locked with a password.",
                    path=path,
                    remedy="Save a copy without one, or print it to a new PDF.",
                ) from None
            raise _damaged(path, error) from error
        try:
            if not len(document):
                raise InputError("The PDF has no pages.", path=path, remedy="Export it again.")
            yield document
        except pypdfium2.PdfiumError as error:
            raise _damaged(path, error) from error
        finally:
            document.close()


def _drawn(document: pypdfium2.PdfDocument, index: int) -> Image.Image | None:
    """A page as RGB; None if it has only one colour."""
    page = document[index]
    scale = (PAGE_SIDE - 0.01) / max(page.get_size())  # the sides are rounded up
    image = page.render(scale=scale).to_pil().convert("RGB")
    return None if all(low == high for low, high in image.getextrema()) else image


def _is_empty(document: pypdfium2.PdfDocument, index: int) -> bool:
    return _drawn(document, index) is None


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"The PDF is damaged or cut off ({error}).", path=path, remedy="Copy or export it again.")
