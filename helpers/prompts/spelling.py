"""Bring texts that Unicode, HTML and Markdown allow in several spellings to one, and keep each character's place.

A reply and its options are spelled by the same rules, so that full-width letters, composed and decomposed accents,
``&lt;``, ``\\_`` and no-break spaces make no difference. Only invisible characters are left out. Superscripts stay
as they are, because 10² is not 102.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_PIECE = re.compile(
    r"(?P<entity>&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});)|\\(?P<escaped>[!-/:-@\[-`{-~])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_SPELLED_ALREADY = re.compile(r"[\x20-\x25\x27-\x5b\x5d-\x7e\n]*")  # ASCII without & and \
_QUOTES = str.maketrans("“”„‟«»‘’‚‛", '""""""' + "''''")


@dataclass(frozen=True)
class Spelled:
    """A text in one spelling: ``text``, and for each of its characters and its end the place ``at`` in ``raw``."""

    raw: str
    text: str
    at: Sequence[int]


def spell(raw: str) -> Spelled:
    """The text in one spelling. Spelling it again does not change it, except for nested escapes."""
    if _SPELLED_ALREADY.fullmatch(raw):
        return Spelled(raw, raw, range(len(raw) + 1))
    letters: list[str] = []
    places: list[int] = []
    for found in _PIECE.finditer(raw):
        piece = html.unescape(found[0]) if found["entity"] else found["escaped"] or found["other"]
        new = "".join(map(_plain, piece))
        letters.append(new)
        places += [found.start()] * len(new)
    return Spelled(raw, "".join(letters), [*places, len(raw)])


def _plain(letter: str) -> str:
    if letter == "\r" or (unicodedata.category(letter) == "Cf"):
        return ""  # invisible: soft hyphens, joiners, marks of direction and of byte order
    if unicodedata.decomposition(letter).startswith(("<super>", "<sub>")):
        return letter
    return unicodedata.normalize("NFKD", letter).translate(_QUOTES)
