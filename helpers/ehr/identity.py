"""The words that name or find a patient or another person of a record, and texts without them.

Fields that identify are never told. But a text that somebody typed may repeat them ("Ms Miller reports ..."), so
every text of a record passes here. Other facts can identify, too: dates, a rare disease. So a history stays a
patient's data, and this is not a de-identification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from helpers.ehr.bundle import walk

HIDDEN = "[withheld]"
_PEOPLE = {"Patient", "RelatedPerson", "Practitioner", "Person"}
# Where a Reference leads to a person, whose name may stand beside it.
_REFERENCES = (
    *("subject", "patient", "performer", "recorder", "asserter", "requester", "individual", "informationSource"),
    *("actor", "author", "enterer", "practitioner", "participant"),
)
_ADDRESS = ("line", "city", "district", "postalCode", "text")
_SHORT = 4  # letters: below this a name is also a common word ("an", "May" and "may"), so its case has to agree


class Identity:
    """What to hide in the texts of a record, from all its resources as they are in the file."""

    def __init__(self, resources: Sequence[dict[str, Any]]) -> None:
        words = {word.strip() for resource in resources for word in _identifying(resource)}
        long = [word for word in words if len(word) >= _SHORT]
        short = [word for word in words if 2 <= len(word) < _SHORT and not word.islower()]
        self._patterns = [_pattern(long, re.IGNORECASE), _pattern(short, 0)]

    def hide(self, text: str) -> str:
        """The text with each such word as ``[withheld]``."""
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text) if pattern else text
        return text


def _pattern(words: Sequence[str], flags: int) -> re.Pattern[str] | None:
    """Whole words, the longest first; spaces and line ends within one as they come."""
    if not words:
        return None
    spelled = [r"\s+".join(map(re.escape, word.split())) for word in sorted(words, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelled)})(?!\w)", flags)


def _identifying(resource: dict[str, Any]) -> Iterator[str]:
    for one in walk(resource):  # contained resources too
        yield from _long(_texts(one.get("identifier"), ("value",)))
        if one.get("resourceType") in _PEOPLE:
            yield from _person(one)
            for contact in one.get("contact") or ():
                yield from _person(contact)
        elif one.get("resourceType") == "FamilyMemberHistory":
            yield from str(one.get("name") or "").split()
        for key in _REFERENCES:
            for display in _texts(one.get(key), ("display",)):
                yield from [display, *re.findall(r"\w+", display)]


def _person(person: dict[str, Any]) -> Iterator[str]:
    for name in _texts(person.get("name"), ("family", "given", "text")):
        yield from [name, *re.findall(r"\w+", name)]
    yield from _texts(person.get("address"), _ADDRESS)
    yield from _long(_texts(person.get("telecom"), ("value",)))
    yield from _long(_texts(person, ("id", "birthDate")))


def _long(words: Iterator[str]) -> list[str]:
    """Those that find somebody: a number of one or two digits stands everywhere."""
    return [word for word in words if len(word) > 2]


def _texts(values: Any, keys: Sequence[str]) -> Iterator[str]:
    """The strings under these keys of an object or of a list of objects."""
    for value in values if isinstance(values, list) else [values]:
        for key in keys if isinstance(value, dict) else ():
            inner = value.get(key)
            yield from [one for one in (inner if isinstance(inner, list) else [inner]) if isinstance(one, str)]
