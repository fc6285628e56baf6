"""How an option may be spelled in a reply, and which of several options stands at a place.

An option is compared exactly first, then in looser spellings, each the same for reply and option:

1. exactly, character by character;
2. in one spelling (`helpers.prompts.spelling`), with any dash for a minus and any run of spaces for a space;
3. besides, in any case of letters;
4. besides, with or without spaces around signs and between letters and digits, and with "_" or "-" for a space
   between words: "<5mm" for "< 5 mm", "no finding" for "no_finding".

A spelling in which two options would look the same is not used for these options. If all options have letters or
numbers, such as "(A) Improved" or "1. Improved", a reply may name one by the whole text, by the letter or by the
words.
"""

from __future__ import annotations

import functools
import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from helpers.prompts.spelling import Spelled, spell

_DASHES = "-‐‑‒–—−﹣"
_LABELLED = re.compile(r"\(?(?P<label>[A-Za-z]|\d{1,2})[).:]\s+(?P<words>\S.*)")
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d_])\s*[-‐‑_]\s*(?=[^\W\d_])|(?<=[^\W_])_(?=[^\W_])")
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")


class Forms:
    """The spellings of a set of options."""

    def __init__(self, options: Sequence[str]) -> None:
        self.options = tuple(options)
        self._names = [*((option, option) for option in options), *_other_names(options)]
        levels = (self._level(pattern) for pattern in (_close, _in_any_case, _loose))
        self._patterns = [pair for level in levels for pair in level]

    def at(self, text: Spelled, start: int) -> Iterator[tuple[str, int]]:
        """Options that stand at ``start`` of ``text.text``, each with its end; the closest spelling first."""
        for name, option in self._names:
            if name and text.raw.startswith(name, text.at[start]):
                yield option, bisect_left(text.at, text.at[start] + len(name))
        for pattern, option in self._patterns:
            if found := pattern.match(text.text, start):
                yield option, found.end()

    def _level(self, pattern_of: Callable[[str], re.Pattern[str]]) -> list[tuple[re.Pattern[str], str]]:
        """A pattern of each name in one spelling. Empty if two options would look the same."""
        names = [(spell(name).text, option) for name, option in self._names]
        patterns = [(pattern_of(name), option) for name, option in names if name.strip()]
        mixed = (p.fullmatch(name) for p, option in patterns for name, other in names if other != option)
        return [] if any(mixed) else patterns


@functools.lru_cache(maxsize=256)
def forms_of(options: tuple[str, ...]) -> Forms:
    """The spellings of a set of options.

    They are cached, because a table asks the same options again and again.
    """
    return Forms(options)


def _other_names(options: Sequence[str]) -> list[tuple[str, str]]:
    """The letters and the words of options that all have a letter or number, if these differ."""
    parts = [_LABELLED.fullmatch(option) for option in options]
    if not all(parts):
        return []
    labels, words = ([_key(part[k]) for part in parts] for k in ("label", "words"))
    if len(set(labels)) < len(labels):
        return []
    out = []
    for part, option in zip(parts, options, strict=True):
        joined = [f"{part['label']}{mark}{part['words']}" for mark in (") ", ". ", ": ", " ")]
        own = [part["words"]] if len(set(words)) == len(words) and not set(words) & set(labels) else []
        out += [(name, option) for name in [part["label"], *joined, *own]]
    return out


def _key(words: str) -> str:
    return "".join(spell(words).text.casefold().split())


def _close(text: str, flags: int = 0) -> re.Pattern[str]:
    pieces = re.findall(r"\s+|\S", text)
    return re.compile("".join(r"[^\S\n]+" if piece.isspace() else _sign(piece) for piece in pieces), flags)


def _in_any_case(text: str) -> re.Pattern[str]:
    return _close(text, re.IGNORECASE)


def _loose(text: str) -> re.Pattern[str]:
    text = _BETWEEN_WORDS.sub(" ", text)
    tokens = _TOKEN.findall(text)
    gaps = ["", *(_gap(before, after) for before, after in itertools.pairwise(tokens))]
    pieces = (gap + _sign(token, plus="[+⁺]", more="⁻") for gap, token in zip(gaps, tokens, strict=True))
    return re.compile("".join(pieces), re.IGNORECASE)


def _gap(before: str, after: str) -> str:
    if before.isalpha() and after.isalpha():
        return r"(?:[^\S\n]*[-‐‑_][^\S\n]*|[^\S\n]+)"
    if before.isdigit() and after.isdigit():
        return r"(?:_|[^\S\n]+)"
    return r"[^\S\n]*_?[^\S\n]*" if before.isalnum() and after.isalnum() else r"[^\S\n]*"


def _sign(letter: str, plus: str = r"\+", more: str = "") -> str:
    if letter in _DASHES:
        return f"[{_DASHES}{more}]"
    return plus if letter == "+" else re.escape(letter)
