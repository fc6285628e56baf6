"""The list of terms by which findings are recognised: the one beside this file, or your own."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import NamedTuple

from helpers.errors import InputError
from helpers.findings.cues import is_cue
from helpers.findings.words import GAP, SIGNS, Phrases, key, tokens

USUAL = Path(__file__).with_name("terms.txt")
_FORM = 'Write one finding a line: "pneumothorax: ptx | hydropneumothorax".'


class Term(NamedTuple):
    """The finding for which a phrase stands."""

    finding: str
    absent: bool  # the phrase itself says that the finding is not there: "normal heart size"


class Terms:
    """The findings of a list, in its order, and the phrases that name them."""

    def __init__(self, phrases: dict[tuple[str, ...], Term]) -> None:
        self.findings = tuple(dict.fromkeys(term.finding for term in phrases.values()))
        self.phrases = Phrases(phrases.items())
        self._exact = phrases

    def named(self, *words: str) -> Term | None:
        """The term for exactly these words, given as keys."""
        return self._exact.get(words)


@functools.cache
def usual_terms() -> Terms:
    """The list that comes with this package, ``terms.txt``."""
    return read_terms(USUAL)


def read_terms(path: str | os.PathLike[str]) -> Terms:
    """Read a list of terms: a UTF-8 text file with lines ``finding: synonym | synonym``, and # before remarks.

    The finding's name is a term itself. Spellings, plurals, hyphens and letter case need no synonym. ``*`` stands
    for up to two words; ``!`` before a synonym says that it states the absence: ``!normal heart size``. A finding
    may have several lines.

    Raises `InputError` that lists all faults by line: a missing colon, missing words, a term of two findings, or a
    term that is a word of negation, doubt or grammar ("none", "possible", "and").
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("This list of terms does not exist.", path=path, remedy=_FORM) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The list of terms cannot be read ({type(error).__name__}).",
            path=path,
            remedy="Check that the file may be read, and save it as UTF-8 text.",
        ) from error
    found: dict[tuple[str, ...], Term] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, colon, synonyms = line.partition(":")
        name = " ".join(name.split())
        if not colon or not name:
            problems.append(f'line {number}: there is no "finding:"')
            continue
        for words in [name, *(part for part in synonyms.split("|") if part.strip())]:
            problem = _add(found, name, words.strip())
            problems += [f"line {number}: {problem}"] if problem else []
    if problems or not found:
        listed = "".join(f"\n  {problem}" for problem in problems) or "\n  the file names no finding"
        raise InputError(f"The list of terms cannot be used:{listed}\n", path=path, remedy=_FORM)
    return Terms(found)


def _add(found: dict[tuple[str, ...], Term], name: str, words: str) -> str | None:
    """Add one term. Returns its fault, or None."""
    term = Term(name, absent=words.startswith("!"))
    phrase = tuple(
        part if part == GAP else key(token)
        for part in words.removeprefix("!").replace(GAP, f" {GAP} ").split()
        for token in ([part] if part == GAP else tokens(part)[:-1])
        if token not in SIGNS
    )
    if not phrase or GAP in (phrase[0], phrase[-1]):
        return f"{words!r} does not begin and end with a word"
    if is_cue(phrase):
        return f"{words!r} cannot be a finding, because it is a word of negation, doubt or grammar"
    if found.setdefault(phrase, term) != term:
        other = found[phrase]
        return f"{words!r} is a term of {other.finding!r} already{' as its absence' if other.absent else ''}"
    return None
