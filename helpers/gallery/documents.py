"""Read the guide: the Markdown pages of the repository, in the order of ``docs/README.md``.

A page's anchors are those that GitHub gives its headings, so a link works there and on the site.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from nbconvert.filters import markdown2html
from PIL import Image

from helpers.errors import InputError
from helpers.gallery.page import (
    Places,
    Section,
    break_names,
    find_sections,
    link_names,
    make_accessible,
    make_offline,
    rewrite_links,
)

CONTENTS = "README.md"  # in the folder of the guide
FRONT = "question.jpg"  # the picture of the front page; its JPEG comment says it in words (docs/make_picture.py)
_LISTED = re.compile(r"\[([^\]]+)\]\(([^)#\s]+\.md)\)")  # the words of the link; the file
_COMMAND = re.compile(r"[a-z]+")  # in the guide, `report` is a command, although a function also has this name


@dataclass(frozen=True)
class Document:
    """A Markdown file of the repository, and where its page is."""

    source: str  # from the repository's root: "docs/ask.md"
    address: str  # from the site's root: "docs/ask.html"
    title: str
    label: str  # what the table of contents calls it
    text: str


@dataclass(frozen=True)
class DocumentPage:
    """The parts of a document that the site shows."""

    html: str
    sections: list[Section]
    pictures: dict[str, str]  # addresses on the site to files of the repository


def read_documents(docs: Path) -> list[Document]:
    """The table of contents in the folder ``docs`` and the pages that it lists, each once; none without one.

    Raises:
        InputError: a listed page is missing.
    """
    if not (docs / CONTENTS).is_file():
        return []
    root = docs.resolve().parent
    labels = {(docs / CONTENTS).resolve(): "Overview"}
    for label, name in _LISTED.findall((docs / CONTENTS).read_text(encoding="utf-8")):
        labels.setdefault((docs / name).resolve(), label)
    for path in labels:
        if not path.is_file() or not path.is_relative_to(root):
            raise InputError(
                "A page of the guide is missing.",
                path=path,
                remedy=f"Correct its link in {docs / CONTENTS}.",
            )
    return [_document(path, root, label) for path, label in labels.items()]


def document_page(document: Document, addresses: Mapping[str, str], places: Places) -> DocumentPage:
    """Turn a document into its page.

    Args:
        document: one of `read_documents`.
        addresses: public names of the package to the addresses of their API pages, from the site's root.
        places: where the links to other files of the repository lead.
    """
    soup = BeautifulSoup(markdown2html(document.text), "html.parser")
    make_offline(soup)
    rewrite_links(soup, document.source, places)
    link_names(soup, {name: at for name, at in addresses.items() if not _COMMAND.fullmatch(name)}, "../")
    make_accessible(soup)
    pictures = {}
    for image in soup.find_all("img"):
        file = places.resolved(image["src"], document.source)
        image["src"] = file.rpartition("/")[2]
        pictures["docs/" + image["src"]] = file
    sections = find_sections([part for part in soup.children if isinstance(part, Tag)], github_anchor)
    break_names(soup)
    return DocumentPage(str(soup), sections, pictures)


def front_picture(docs: Path) -> tuple[Path, str] | None:
    """The picture of the front page with its text; None without one."""
    path = docs / FRONT
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return path, json.loads(image.info["comment"])["alt"]


def github_anchor(title: str) -> str:
    """The anchor that GitHub gives a heading: lower case, no punctuation, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def _document(path: Path, root: Path, label: str) -> Document:
    source = path.relative_to(root).as_posix()
    name = "index" if path.parent == root / "docs" and path.name == CONTENTS else path.stem.lower()
    if name == "readme":
        name = path.parent.name
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    title = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
    return Document(source, f"docs/{name}.html", title[1].strip() if title else label, label, text)
