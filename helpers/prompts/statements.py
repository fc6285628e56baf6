r"""Where a reply states its answer: the last place in one of the forms that MedGemma's templates ask for.

| form | who asks for it |
|---|---|
| ``Final Answer: X`` | report, Table 9 (CT, MRI, CT-RATE, yes or no, choices); official notebook (boxes) |
| ``The most likely diagnosis is: X`` | report (EyePACS, DermMCQA) |
| ``\boxed{X}`` | no template; models write it that learned from mathematics |
| ``{"final_answer": X}``, ``{"answer": X}`` | no template; users who ask for JSON |
| ``X`` and nothing else, ``Answer: X`` | no template; short replies |

Markdown, HTML, LaTeX and quotes may stand around the words and around X. Not every "final answer" states one:

- A **statement** has a colon, "=", an arrow or a line of its own, and stands where a sentence begins or is written
  as the template writes it. If no answer can be read from it the reply has none, whatever was stated before.
- A **remark** is all else: "this final answer is no substitute for a radiologist". It counts if an answer can be
  read from it ("so the final answer is yes") and is passed over if not.
- What is **withheld** ("I cannot give a final answer: ..."), an **echo** of the template ('either "Final Answer:
  yes" or "Final Answer: no"') and a **condition** ("Final Answer: yes, if ...", "If ..., final answer: yes") state
  nothing.
- Behind a statement, a **correction** counts if an answer can be read from it: "Revised answer: yes", "So the
  answer is yes", "I change my final answer to yes".
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from helpers.prompts.literals import Literal, literals_in
from helpers.prompts.remarks import (
    are_echoes,
    begins_a_sentence,
    begins_anew,
    is_changed,
    is_conditional,
    is_doubt,
    is_withheld,
)
from helpers.prompts.spelling import Spelled, spell

TAG = r"</?[a-z][^<>\n]*>"
MARK = rf"""(?:[*_`"'\#]|{TAG})"""
_MARKER = re.compile(
    rf"""
    (?: (?P<final> final (?:[\s*_`-]|{TAG}){{0,4}} answer (?![a-z]) (?:[ ]\([^()\n]{{0,40}}\) (?=\W*:))?
          (?:[ ](?:to|for|on|about|regarding)[ ](?:the|this|that|your)\b[^.,:;!?\n]{{0,60}}? (?=[ ]is\b|:))? )
      | (?P<again> (?:revised|corrected|updated|amended)[ ]answer | correction(?=\W*:)
          | \b(?:the|my)[ ](?:answer|(?:correct|right)[ ](?:answer|option|choice)) )
      | (?<!second[ -]) (?<!third[ -]) (?<!fourth[ -]) (?<!next[ -]) (?<!other[ ]) (?<!2nd[ -]) (?<!3rd[ -])
        (?<!less[ ])
        most[ ]+likely[ ]+diagnosis )
    (?P<link> (?:{MARK}|[^\S\n])*
      (?: (?P<is> (?:is|was|remains|becomes|(?:would|will|must|should|ought[ ]to)[ ]be)\b
              (?:[ ]+(?:therefore|thus|still|clearly|hence)\b)? )
          (?: (?:{MARK}|[^\S\n])* (?P<is_colon>:) )?
        | (?P<colon> [:|] | = | -> | → | ⇒ | [-–](?=[^\S\n]) | — )
        | (?P<to> (?:from[ ]\S+[ ])?to\b )
        | (?P<own_line> \n ) ) )?
    | (?P<boxed> \\ f?box(?:ed)? \s* \{{ )
    | < (?:final[_ -]?)? answer >
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(
    rf"""\s|[*_`"'(\[{{$\#]|{TAG}|\\(?:f?box(?:ed)?|text\w*|math\w+)\s*\{{|[-•](?=\s)""", re.IGNORECASE
)
_MOST_OPENINGS = 30
_LEAD = re.compile(rf"(?:{MARK}|\s)*(?:(?:the|my)\s+)?(?:correct\s+)?answer(?:{MARK}|\s)*(?:is\b\s*:?|:)", re.I)
_HEADING = re.compile(rf"(?:{MARK}|\s|\d+\.)*(?:(?:the|my)\s+)?", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[-+]?[\d.,]+\s*")
_NOTHING_MORE = re.compile(rf"(?:{MARK}|[\s.!)\]}}$])*\Z")


@dataclass(frozen=True)
class Read:
    """The answer at a place: its value (None if it contradicts itself), and where it begins and ends."""

    value: Any
    start: int
    end: int


@dataclass(frozen=True)
class Statement:
    """A stated answer: its value (None if it is not one of the expected answers), and where its words begin."""

    value: Any
    start: int


Reader = Callable[[Spelled, int], Read | None]


def last_statement(reply: str, read: Reader) -> Statement | None:
    """The last statement of an answer in a reply without its thinking trace; None if the reply states nothing.

    ``read`` gives the answer at a place of a text, or None if no answer of the expected kind stands there.
    """
    text = spell(reply)
    objects = [(found, keyed) for found in _objects(reply) if (keyed := _answer_in(found.value)) is not None]
    spans = [tuple(bisect_left(text.at, place) for place in (found.start, found.end)) for found, _ in objects]
    found = [_of_object(reply, one, value, read) for one, value in objects]
    found += [Statement(one.value, text.at[one.start]) for one in _marked(text, spans, read)]
    if found:
        return max(found, key=lambda one: one.start)
    whole = _whole(text, read)
    return whole and Statement(whole.value, text.at[whole.start])


def openings(text: str, start: int) -> list[int]:
    """Places from ``start`` on where an answer may begin: after a space, a quote or an opening mark."""
    places = [start]
    while len(places) < _MOST_OPENINGS and (found := _OPENING.match(text, places[-1])):
        places.append(found.end())
    return places


def _marked(text: Spelled, objects: list[tuple[int, ...]], read: Reader) -> list[Read]:
    """The answers that are stated with words, in order. Objects are read elsewhere."""
    found: list[tuple[re.Match[str], Read, bool]] = []  # the last value tells whether it counts
    passed = 0
    for marker in _MARKER.finditer(text.text):
        if marker.start() < passed or any(start <= marker.start() < end for start, end in objects):
            continue
        before = text.text[max(0, marker.start() - 200) : marker.start()].rpartition("\n")[2]
        stated = any(one for *_, one in found)
        if (marker["to"] and not is_changed(before)) or (
            marker["again"] and not _is_again(marker, before, stated)
        ):
            continue
        counts = not is_withheld(before, marker["is"] or "", stated=stated)
        what = read(text, marker.end())
        if what is not None and what.value is not None:
            found.append((marker, what, counts and not is_conditional(text.text, what.end)))
            passed = what.end
        elif counts and _is_binding(marker, before, text.text, what):
            found.append((marker, Read(None, marker.end(), marker.end()), True))
    echoes = {
        k + more
        for k, ((_, one, _), (marker, other, _)) in enumerate(itertools.pairwise(found))
        if one.value != other.value and are_echoes(text.text[one.end : marker.start()])
        for more in (0, 1)
    }
    return [what for k, (_, what, counts) in enumerate(found) if counts and k not in echoes]


def _is_again(marker: re.Match[str], before: str, stated: bool) -> bool:
    """Whether "the answer is", "correction:" and the like come behind a statement that they can correct."""
    linked = marker["colon"] or marker["is_colon"] or (marker["is"] or "").lower().startswith(("is", "should"))
    return bool(stated and linked and begins_anew(before))


def _is_binding(marker: re.Match[str], before: str, text: str, what: Read | None) -> bool:
    """Whether words without a readable answer are still a statement, and not a remark."""
    if marker["boxed"]:
        return not text[marker.end() :].lstrip().startswith("}")  # true for words about an empty box
    if not marker["final"] or marker["to"] or (marker["is"] or "").lower().startswith(("should", "ought")):
        return False
    first = begins_a_sentence(before, as_printed=marker["final"] == "Final Answer")
    if marker["own_line"]:
        return _HEADING.fullmatch(before) is not None
    if marker["colon"] or marker["is_colon"]:
        return first
    return bool(marker["is"]) and first and (what is not None or is_doubt(text, marker.end()))


def _whole(text: Spelled, read: Reader) -> Read | None:
    """A reply that is an answer and nothing else, or an option's letter in brackets with its words."""
    lead = _LEAD.match(text.text)
    what = read(text, lead.end() if lead else 0)
    if what is None or what.value is None:
        return None
    lettered = text.text[what.end : what.end + 2] == ") " and "\n" not in text.text.strip()
    return what if lettered or _NOTHING_MORE.match(text.text, what.end) else None


def _objects(reply: str) -> Iterator[Literal]:
    return iter(literals_in(reply)) if "answer" in reply.lower() and "{" in reply else iter(())


def _answer_in(value: Any) -> Any:
    """The value of "final_answer" in an object or in its parts, else that of "answer"; None without either."""
    answers: dict[str, Any] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            unit = next(
                (v for k, v in one.items() if str(k).lower() in ("unit", "units") and isinstance(v, str)), ""
            )
            for key, inner in one.items():
                name = re.sub(r"[\s_-]", "", str(key)).lower()
                if name in ("finalanswer", "answer"):
                    said = "" if inner is None else inner
                    if unit and isinstance(said, str) and _NUMBER.fullmatch(said):
                        said = f"{said} {unit}"
                    answers[name] = said if answers.get(name, said) == said else [answers[name], said]
            waiting += reversed(one.values())
        elif isinstance(one, list):
            waiting += one
    return answers.get("finalanswer", answers.get("answer"))


def _of_object(reply: str, found: Literal, value: Any, read: Reader) -> Statement:
    if not isinstance(value, str):
        return Statement(None, found.start)
    inner = spell(value)
    what = read(inner, 0)
    if what is None and (said := last_statement(value, read)):
        return Statement(said.value, found.start)
    place = max(reply.rfind(value, found.start, found.end), found.start)
    return Statement(what and what.value, place + (inner.at[what.start] if what and place > found.start else 0))
