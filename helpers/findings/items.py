"""Split a text into findings, cues, and the words and signs between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from helpers.findings.cues import CUES, Cue, Kind, State
from helpers.findings.terms import Term, Terms
from helpers.findings.words import SIGNS, key, tokens

STOPS = frozenset(".;!?\n")  # signs that end a sentence
SPEAK = frozenset({Kind.BEFORE, Kind.INNER, Kind.AFTER, Kind.EITHER})  # cues that say whether a finding is there
NO = Cue(Kind.BEFORE, State.NEGATED)


@dataclass(eq=False)
class Mention:
    """A finding where the text names it."""

    term: Term
    state: State | None = None  # None: the text only names it, which asserts it
    known: bool = False  # True if it is there whatever the text says of other findings: "within the mass"

    def say(self, state: State) -> None:
        """Set the state. Doubt does not replace a negation, and nothing changes the state of history."""
        if not (self.known or self.state in (State.NEGATED, State.ASIDE)):
            self.state = state


Item = str | Cue | Mention  # a word or sign, a cue, or a finding of a text


def read_items(text: str, terms: Terms) -> list[Item]:
    """Read a text as words, findings and cues. Empty if the text names no finding."""
    words = [part for word in tokens(text) for part in _without_non(word, terms)]
    keys = [word if word in SIGNS else key(word) for word in words]
    items: list[Item] = []
    if not any(map(terms.phrases.begin, keys)):
        return items
    at = 0
    while at < len(words):
        term_end, term = terms.phrases.at(keys, at) if terms.phrases.begin(keys[at]) else (-1, None)
        cue_end, cue = CUES.at(words, at) if CUES.begin(words[at]) else (-1, None)
        if term and term_end >= cue_end:
            items += _shared(keys, at, term_end, terms)
            denied = at > 0 and words[at - 1] == "non"  # "non-calcified nodule" denies only "calcified"
            items.append(Mention(term, State.NEGATED, known=True) if denied else Mention(term))
            at = term_end
            if term.absent and words[at] in ("of", "for", "from", "by"):
                items.append(NO)  # "margins are free of tumour" also speaks of tumour
        elif cue:
            items.append(cue)
            at = cue_end
        else:
            items.append(words[at])
            at += 1
    return items


def _without_non(word: str, terms: Terms) -> Sequence[str]:
    """A word, divided after "non" if only the rest begins a finding, as in "nonenhancing"."""
    begins = terms.phrases.begin
    if word.startswith("non") and not begins(key(word)) and begins(key(word[3:])):
        return "non", word[3:]
    return (word,)


def _shared(keys: Sequence[str], start: int, end: int, terms: Terms) -> Iterable[Item]:
    """The finding that shares its last word with the next one, as in "pleural or pericardial effusion"."""
    if end - start < 2 or start < 2 or keys[start - 1] not in ("and", "or", "and/or"):
        return []
    term = terms.named(keys[start - 2], keys[end - 1])
    return [Mention(term), Cue(Kind.AND)] if term else []


def look_ahead(items: Sequence[Item]) -> tuple[list[bool], list[bool], list[bool]]:
    """For each place: whether "or" follows before a verb or another cue, and whether a verb, "and" or "or" follows
    before a comma.
    """
    size = len(items) + 1
    or_ahead, verb_in_part, joined_in_part = [False] * size, [False] * size, [False] * size
    goes_on = verb = joined = False
    for at in range(len(items) - 1, -1, -1):
        item = items[at]
        kind = item.kind if isinstance(item, Cue) else None
        if item in STOPS if isinstance(item, str) else kind in (Kind.END, Kind.CAUSE):
            goes_on = verb = joined = False
        elif item == ",":
            verb = joined = False
        elif kind is Kind.VERB:
            verb, goes_on = True, False
        elif kind in (Kind.OR, Kind.NOR):
            goes_on = joined = True
        elif kind is Kind.AND:
            joined = True
        elif kind in SPEAK:
            goes_on = False
        or_ahead[at], verb_in_part[at], joined_in_part[at] = goes_on, verb, joined
    return or_ahead, verb_in_part, joined_in_part
