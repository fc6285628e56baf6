"""Find the findings of an English text, and whether it asserts, negates or doubts each of them.

This is own code, because the published packages do less: negspacy 1.1 (April 2026) needs spaCy (300 MB), does not
know doubt, and was right on 118 of the 182 sentences without doubt in the test of this file.

How far a cue (`helpers.findings.cues`) speaks:

- One before findings speaks of all of them up to the end of the sentence, to a word such as "but", or to a part
  behind a comma or "and" that begins anew ("no pneumothorax, small effusion"), save where an "or" goes on.
- One after findings speaks of its subject: what stands before its verb, of a list with "and" or "or" all.
- Of two cues the nearer speaks, but doubt within a negation changes nothing ("no mass suspicious for malignancy"),
  and "not without" negates nothing.
- What stands before ":" or "?" is said by what follows: "Effusion: none", "Is there a mass? Yes."
- History and requests ("history of", "rule out") say nothing of the image. "A or B", not negated, is in doubt.
"""

from __future__ import annotations

import functools

from helpers.findings.cues import Cue, Kind, State
from helpers.findings.items import NO, SPEAK, STOPS, Item, Mention, look_ahead, read_items
from helpers.findings.terms import Terms, usual_terms
from helpers.findings.words import ITEM, SIGNS

Statements = frozenset[tuple[str, str]]  # pairs of finding and state
_TURNED = {State.ASSERTED: State.NEGATED, State.NEGATED: State.ASSERTED}
_AND = Cue(Kind.AND)
_GONE = frozenset({"removal", "withdrawal", "resolution"})  # of what was there: after chest tube removal
# Words that may follow a complete statement.
_BOUND = STOPS | {",", "(", ")", "-", "|", "in", "at", "on", "given"}
_BOUND_CUES = frozenset({Kind.AND, Kind.OR, Kind.END, Kind.PLACE})
_EVIDENCE = frozenset({"evidence", "sign", "signs", "indication", "suggestion", "definite", "such", "of", "this"})
_HEADED = 8  # the most findings before one ":"
_FILLERS = frozenset({"i", "we", "see", "do", "can", "be", "it"})


@functools.lru_cache(maxsize=131_072)  # all measures and comparisons ask for the same texts
def finding_states(text: str, terms: Terms | None = None) -> Statements:
    """The findings that a text names, each as "asserted", "negated" or "uncertain".

    If the text says two things about one finding, for example about two sides, the finding occurs in both states.
    ``terms`` is a list from `helpers.findings.read_terms`; by default, the list of this package. The text must be
    in English; in other languages, no findings are found.
    """
    items = read_items(text, terms or usual_terms())
    if not any(isinstance(item, Mention) for item in items):
        return frozenset()
    pairs = ((mention.term, mention.state or State.ASSERTED) for mention in _Reader(items).read())
    return frozenset(
        (term.finding, (_TURNED.get(state, state) if term.absent else state).value)
        for term, state in pairs
        if state is not State.ASIDE
    )


class _Reader:
    """Goes through a text once, and gives each finding the state that the cues say."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.or_ahead, self.verb_in_part, self.joined_in_part = look_ahead(items)
        self.mentions: list[Mention] = []
        self.headings: list[Mention] = []  # findings before the last ":" of this line
        self.in_front: list[Mention] = []  # all findings before a ":" of this line
        self.asked: list[Mention] = []  # findings in the question before
        self.in_line = 0  # the first mention of the line
        self.lead: State | None = None  # the state that the line before a list gives to its items
        self._begin_sentence()

    def _begin_sentence(self) -> None:
        self._end_scope()
        self.outer: list[State | None] = []  # scopes around open brackets
        self.in_sentence = len(self.mentions)
        self.fresh = True  # no words since the sentence began, or since ":"
        self._begin_subject()

    def _begin_subject(self) -> None:
        self.subject: list[Mention] = []
        self.part = 0  # the beginning of the last part of the subject, after a comma
        self.joined = False  # whether "and" or "or" is in that part
        self.closed = False  # whether a verb ended the subject

    def _end_scope(self, of: State | None = None) -> None:
        """End the reach of the last cue; with ``of``, only if it gives this state."""
        if of and self.scope is not of:
            return
        self.scope: State | None = None
        self.used = True  # whether the cue has reached a finding
        self.crossed = False  # whether it has passed a comma or "and"
        self.place: int | None = None

    def read(self) -> list[Mention]:
        """All findings that the text names, with their states."""
        for at, item in enumerate(self.items):
            if isinstance(item, Mention):
                self._name(item, at)
            elif isinstance(item, Cue):
                self._heed(item, at)
            elif item in SIGNS:
                self._sign(item, at)
            elif item not in _FILLERS:
                self.fresh = False
        return self.mentions

    def _name(self, mention: Mention, at: int) -> None:
        self.fresh = False
        if self.closed:
            self._begin_subject()
        if self.crossed and mention.term.absent:
            self._end_scope()  # "no lesion, normal heart size"
        if self.place is not None and at - self.place <= 3 and self._at(at + 1) not in _GONE:
            mention.known = True
        elif self.scope and not mention.known:
            mention.state, self.used = self.scope, True
        self.place = None
        self.subject.append(mention)
        self.mentions.append(mention)

    def _heed(self, cue: Cue, at: int) -> None:
        kind = cue.kind
        if kind in SPEAK or kind is Kind.YES:
            if not self._answers(cue, at) and kind in SPEAK:
                self._speak(cue, at)
            self.fresh = False
        elif kind in (Kind.END, Kind.CAUSE):
            self._end_scope()
            self._begin_subject()
        elif kind is Kind.SPENT:
            self._end_scope(State.NEGATED)
        elif kind is Kind.WITH:
            self._end_scope(None if self._at(at - 1) in (",", "(") else State.UNCERTAIN)
        elif kind is Kind.VERB:
            self.closed = True
        elif kind in (Kind.AND, Kind.OR, Kind.NOR, Kind.VERSUS):
            self._join(kind, at)
        elif kind is Kind.PLACE:
            self.place = at

    def _answers(self, cue: Cue, at: int) -> bool:
        """Whether a cue answers the question or the heading before it."""
        state = State.ASSERTED if cue.kind is Kind.YES else cue.state
        about = self.headings or self.asked
        after = at + 1
        while cue == NO and self._at(after) in _EVIDENCE:
            after += 1
        if not (self.fresh and about and self._is_bound(after)):
            return False
        for mention in about:
            mention.state = state
        self.headings, self.asked = [], []
        return True

    def _speak(self, cue: Cue, at: int) -> None:
        """Apply a cue to the findings before it, or remember it for those behind it."""
        kind, state, last = cue.kind, cue.state, self._at(at - 1)
        assert state
        bound = self._is_bound(at + 1)
        absent = kind is Kind.EITHER and state is State.NEGATED and self.closed  # "is absent"
        back = kind is Kind.AFTER or absent or (bound and state is not State.ASIDE and kind is not Kind.INNER)
        if back and self.subject:
            for mention in self.subject if self.joined else self.subject[self.part :] or self.subject:
                mention.say(state)
            self._begin_subject()
            return
        if cue == NO and self._at(at + 1) == ",":
            return  # "No, there is a mass."
        if kind is Kind.AFTER and self._at(at + 1) != ":":
            return
        if self.scope is State.NEGATED:
            if kind is Kind.INNER and last == NO:
                self.scope = State.ASSERTED  # "not without"
                return
            if state is State.UNCERTAIN and last not in (",", "(", _AND):
                return  # "no mass suspicious for"
        elif self.scope is State.ASIDE and state is State.UNCERTAIN and not self.crossed:
            return  # "if there is concern for"
        self.scope, self.used, self.crossed, self.place = state, False, False, None

    def _join(self, kind: Kind, at: int) -> None:
        """Handle "and", "or", "nor" and "versus"."""
        self.joined, self.place = True, None
        before = self._at(at - 1)
        if kind is Kind.VERSUS and self.subject:
            before = self.subject[-1]
        if kind is Kind.NOR:
            self.scope, self.used = State.NEGATED, False
        elif kind is Kind.AND:
            following = self._kind(at + 1)
            anew = following is Kind.OPENER or (following is Kind.ARTICLE and self.verb_in_part[at + 1])
            if self.scope and self.used and anew:
                self._end_scope()
            self.crossed = True
        elif self.scope is None and isinstance(before, Mention):
            before.say(State.UNCERTAIN)
            self.scope, self.used = State.UNCERTAIN, False

    def _sign(self, sign: str, at: int) -> None:
        if sign in STOPS:
            self._stop(sign, at)
        elif sign == ITEM:
            self._begin_sentence()
            self.scope, self.used = self.lead, self.lead is None
        elif sign == ",":
            self.part, self.joined, self.place, self.crossed = len(self.subject), False, None, True
            opens = self._kind(at + 1) in (Kind.OPENER, Kind.ARTICLE) and not self.or_ahead[at + 1]
            if opens or (self.verb_in_part[at + 1] and not self.joined_in_part[at + 1]):
                self._end_scope()
        elif sign == ")":
            self.scope = self.outer.pop() if self.outer else self.scope
        else:
            self._head(at)
            if sign == "(":
                self.outer.append(self.scope)
            elif self.used:  # "no evidence of:" goes on
                self._end_scope()

    def _head(self, at: int) -> None:
        """Findings in front of ":", a dash or a bracket are a heading for what follows."""
        if isinstance(self._at(at - 1), Mention):
            last = self.subject[max(self.part, len(self.subject) - _HEADED) :]
            self.headings = [mention for mention in last if mention.state is None]
            self.in_front += self.headings
            self.fresh = True

    def _stop(self, sign: str, at: int) -> None:
        if sign == "?":
            self.asked = [m for m in self.mentions[self.in_sentence :] if m.state is not State.ASIDE]
            for mention in self.asked:
                mention.state = State.ASIDE  # unless an answer follows
        elif not self.fresh:
            self.asked = []
        if sign == "\n":
            self._end_line(leads=self._at(at - 1) == ":", listed=self._at(at + 1) == ITEM)
        self._begin_sentence()

    def _end_line(self, *, leads: bool, listed: bool) -> None:
        """End a line. If it ends in ":", its state is that of the items below. Otherwise finish its headings."""
        if not listed:
            self.lead = None
        elif leads:
            self.lead = self.scope
        if leads:
            return
        headings = set(map(id, self.in_front))
        below = {m.term.finding for m in self.mentions[self.in_line :] if id(m) not in headings}
        for heading in self.in_front:
            if heading.state is None and heading.term.finding in below:
                heading.state = State.ASIDE  # its state is in the items
        self.headings, self.in_front, self.in_line = [], [], len(self.mentions)

    def _at(self, at: int) -> Item | None:
        return self.items[at] if 0 <= at < len(self.items) else None

    def _kind(self, at: int) -> Kind | None:
        item = self._at(at)
        return item.kind if isinstance(item, Cue) else None

    def _is_bound(self, at: int) -> bool:
        return self._kind(at) in _BOUND_CUES or self._at(at) in (*_BOUND, None)
