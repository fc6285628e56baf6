"""Divide a report's text into words and signs in one spelling, and find phrases among them.

Letter case, Unicode forms, accents, hyphens, Markdown and wrapped lines make no difference. A line break ends a
sentence, unless the line before is unfinished ("no evidence of"), or long as wrapped text is.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")
GAP = "*"  # stands for up to two words in a phrase
ITEM = "•"  # stands at the beginning of an item of a list
SIGNS = frozenset(".;:!?,()|-\n/" + ITEM)
_NO_GAP = SIGNS | {"no", "not", "without", "and", "or", "nor", "but", "with"}
_WRAPPED = 60  # a line with this many letters may continue on the next line
_UNSEEN = re.compile(r"[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_BULLET = re.compile(r"\s*(?:[-*+•‣▪◦·–—]|\(?\d{1,2}[.)])\s+(?=\S)")
_UNFINISHED = re.compile(r"(?:,|\b(?:of|or|and|nor|the|an?|without|with|for|from|any|to|in|is|are|was|were))$")
_SPELLED = (  # words with several spellings
    (re.compile(r"\b(?:can['’]t|cannot)\b"), "can not"),
    (re.compile(r"n['’]t\b"), " not"),
    (re.compile(r"\b(e)\.\s?(g)\.|\b(i)\.\s?(e)\.|\b(vs|approx|dr|resp)\."), r"\1\2\3\4\5"),
    (re.compile(r"\bh\. ?(?=pylori\b)"), "h "),
    (re.compile(r"(?<![\w-])[-–−](?=ve\b)"), "negati"),
    (re.compile(r"(?<![\w+])\+(?=ve\b)"), "positi"),
    (re.compile(r"\(\s*[-–−]\s*\)"), "(negative)"),
    (re.compile(r"\(\s*\+\s*\)"), "(positive)"),
    (re.compile(r"\b(?:0|zero|none)(?: ?/ ?| (?:out )?of )\d+\b(?: positive(?: for)?)?"), "none in"),
)
_TOKEN = re.compile(
    r"\b(?:w/o|r/o|h/o|s/p|and/or)\b|\d+(?:[.,]\d+)+|[^\W_]+|[.;:!?,()|/•]|(?:(?<=\s)[-–]+(?=\s)|—)"
)
_SINGULAR = (  # the first rule that fits is used; some are Latin and Greek plurals
    (re.compile(r"(?<=.)mata$"), "ma"),
    (re.compile(r"(?<=thor)aces$"), "ax"),
    (re.compile(r"(?<=o)ses$|(?<=[sc]ta)ses$"), "sis"),
    (re.compile(r"(?<=...)i$"), "us"),
    (re.compile(r"(?<=..)ae$"), "a"),
    (re.compile(r"(?<=..)ies$"), "y"),
    (re.compile(r"(?<=ss)es$|(?<=x)es$|(?<=[cs]h)es$"), ""),
    (re.compile(r"(?<=[^\Wsui])s$"), ""),
)
_BRITISH = ((re.compile(r"[ao]e"), "e"), (re.compile(r"(?<=..)our(?=s?$)"), "or"))


def tokens(text: str) -> list[str]:
    """The words and signs (`SIGNS`) of a text, in order, case-folded. The end of a line is also a sign."""
    found: list[str] = []
    for line in _lines(_folded(text)):
        for pattern, new in _SPELLED:
            line = pattern.sub(new, line)
        found += ("-" if token[0] in "-–—" else token for token in _TOKEN.findall(line))
        found.append("\n")
    return found


@functools.lru_cache(maxsize=65_536)
def key(word: str) -> str:
    """One key for all spellings of a word, singular or plural, such as "haemorrhages" and "hemorrhage"."""
    for pattern, new in _SINGULAR:
        word, changed = pattern.subn(new, word)
        if changed:
            break
    for pattern, new in _BRITISH:
        word = pattern.sub(new, word)
    return word


class Phrases(Generic[Value]):
    """Phrases of words, each with a value. The longest phrase that begins at a place is found."""

    def __init__(self, phrases: Iterable[tuple[Sequence[str], Value]]) -> None:
        self._root: _Node[Value] = _Node()
        for words, value in phrases:
            node = self._root
            for word in words:
                node = node.then.setdefault(word, _Node())
            node.value = value

    def begin(self, word: str) -> bool:
        """Whether any phrase begins with a word."""
        return word in self._root.then

    def at(self, words: Sequence[str], start: int) -> tuple[int, Value | None]:
        """The end of the longest phrase that begins at ``start``, and its value; -1 and None without one."""
        node = self._root.then.get(words[start])
        return (-1, None) if node is None else node.longest(words, start + 1)


class _Node(Generic[Value]):
    """A node of the tree of phrases: the value of a phrase that ends here, and the next words."""

    def __init__(self) -> None:
        self.value: Value | None = None
        self.then: dict[str, _Node[Value]] = {}

    def longest(self, words: Sequence[str], at: int) -> tuple[int, Value | None]:
        """The end of the longest phrase that continues at ``at``, and its value."""
        best = (-1, None) if self.value is None else (at, self.value)
        if at < len(words) and (node := self.then.get(words[at])):
            best = max(best, node.longest(words, at + 1), key=_end)
        if gap := self.then.get(GAP):
            for skipped in range(3):
                if at + skipped < len(words) and (node := gap.then.get(words[at + skipped])):
                    best = max(best, node.longest(words, at + skipped + 1), key=_end)
                if at + skipped >= len(words) or words[at + skipped] in _NO_GAP:
                    break
        return best


def _end(found: tuple[int, object]) -> int:
    return found[0]


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return _UNSEEN.sub("", text).replace("œ", "oe").replace("æ", "ae")


def _lines(text: str) -> Iterator[str]:
    """The lines before wrapping, without Markdown. Items of a list begin with `ITEM`."""
    held: list[str] = []
    for raw in text.splitlines():
        item = _BULLET.match(raw)
        line = (raw[item.end() :] if item else raw).strip(" \t*_#>`|").replace("*", "").replace("`", "")
        if held and (not line or item or not _goes_on(held[-1])):
            yield " ".join(held)
            held = []
        if line:
            held.append(f"{ITEM} {line}" if item else line)
    if held:
        yield " ".join(held)


def _goes_on(line: str) -> bool:
    return bool(_UNFINISHED.search(line[-10:])) or (len(line) >= _WRAPPED and line[-1] not in ".;:!?|")
