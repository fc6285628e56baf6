"""Write a question in other words, and write the question with the opposite answer.

What is reworded is one sentence that asks whether something is there, or is of a kind ("Is there X in the
volume?", "Does the image show X?", "Is this a X?"). A question without such a sentence, or with more than one,
stays as it is and gets other words around it: what it means is then not touched. It has no opposite either, since
a negation of words that are not understood could be wrong without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from helpers.prompts import CHANGE_QUESTION, CHOICE_QUESTION, CT_QUESTION, CT_RATE_QUESTION, YES_NO_QUESTION

EACH = 5  # of each question, so that the share of cases that flip in any of them can be compared
YES_NO = {"yes", "no"}
# Words for a change over time that turn round when the two images are exchanged.
TURNED = {"improved": "worsened", "better": "worse", "smaller": "larger", "decreased": "increased"}
TURNED |= {after: before for before, after in TURNED.items()}
TURNED |= {same: same for same in ("stable", "unchanged", "no change")}
# How the templates ask for the form of an answer, each from behind its question on.
_FORMS = [
    template.rpartition(last)[2].strip()
    for template, last in (
        (CT_QUESTION, "?"),
        (CT_RATE_QUESTION, "?"),
        (YES_NO_QUESTION, "{question}"),
        (CHOICE_QUESTION, "{question}"),
        (CHANGE_QUESTION, "?"),
    )
]

_QUOTED = re.compile(r"\"[^\"]*\"|'Final Answer: [^']*'")
_THING = r"(?P<thing>\"[^\"?]+\"|[^\"?.;:,]+?)"
_PLACE = r"(?P<place>(?:the|this|these)\s[^\"?.;:,]+?)"
_THERE = re.compile(rf"\b(?:is|are) there (?:any )?{_THING}(?: (?P<in>in|on) {_PLACE})?\?", re.IGNORECASE)
_SHOWS = re.compile(rf"\b(?:does|do) {_PLACE} (?:show|contain) (?:any )?{_THING}\?", re.IGNORECASE)
_IS_A = re.compile(r"\bis this (?P<thing>an? [^\"?.;:,]+?)\?", re.IGNORECASE)
# A thing that holds one of these is a clause of its own, or turned already, or begins with a word on the question.
_CLAUSE = re.compile(
    r"\b(?:is|are|was|were|does|do|did|has|have|can|could|if|whether|no|not|nothing|neither|without|absence)\b"
    r"|^(?:still|also|now|already|really|perhaps|likely|currently|only|just|in|on|at)\b",
    re.IGNORECASE,
)
# Free of "A and B", "more than one", "3 nodules", "another lesion": one reader takes it so, another otherwise.
_UNCLEAR = re.compile(
    r"\b(?:and|non|more|less|fewer|most|least|than|only|all|every|each|both|either|always|never|absent|other|another|"
    r"except|free|enough|else|something|single|one|two|three|four|five|several|multiple|many|few)\b|^\d",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Asking:
    """The sentence of a question that asks for something, and where it stands."""

    start: int
    end: int
    sentence: str
    thing: str
    where: str  # " in the CT volume", or ""
    place: str  # "the CT volume", or ""
    of_kind: bool  # "Is this a X?", not "Is there X?"

    def ways(self) -> Iterator[str]:
        """Sentences that ask the same; that of the question may be among them."""
        if self.of_kind:
            yield f"Would you call this {self.thing}?"
            yield f"Is it {self.thing} that you see here?"
            yield f"Does this show {self.thing}?"
            yield f"Can this be described as {self.thing}?"
        else:
            if (
                self.place and len(self.place.split()) <= 3 and not self.place.endswith("s")
            ):  # else it may be several
                yield f"Does {self.place} show {self.thing}?"
            yield f"Do you see {self.thing}{self.where}?"
            yield f"Can {self.thing} be seen{self.where}?"
            yield f"Is this a case with {self.thing}{self.where}?"
            yield f"Would a reader find {self.thing}{self.where}?"

    def opposites(self) -> dict[str, str]:
        """Sentences whose answer is no if the answer to the question is yes, by name; empty if unclear."""
        if _UNCLEAR.search(f"{self.thing} {self.place}"):
            return {}
        if self.of_kind:
            return {"other than": f"Is this something other than {self.thing}?"}
        free = f"Would you call {self.place or 'what you see'} free of {self.thing}?"
        return {"free of": free, "without": f"Is this a case without {self.thing}{self.where}?"}


def other_wordings(question: str, options: Sequence[str]) -> dict[str, str]:
    """`EACH` other wordings of a question with these options, all with its meaning, each by its name.

    Three say in other words what is asked, where that is understood. The others say the same politely, as a
    colleague would, after a request to look closely, with another sentence about the form of the answer, or with
    the options the other way round.
    """
    found = _asking(question, options)
    asked = [way for way in found.ways() if way.lower() != found.sentence.lower()][:3] if found else []
    out = {f"other words {k}": _with(question, found, way) for k, way in enumerate(asked, start=1)}
    framed = {
        "polite": f"Please answer the following question. {question}",
        "options turned": _options_turned(question, options),
        "colleague": f"A colleague asks you this. {question}",
        "look closely": f"Look closely before you answer. {question}",
        "other form": _other_form(question, options),
    }
    return out | dict(list(framed.items())[: EACH - len(out)])


def opposite_questions(question: str, options: Sequence[str]) -> dict[str, str]:
    """Questions that are answered yes where ``question`` is answered no, and no where yes, each by its name.

    None unless the options are yes and no and it is clear what is asked.
    """
    found = _asking(question, options)
    return {name: _with(question, found, way) for name, way in found.opposites().items()} if found else {}


def asked_sentence(question: str, options: Sequence[str]) -> str:
    """What tells whether two questions ask the same, whatever the patient history beside it: the sentence that
    asks, in small letters, or the whole question where none is found."""
    found = _asking(question, options)
    return found.sentence.lower() if found else question


def turned_answers(options: Sequence[str]) -> dict[str, str]:
    """What each option becomes when two images of one patient are exchanged: worsened for improved.

    Empty unless all are words for a change over time, with or without a letter: "(A) Improved".
    """
    words = {re.sub(r"^\(?[a-z0-9]{1,2}[).:]\s+", "", option.strip().lower()): option for option in options}
    turned = {option: words.get(TURNED.get(word, "")) for word, option in words.items()}
    known = len(words) == len(options) and all(turned.values()) and any(a != b for a, b in turned.items())
    return {option: str(other) for option, other in turned.items()} if known else {}


def _asking(question: str, options: Sequence[str]) -> Asking | None:
    """The one sentence that asks for something; None where there is none, or another question beside it."""
    if set(options) != YES_NO:
        return None
    found = [match for pattern in (_THERE, _SHOWS, _IS_A) for match in pattern.finditer(question)]
    if len(found) != 1:
        return None
    (match,) = found
    rest = _QUOTED.sub("", question[: match.start()]) + _QUOTED.sub("", question[match.end() :])
    parts = match.groupdict()
    thing, place = parts["thing"], parts.get("place") or ""
    if "?" in rest or _CLAUSE.search(thing.strip('"')) or _CLAUSE.search(place):
        return None
    where = f" {parts.get('in') or 'in'} {place}" if place else ""
    return Asking(*match.span(), match[0], thing, where, place, match.re is _IS_A)


def _with(question: str, found: Asking, sentence: str) -> str:
    """The question with another sentence in the place of the one found, in small letters where that was."""
    if found.sentence[0].islower():
        sentence = sentence[0].lower() + sentence[1:]
    return question[: found.start] + sentence + question[found.end :]


def _options_turned(question: str, options: Sequence[str]) -> str:
    """The question with its options listed the other way round, as it lists them, or in a sentence of its own."""
    for said in ("{}", '"{}"', "'{}'", '"Final Answer: {}"', "'Final Answer: {}'"):
        names = [said.format(option) for option in options]
        for order in (names, names[::-1]):
            for listed in (", ".join, _with_or):
                found = list(re.finditer(rf"(?<!\w){re.escape(listed(order))}(?!\w)", question))
                if len(found) == 1:
                    return question[: found[0].start()] + listed(order[::-1]) + question[found[0].end() :]
    return f"{question} These can be answered, in no order: {_with_or(list(options)[::-1])}."


def _other_form(question: str, options: Sequence[str]) -> str:
    """The question with another sentence about the form of its answer: in the place of a template's, or added."""
    asked = next((question.removesuffix(form) for form in _FORMS if question.endswith(form)), f"{question} ")
    return f'{asked}End your reply with "Final Answer: " and one of these: {_with_or(list(options))}.'


def _with_or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
