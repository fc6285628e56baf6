"""The shared parts of the site's pages: templates, links, sections, and HTML that asks no other host.

A page may link to other sites, but it loads nothing from them.
"""

from __future__ import annotations

import itertools
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbconvert.filters import markdown2html

from helpers.course import BRANCH

SITE = Path(__file__).resolve().parent / "templates"  # templates, style and script
_OUTSIDE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_OUTSIDE_STYLE = re.compile(r"url\(\s*[\"']?\s*(?:https?:)?//|@import", re.IGNORECASE)
_LOADING = {"src", "srcset", "poster", "data", "background"}


class Entry(NamedTuple):
    """One place that the search can find."""

    title: str
    page: str  # the title of the page that it is on
    kind: str  # "notebook", "guide", "scores" or "API"
    address: str  # from the site's root
    text: str


@dataclass(frozen=True)
class Section:
    """A heading and the words below it, down to the next one."""

    level: int  # 1 to 3
    anchor: str
    title: str
    text: str


@dataclass(frozen=True)
class Places:
    """Where the files of the repository are found by a reader of the site."""

    checkout: Path
    pages: Mapping[str, str]  # files ("docs/ask.md") to their pages ("docs/ask.html"), from the roots of both
    repository: str = ""  # its address, for files without a page; empty if not known

    def resolved(self, target: str, source: str) -> str:
        """The file, relative to the repository's root, to which a relative address in ``source`` leads."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(source), unquote(target)))

    def address(self, target: str, source: str) -> str | None:
        """The target of a relative address in ``source``, relative to the page of ``source``; None without one."""
        file = self.resolved(target, source)
        if file in self.pages:
            return quote(posixpath.relpath(self.pages[file], posixpath.dirname(self.pages[source]) or "."))
        if self.repository and not file.startswith("..") and (self.checkout / file).exists():
            kind = "tree" if (self.checkout / file).is_dir() else "blob"
            return f"{self.repository}/{kind}/{BRANCH}/{quote(file)}"
        return None


def templates() -> Environment:
    """The gallery's templates. If a template uses a name that it does not get, this is an error."""
    return Environment(
        loader=FileSystemLoader(SITE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_search_index(entries: Iterable[Entry], path: Path) -> None:
    """Write the entries as a script, because a page that is opened from disk may load a script but no JSON."""
    rows = [[*entry[:4], " ".join(entry.text.split())] for entry in entries]
    content = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"window.SEARCH_INDEX = {content};\n", encoding="utf-8")


def from_markdown(text: str, addresses: Mapping[str, str], root: str) -> str:
    """Turn Markdown into HTML, in which public names in code become links to their pages (`link_names`)."""
    soup = BeautifulSoup(markdown2html(text), "html.parser")
    link_names(soup, addresses, root)
    make_offline(soup)
    make_accessible(soup)
    return str(soup)


def link_names(soup: BeautifulSoup | Tag, addresses: Mapping[str, str], root: str) -> None:
    """Make a link of inline code that is a key of ``addresses``, with or without a bracket behind it."""
    for code in soup.find_all("code"):
        address = addresses.get(code.get_text().partition("(")[0])
        if address and not code.find_parent(["a", "pre"]):
            code.wrap(soup_tag("a", href=root + address))


def rewrite_links(soup: BeautifulSoup, source: str, places: Places) -> None:
    """Change the links of ``source`` to pages of the site or the repository. Others become plain words."""
    for link in soup.find_all("a", href=True):
        target, _, anchor = link["href"].partition("#")
        if not target or re.match(r"\w+:|//", target):
            continue
        address = places.address(target, source)
        if address is None:
            link.unwrap()
        else:
            link["href"] = address + (f"#{anchor}" if anchor else "")


def heading_text(tag: Tag) -> str:
    """The words of a heading, without the mark that nbconvert puts beside them."""
    return tag.get_text().replace("¶", "").strip()


def find_sections(parts: Iterable[Tag], anchor_of: Callable[[str], str]) -> list[Section]:
    """Divide a page by its headings. nbconvert's marks beside them become links that appear on hover or focus.

    Args:
        parts: headings and what stands between them, in order.
        anchor_of: the anchor of a heading's words; a number is added where a page has it already.
    """
    found: list[tuple[Tag, list[str]]] = []
    for part in parts:
        if part.name in ("h1", "h2", "h3"):
            found.append((part, []))
        elif found:
            found[-1][1].append(part.get_text("" if part.find("pre") else " "))
    sections: list[Section] = []
    times: dict[str, int] = {}
    for tag, texts in found:
        title = heading_text(tag)
        anchor = anchor_of(title)
        times[anchor] = times.get(anchor, -1) + 1
        anchor += f"-{times[anchor]}" if times[anchor] else ""
        tag["id"] = anchor
        for mark in tag.select("a.anchor-link"):
            mark.replace_with(soup_tag("a", "#", class_="anchor", href=f"#{anchor}", title="Link to this section"))
        sections.append(Section(int(tag.name[1]), anchor, title, " ".join(texts)))
    return sections


def soup_tag(name: str, text: str = "", **attributes: str) -> Tag:
    """A new element; ``class_`` stands for class."""
    tag = BeautifulSoup("", "html.parser").new_tag(name, attrs={k.rstrip("_"): v for k, v in attributes.items()})
    tag.string = text
    return tag


def make_offline(soup: BeautifulSoup) -> None:
    """Remove, in place, everything that a browser would run or load from another host. Name removed pictures."""
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
    """Put wide elements, in place, into frames that scroll on a phone, also by the keyboard."""
    for table in soup.find_all("table"):
        table.wrap(soup_tag("div", class_="scroll", tabindex="0", role="region", aria_label="Table"))
        frame = table.parent
        frame["aria-label"] = frame.attrs.pop("aria_label")
        for heading in table.select("thead th"):
            heading["scope"] = "col"
    for block in soup.find_all("pre"):
        block["tabindex"] = "0"


def break_names(soup: BeautifulSoup) -> None:
    """Let code in tables break behind an underscore, a slash or a point, in place, because columns are narrow.

    Call this after `find_sections`, because it divides the texts that the search finds.
    """
    empty = BeautifulSoup("", "html.parser")
    for text in [text for code in soup.select(":is(td, th) code") for text in code.find_all(string=True)]:
        first, *rest = re.split(r"(?<=[_/.])(?=\w)", text)
        text.replace_with(first, *itertools.chain.from_iterable((empty.new_tag("wbr"), part) for part in rest))
