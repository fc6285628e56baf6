"""Write the history of a patient: the entries of a record, newest first, as text within a budget of tokens."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from helpers.ehr.bundle import read_bundle
from helpers.ehr.identity import HIDDEN, Identity
from helpers.ehr.kinds import Entry, NotTold, read_entry
from helpers.ehr.words import When, read_when
from helpers.errors import InputError, check_count
from helpers.prompts import RESERVED

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_OLD = 90  # years; people of this age are so few that the age may identify somebody


@dataclass(frozen=True)
class History:
    """The facts that a record holds about its patient, without name, address or identifiers."""

    path: Path
    patient: str  # sex and age at the newest entry, as far as the record has them
    entries: tuple[Entry, ...]  # allergies, then the others, newest first; entries without a date come last
    not_told: dict[str, int]  # the reason or the kind of resource -> how many
    is_part: bool = False  # whether the file is one page of several
    hidden: int = 0  # entries in which a word was withheld, because it names or finds a person

    @property
    def notes(self) -> list[str]:
        """One sentence about everything that the text leaves out or hides."""
        notes = [f"Not told: {n} {why}." for why, n in self.not_told.items()]
        if self.hidden:
            notes.append(f"A word that names or finds a person was withheld in {self.hidden} of the entries.")
        return [*notes, *(["The file is one page of a record that has more."] if self.is_part else [])]

    def text(
        self,
        max_tokens: int | None = None,
        *,
        count: Callable[[str], int] | None = None,
        kinds: Sequence[str] | None = None,
    ) -> str:
        """The history as plain text: a line for the patient, one for each entry, and one for each thing left out.

        Args:
            max_tokens: the most tokens that the text may have. Entries without a date are left out first, then the
                oldest. By default, the text has all entries.
            count: a function that counts the tokens of a text, such as ``chat.count_tokens``. ``max_tokens`` needs
                it.
            kinds: the kinds of entries to tell, such as "Condition"; by default all. The text names the other
                kinds that the record has.

        Raises:
            InputError: only one of ``max_tokens`` and ``count`` is given, the budget is too small for the
                patient's line, or the record has no entry of this kind.
        """
        if (max_tokens is None) != (count is None):
            raise InputError(
                "A limit of tokens needs a function that counts them, but only one of the two was given.",
                remedy="Give both.",
            )
        chosen = self._of(kinds)
        if max_tokens is None or count is None:
            return self._told(chosen, len(chosen))
        check_count(
            max_tokens, f"The text cannot have {max_tokens!r} tokens.", remedy="Give a whole number, 1 or more."
        )

        def fits(n: int) -> bool:
            try:
                return count(self._told(chosen, n)) <= max_tokens
            except InputError:  # a model's count refuses a text that is longer than its whole context
                return False

        low, high = 0, len(chosen)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        text = self._told(chosen, low)
        if (needed := count(text)) > max_tokens:
            raise InputError(
                f"The history needs {needed} tokens before its first entry, but only {max_tokens} are allowed.",
                path=self.path,
                remedy=f"Allow more than {needed} tokens.",
            )
        return text

    def _of(self, kinds: Sequence[str] | None) -> list[Entry]:
        there = list(dict.fromkeys(entry.kind for entry in self.entries))
        if unknown := [kind for kind in kinds or () if kind not in there]:
            raise InputError(
                f"The record has no entry of the kind {unknown[0]!r}.",
                path=self.path,
                remedy=f"Choose among: {', '.join(there)}.",
            )
        return [entry for entry in self.entries if kinds is None or entry.kind in kinds]

    def _told(self, chosen: Sequence[Entry], n: int) -> str:
        """The text with the first ``n`` of the chosen entries."""
        lines = [self.patient, *map(str, chosen[:n])]
        if self.is_part:
            lines.append("This is one page of a record that has more.")
        others = Counter(entry.kind for entry in self.entries) - Counter(entry.kind for entry in chosen)
        if others:
            lines.append(f"Not told here: {', '.join(f'{kind} ({k})' for kind, k in others.items())}.")
        if left := chosen[n:]:
            years = sorted(entry.when.year for entry in left if entry.when)
            span = f"from {years[0]} to {years[-1]}" if years else "without a date"
            lines.append(f"Left out for lack of room: the {len(left)} oldest entries ({span}).")
        return "\n".join(lines)


def read_history(path: str | os.PathLike[str]) -> History:
    """Read the record of one patient, a FHIR R4 Bundle in JSON, as a history for a prompt.

    The history has conditions, drugs, observations with units, procedures, immunizations, encounters, allergies,
    and the diseases of relatives, which it names as such. It leaves out and counts in ``not_told`` every resource
    that was entered in error, refuted or cancelled, that is about somebody else, or that has no name, and all
    other kinds of resources. It never has narrative, notes, documents, or a field that names or finds a person. A
    year without a month is told as a year, and sorted as its first day.

    Raises:
        InputError: as `helpers.ehr.bundle.read_bundle` raises it, and if a text holds a special token such as an
            image's.
    """
    bundle = read_bundle(path)
    identity = Identity(bundle.raw)
    birth = read_when(bundle.patient.birthDate)
    entries, not_told = [], Counter(bundle.others)
    for resource in bundle.told:
        try:
            entry = read_entry(resource, bundle, identity.hide)
        except NotTold as reason:
            not_told[str(reason)] += 1
            continue
        entries.append(_without_birthday(entry, birth))
    entries.sort(key=lambda entry: entry.when.start if entry.when else _EARLIEST, reverse=True)
    entries.sort(key=lambda entry: entry.kind != "Allergy")
    history = History(
        bundle.path,
        _patient(bundle.patient.gender, birth, [entry.when for entry in entries if entry.when]),
        tuple(entries),
        dict(not_told),
        bundle.is_part,
        sum(HIDDEN in str(entry) for entry in entries),
    )
    if found := [token for token in RESERVED if token in history.text()]:
        raise InputError(
            f"A text of the record holds {found[0]}, which is a special token of prompts.",
            path=path,
            remedy="Take it out of the file.",
        )
    return history


def _without_birthday(entry: Entry, birth: When | None) -> Entry:
    """The entry with only the year of its date if it began at birth, because the day would be the birthday."""
    if birth is None or entry.when is None or entry.when.text != birth.text or len(birth.text) == len(birth.year):
        return entry
    detail = f"{entry.detail}, at birth" if entry.detail else "at birth"
    return replace(entry, when=When(birth.year, entry.when.start), detail=detail)


def _patient(gender: str | None, birth: When | None, dates: Sequence[When]) -> str:
    """A line such as ``Patient: female, 67 years old at the newest entry.``, with the facts that are known."""
    sex = gender if gender in ("female", "male", "other") else "sex not known"
    if birth is None or not dates:
        return f"Patient: {sex}, age not known."
    newest = max(dates, key=lambda when: when.start).start
    age = newest.year - birth.start.year
    if len(birth.text) == len("2000-01-01"):
        age -= (newest.month, newest.day) < (birth.start.month, birth.start.day)
        about = ""
    else:
        about = "about "
    if age < 0:
        return f"Patient: {sex}, age not known."
    return (
        f"Patient: {sex}, {f'{_OLD} or more' if age >= _OLD else f'{about}{age}'} years old at the newest entry."
    )
