"""What the pages of the gallery share: templates, what the search finds, and HTML that asks no outside host.

A page may link to other sites, which a reader opens or not; nothing of it is loaded from one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbconvert.filters import markdown2html

SITE = Path(__file__).resolve().parent / "templates"  # templates, style and script
_OUTSIDE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_OUTSIDE_STYLE = re.compile(r"url\(\s*[\"']?\s*(?:https?:)?//|@import", re.IGNORECASE)
_LOADING = {"src", "srcset", "poster", "data", "background"}


class Entry(NamedTuple):
    """One place that the search can find."""

    title: str
    page: str  # the title of the page that it is on
    kind: str  # "notebook", "scores" or "API"
    address: str  # from the site's root
    text: str


def templates() -> Environment:
    """The gallery's templates; a name that a template uses and is not given is an error."""
    return Environment(
        loader=FileSystemLoader(SITE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_search_index(entries: Iterable[Entry], path: Path) -> None:
    """Write the entries as a script: a page opened as a file may load a script beside it, but no JSON."""
    rows = [[*entry[:4], " ".join(entry.text.split())] for entry in entries]
    content = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"window.SEARCH_INDEX = {content};\n", encoding="utf-8")


def from_markdown(text: str, addresses: Mapping[str, str], root: str) -> str:
    """Markdown as HTML, in which code that is a public name leads to its page (`link_names`)."""
    soup = BeautifulSoup(markdown2html(text), "html.parser")
    link_names(soup, addresses, root)
    make_offline(soup)
    make_accessible(soup)
    return str(soup)


def link_names(soup: BeautifulSoup | Tag, addresses: Mapping[str, str], root: str) -> None:
    """Make a link of each inline code that is a key of ``addresses``, as it is or before its bracket."""
    for code in soup.find_all("code"):
        address = addresses.get(code.get_text().partition("(")[0])
        if address and not code.find_parent(["a", "pre"]):
            code.wrap(soup_tag("a", href=root + address))


def soup_tag(name: str, text: str = "", **attributes: str) -> Tag:
    """A new element; ``class_`` stands for class."""
    tag = BeautifulSoup("", "html.parser").new_tag(name, attrs={k.rstrip("_"): v for k, v in attributes.items()})
    tag.string = text
    return tag


def make_offline(soup: BeautifulSoup) -> None:
    """Take out, in place, all that a browser would run or load from another host; a left-out picture is named."""
    for tag in soup.find_all(["script", "iframe", "object", "embed", "link", "base", "meta"]):
        tag.decompose()
    for style in soup.find_all("style"):
        if _OUTSIDE_STYLE.search(style.get_text()):
            style.decompose()
    for tag in soup.find_all(True):
        for name in list(tag.attrs):
            value = str(tag[name])
            outside = name in _LOADING and any(_OUTSIDE.match(part) for part in value.split(","))
            if name.startswith("on") or (name == "style" and _OUTSIDE_STYLE.search(value)):
                del tag[name]
            elif outside and tag.name == "img":
                note = f"[picture left out, it is on another site: {tag.get('alt') or value[:80]}]"
                tag.replace_with(soup_tag("em", note))
                break
            elif outside:
                del tag[name]


def make_accessible(soup: BeautifulSoup) -> None:
    """In place: what may be wider than a phone gets a frame that scrolls, by the keyboard too."""
    for table in soup.find_all("table"):
        table.wrap(soup_tag("div", class_="scroll", tabindex="0", role="region", aria_label="Table"))
        frame = table.parent
        frame["aria-label"] = frame.attrs.pop("aria_label")
    for block in soup.find_all("pre"):
        block["tabindex"] = "0"
