"""Read JSON as models write it, with faults, and name each fault.

The scanner finds lists and objects in a text that may have words and code fences around them. Numbers and other
single values stay text, spelled as in the reply. Where the text breaks the rules of JSON but can only mean one
thing, the scanner reads it and notes the fault. If the text ends too early, the scanner leaves out the last value,
because ``12`` may have been the beginning of ``125``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "«": "»"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_NOTHING = {"null", "None", "none", "NaN", "nan", "undefined", "N/A", "n/a"}
_JSON_WORDS = {"null", "true", "false"}
_FENCE = "```"
_DEPTH = 12  # the deepest nesting of lists and objects; a usual reply has two
_SPACE = re.compile(r"\s+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DECIMALS = re.compile(r",[0-9]+(?=\s*[,}\n])")  # matches ",3" in {"value": 5,3}; no key can begin like this
_BARE = re.compile(r"[^,\[\]{}\"\n:`]+")
_KEY = re.compile(r"[\w .-]+?(?=\s*:)")


@dataclass
class Found:
    """A list or object of a text, and the faults that were mended outside of its objects."""

    value: Any  # lists, `Entry` objects, texts and None
    mended: list[str] = field(default_factory=list)
    cut: bool = False  # whether the text ends before the value does


class Entry(dict):
    """An object, and the faults that were mended in it."""

    def __init__(self) -> None:
        super().__init__()
        self.mended: list[str] = []
        self.cut = False  # whether the text ends before the object does


class _EndError(Exception):
    """The text ends in the middle of a value."""


def scan_json(text: str) -> list[Found]:
    """The outermost lists and objects of a text, in order. Never raises."""
    found, at = [], 0
    while (start := re.compile(r"[\[{]").search(text, at)) is not None:
        scanner = _Scanner(text, start.start())
        try:
            value = scanner.value()
        except (_EndError, ValueError):
            at = start.end()
            continue
        found.append(Found(value, scanner.outside, scanner.cut))
        at = scanner.at
    return found


class _Scanner:
    """Reads one value that begins at a place of the text, and moves the place behind it."""

    def __init__(self, text: str, start: int) -> None:
        self.text, self.at, self.cut = text, start, False
        self.outside: list[str] = []
        self.open: list[Entry] = []  # the objects that are open at this place
        self.depth = 0

    def value(self, *, in_object: bool = False) -> Any:
        """The value that begins here. Raises ValueError if there is none, and `_EndError` if the text ends."""
        sign = self._peek()
        if sign not in "[{":
            return self._quoted() if sign in _QUOTES else self._bare(in_object)
        self.depth += 1
        if self.depth > _DEPTH:
            raise ValueError("too deep")
        value = self._list() if sign == "[" else self._object()
        self.depth -= 1
        return value

    def _mend(self, what: str) -> None:
        told = self.open[0].mended if self.open else self.outside
        if what not in told:
            told.append(what)

    def _peek(self) -> str:
        """The next character that is neither space nor comment. A code fence counts as the end of the text."""
        while found := _SPACE.match(self.text, self.at):
            if found[0].startswith("/"):
                self._mend("a comment was left out")
            self.at = found.end()
        if self.at >= len(self.text) or self.text.startswith(_FENCE, self.at):
            raise _EndError
        return self.text[self.at]

    def _list(self) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        try:
            while self._peek() != "]":
                start, opened, depth = self.at, len(self.open), self.depth
                try:
                    items.append(self.value())
                    self._separator("]")
                except ValueError:
                    following = self.text.find("{", start + 1) if not opened else -1
                    if following < 0 and not items:
                        raise
                    del self.open[opened:]
                    if following < 0:
                        self._mend("what follows the last whole row could not be read")
                        self.cut, self.at = True, len(self.text)
                        return items
                    self.depth = depth
                    self._mend("a row that could not be read was left out")
                    self.at = following
            self.at += 1
        except _EndError:
            self.cut = True
            self._mend("the list was not closed")
        return items

    def _object(self) -> Entry:
        self.at += 1
        entry = Entry()
        self.open.append(entry)
        try:
            while self._peek() not in "}]":
                self._pair(entry)
                self._separator("}")
            if self.text[self.at] == "]":
                self._mend("the object was not closed")
            else:
                self.at += 1
        except _EndError:
            self.cut = self.open[0].cut = True
            self._mend("the text ends in the middle of it")
        self.open.pop()
        return entry

    def _pair(self, entry: Entry) -> None:
        key = self._key()
        if self._peek() != ":":
            raise ValueError("no colon behind a key")
        self.at += 1
        value = self.value(in_object=True)
        if key not in entry:
            entry[key] = value
        elif entry[key] == value:
            self._mend(f"{key} stands twice")
        else:
            self._mend(f"{key} stands twice, and the first was taken: the second is {value!r}")

    def _separator(self, end: str) -> None:
        sign = self._peek()
        if sign == ",":
            self.at += 1
            while self._peek() == ",":
                self._mend("a comma too many")
                self.at += 1
            if self._peek() == end:
                self._mend("a comma too many")
        elif sign != end and not (sign == "]" and end == "}"):
            if sign not in "{[" and sign not in _QUOTES and not sign.isalnum():
                raise ValueError(f"{sign!r} between values")
            self._mend("a comma too few")

    def _key(self) -> str:
        if self._peek() in _QUOTES:
            return self._quoted()
        found = _KEY.match(self.text, self.at)
        if not found:
            raise _EndError if re.compile(r"[\w .-]*\Z").match(self.text, self.at) else ValueError("no key")
        self._mend("a key without quotes")
        self.at = found.end()
        return found[0].strip()

    def _quoted(self) -> str:
        opening = self.text[self.at]
        closing = _QUOTES[opening]
        if opening != '"':
            self._mend("quotes that are not JSON's")
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            sign = self.text[self.at]
            self.at += 1
            if sign == "\\":
                out.append(self._escaped())
            elif sign == closing and not (closing in "'’" and re.compile(r"\w").match(self.text, self.at)):
                return "".join(out)  # an apostrophe within a word does not close the text
            else:
                if sign == "\n":
                    self._mend("a line break in a text")
                out.append(sign)
        raise _EndError

    def _escaped(self) -> str:
        sign = self.text[self.at : self.at + 1]
        self.at += 1
        if sign == "u":
            digits = self.text[self.at : self.at + 4]
            if re.fullmatch(r"[0-9a-fA-F]{4}", digits):
                self.at += 4
                code = int(digits, 16)
                return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)
        if sign not in '"\\/' and sign not in _ESCAPES:
            self._mend(f"a backslash before {sign}")
        return _ESCAPES.get(sign, sign)

    def _bare(self, in_object: bool) -> str | None:
        found = _BARE.match(self.text, self.at)
        if not found:
            raise ValueError("no value")
        word, self.at = found[0].strip(), found.end()
        if in_object and word.lstrip("<>=≤≥~+- ").isdigit() and (rest := _DECIMALS.match(self.text, self.at)):
            word, self.at = word + rest[0], rest.end()
        if self.at >= len(self.text) or self.text.startswith(_FENCE, self.at):
            raise _EndError
        if word in _NOTHING:
            if word not in _JSON_WORDS:
                self._mend(f"{word} was read as nothing")
            return None
        if word not in _JSON_WORDS and not _NUMBER.fullmatch(word):
            self._mend(f"{word} stands without quotes")
        return word
