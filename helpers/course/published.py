"""Show what was published about the real model, word for word, in notebooks that run without it.

The texts and figures stand in ``published_replies.yaml``, each with its source.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import yaml

from helpers.errors import InputError

FILE = Path(__file__).with_name("published_replies.yaml")
LABEL = "Published, not computed here"
_WIDTH = 100  # characters of a line of plain text
# Text keeps the colour of the page, and the background is transparent, so that the box fits light and dark pages.
_BOX = (
    "max-width:52em; margin:.6em 0; padding:.5em 1em; border-left:.3em solid #5a8fc4; border-radius:.3em; "
    "background:rgba(90,143,196,.13)"
)
_WORDS = "margin:.5em 0; padding:0 0 0 .8em; border-left:2px solid rgba(128,128,128,.6); white-space:pre-wrap"
_CELL = "text-align:left; padding:.15em 1.2em .15em 0; border-bottom:1px solid rgba(128,128,128,.4)"


@dataclass(frozen=True)
class Source:
    """The source of a published reply or figure."""

    title: str
    address: str
    licence: str  # of the source
    date: str  # of the publication or of the version quoted, as far as it says


@dataclass(frozen=True)
class Figures:
    """A table: rows of a task, a measure and figures, with the heads of the columns of figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Entry:
    """One published reply, sentence or table. A reply and a quote are word for word; the note is ours."""

    notebooks: Sequence[str]
    model: str
    about: str  # which images
    source: Source
    question: str = ""
    reply: str = ""
    excerpt: bool = False  # the reply is a part of a longer one
    quote: str = ""
    figures: Figures | None = None
    note: str = ""


@dataclass(frozen=True, repr=False)
class Published:
    """The published replies of a notebook: a box on a page, and the same words as plain text elsewhere."""

    entries: Sequence[Entry]

    def __repr__(self) -> str:
        return "\n\n".join(map(_plain, self.entries))

    def _repr_html_(self) -> str:
        return "".join(map(_box, self.entries))


def published_reply(notebook: str) -> Published:
    """Published replies of MedGemma on a notebook's subject, or figures if no reply was found.

    Args:
        notebook: its number as a text, "02" or "03b".

    Returns:
        At the end of a cell, a box labelled "Published, not computed here", with model, images, source and date.

    Raises:
        InputError: nothing is listed for a notebook with this number.
    """
    entries = [entry for entry in read_published() if notebook in entry.notebooks]
    if not entries:
        known = sorted({number for entry in read_published() for number in entry.notebooks})
        raise InputError(
            f"The course has no published replies for a notebook {notebook!r}.",
            remedy=f"Use one of {', '.join(known)}.",
        )
    return Published(entries)


@cache
def read_published() -> tuple[Entry, ...]:
    """All entries of the file, in its order."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(
        Entry(
            **{
                **row,
                "source": Source(**row["source"]),
                "figures": Figures(**row["figures"]) if "figures" in row else None,
            }
        )
        for row in rows
    )


def _said(entry: Entry) -> list[tuple[str, str]]:
    """The texts that are quoted word for word, each with its kind."""
    whole = "Reply, a part of it" if entry.excerpt else "Reply"
    said = (("Question", entry.question), (whole, entry.reply), ("In the authors' words", entry.quote))
    return [(name, text) for name, text in said if text]


def _plain(entry: Entry) -> str:
    lines = [f"{LABEL}: {entry.model}"]
    lines += _wrapped(f"About: {entry.about}.")
    for name, text in _said(entry):
        lines.append(f"{name}:")
        for line in text.splitlines():
            lines += _wrapped(line, indent="    ")
    if entry.figures:
        for task, measure, *values in entry.figures.rows:
            pairs = zip(entry.figures.columns, values, strict=True)
            lines.append(f"{task}, {measure}: " + ", ".join(f"{head} {value}" for head, value in pairs))
    lines += _wrapped(entry.note) if entry.note else []
    source = entry.source
    return "\n".join([*lines, f"Source: {source.title} ({source.date}; {source.licence})", source.address])


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Lines of at most _WIDTH characters, in which names with a hyphen stay whole."""
    options = {"initial_indent": indent, "subsequent_indent": indent, "break_on_hyphens": False}
    return textwrap.wrap(text, _WIDTH, break_long_words=False, **options) or [""]


def _box(entry: Entry) -> str:
    parts = [f"<p><b>{LABEL}</b><br>{escape(entry.model)}<br><small>About: {escape(entry.about)}.</small></p>"]
    for name, text in _said(entry):
        parts.append(f"<b>{name}</b><blockquote style='{_WORDS}'>{escape(text)}</blockquote>")
    if entry.figures:
        heads = "".join(f"<th scope='col' style='{_CELL}'>{escape(head)}</th>" for head in entry.figures.columns)
        parts.append(f"<table><thead><tr><td style='{_CELL}'></td>{heads}</tr></thead><tbody>")
        for task, measure, *values in entry.figures.rows:
            cells = "".join(f"<td style='{_CELL}'>{value}</td>" for value in values)
            head = f"{escape(task)}, {escape(measure)}"
            parts.append(f"<tr><th scope='row' style='{_CELL}; font-weight:normal'>{head}</th>{cells}</tr>")
        parts.append("</tbody></table>")
    if entry.note:
        parts.append(f"<p>{escape(entry.note)}</p>")
    source = entry.source
    link = f"<a href='{escape(source.address)}'>{escape(source.title)}</a>"
    parts.append(
        f"<p><small>Source: {link}, {escape(source.date)}. Licence: {escape(source.licence)}.</small></p>"
    )
    return f"<section class='published' aria-label='{LABEL}' style='{_BOX}'>{''.join(parts)}</section>"
