"""Make questions about a whole record, and compute their answers from its entries.

They ask for facts that people look up in a record: the newest value of a test, the year in which a disease began,
whether a drug is still active, whether a procedure was done, and whether a disease is the patient's own. The wrong
options of a question come from the same record, where they are right for something else. The project wrote the
words of the questions; MedGemma was not trained on them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from helpers.ehr.kinds import NAMELESS, UNCLEAR, Entry
from helpers.ehr.patient_history import History
from helpers.errors import InputError
from helpers.prompts import check_options, closed_question, number_question, parse_final_answer, parse_number

YES_NO = ("yes", "no")
_OPTIONS = 5  # of a question, at most


@dataclass(frozen=True)
class RecordQuestion:
    """One question about a record. Its answer is one of the options, or a count."""

    kind: str  # "newest value", "first year", "active drug", "done", "own disease", "count"
    question: str
    options: tuple[str, ...]  # empty for a count
    answer: str

    def prompt(self, history: str) -> str:
        """The prompt: the history, then the question with the form in which the answer has to be written."""
        asked = closed_question(self.question, self.options) if self.options else number_question(self.question)
        return f"This is the record of one patient, newest entry first.\n{history}\n\n{asked}"

    def read(self, reply: str) -> str | None:
        """The answer in a reply, one of the options or a count. None where no answer can be read."""
        if self.options:
            return parse_final_answer(reply, self.options)
        number = parse_number(reply)
        return None if number is None else f"{number:g}"


def record_questions(history: History) -> list[RecordQuestion]:
    """All questions of these kinds that a history can answer without doubt, in a fixed order.

    If an entry has no date, or a date that may be before or after another one, there is no question that depends
    on it.
    """
    questions = [*_tests(history), *_first_years(history), *_drugs(history), *_procedures(history)]
    return [one for one in [*questions, *_own_diseases(history)] if _can_be_read(one)]


def _can_be_read(question: RecordQuestion) -> bool:
    try:
        check_options(question.options or YES_NO)
    except InputError:
        return False
    return True


def _named(history: History, *kinds: str) -> dict[str, list[Entry]]:
    """The entries of these kinds, grouped by name, newest first."""
    found: dict[str, list[Entry]] = {}
    for entry in history.entries:
        if entry.kind in kinds:
            found.setdefault(entry.name, []).append(entry)
    return found


def _newest(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that may be the newest. 2020 may be before or after May 2020; a missing date may be any."""
    newest = entries[0].when
    if newest is None or entries[-1].when is None:
        return list(entries)
    return [entry for entry in entries if newest.text.startswith(entry.when.text)]


def _tests(history: History) -> Iterator[RecordQuestion]:
    for name, every in _named(history, "Observation").items():
        entries = [entry for entry in every if entry.value]
        if _are_several_tests(entries):
            continue
        values = list(dict.fromkeys(entry.value for entry in entries))[:_OPTIONS]
        if len(values) > 1 and len({entry.value for entry in _newest(entries)}) == 1:
            options = tuple(sorted(values))
            yield RecordQuestion("newest value", f"What is the newest value of {name}?", options, entries[0].value)
        if len(entries) > 1:
            asked = f"How many times does the record have a value of {name}?"
            yield RecordQuestion("count", asked, (), str(len(entries)))


def _are_several_tests(entries: Sequence[Entry]) -> bool:
    """Whether entries of one name may be of several tests: by their codes, specimens or parts of the body, or
    because the same number is spelled in two ways.
    """
    coded = [entry.codings for entry in entries if entry.codings]
    apart = any(not one & other for one, other in itertools.combinations(coded, 2))
    values = {entry.value for entry in entries}
    return apart or len({entry.place for entry in entries}) > 1 or len(set(map(_number_of, values))) < len(values)


def _number_of(value: str) -> str:
    """A value with its number in one spelling: 4.50 mmol/L and 4.5 mmol/L are the same."""
    return re.sub(r"(?<![\w.])\d+\.\d+", lambda found: found[0].rstrip("0").rstrip("."), value)


def _first_years(history: History) -> Iterator[RecordQuestion]:
    named = _named(history, "Condition").items()
    years = {name: entries[-1].when.year for name, entries in named if entries[-1].when}
    for name, year in years.items():
        others = sorted({other for other in years.values() if other != year})[: _OPTIONS - 1]
        if others:
            asked = f"Which is the earliest year that the record has for {name}?"
            yield RecordQuestion("first year", asked, tuple(sorted([year, *others])), year)


def _drugs(history: History) -> Iterator[RecordQuestion]:
    for name, entries in _named(history, "Prescription", "Medication").items():
        newest = _newest(entries)
        states = {entry.state == "active" for entry in newest}
        if len(states) == 1 and all(entry.state != UNCLEAR for entry in newest) and name != NAMELESS:
            asked = f"By the newest entry about it, is {name} active?"
            yield RecordQuestion("active drug", asked, YES_NO, "yes" if states == {True} else "no")


def _procedures(history: History) -> Iterator[RecordQuestion]:
    for name, entries in _named(history, "Procedure").items():
        states = {entry.state for entry in entries}
        if states <= {"completed", "not-done"}:
            asked = f"Was this procedure done: {name}?"
            yield RecordQuestion("done", asked, YES_NO, "yes" if "completed" in states else "no")


def _own_diseases(history: History) -> Iterator[RecordQuestion]:
    """Questions about diseases that the patient has for certain, and about those that only a relative has."""
    own = [entry for entry in history.entries if entry.kind == "Condition"]
    relatives = {name: known for entry in history.entries for name, known in entry.diseases}
    answers = {
        name: "no" for name, known in relatives.items() if not any(_may_be_one(name, known, each) for each in own)
    }
    answers |= {entry.name: "yes" for entry in own if entry.is_certain and entry.state == "active"}
    for name, answer in answers.items():
        yield RecordQuestion("own disease", f"Is this a disease of the patient: {name}?", YES_NO, answer)


def _may_be_one(name: str, known: frozenset[str], own: Entry) -> bool:
    """Whether a relative's disease may be one of the patient's: they share a code, or all words of one name."""
    words, others = ({*re.findall(r"\w+", each.casefold())} for each in (name, own.name))
    return bool(known & own.codings) or words <= others or others <= words
