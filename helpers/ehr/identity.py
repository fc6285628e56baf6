"""Hide the words that name or find the patient, or another person, in the texts of a record.

A history never has the fields that identify a person. But a text that somebody typed may repeat them ("Ms Miller
reports ..."), so every text of a record is searched for them. Other facts, such as dates or a rare disease, can
also identify a person, and they stay. So a history is not de-identified, and has to be protected like other
patient data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from helpers.ehr.bundle import walk

HIDDEN = "[withheld]"
_PEOPLE = {"Patient", "RelatedPerson", "Practitioner", "Person"}
# Fields whose Reference leads to a person. The name of the person may stand beside it.
_REFERENCES = (
    *("subject", "patient", "performer", "recorder", "asserter", "requester", "individual", "informationSource"),
    *("actor", "author", "enterer", "practitioner", "participant"),
)
_ADDRESS = ("line", "city", "district", "postalCode", "text")
_SHORT = 4  # letters; shorter names may be common words ("May", "may"), so their case has to match


class Identity:
    """The words to hide in the texts of a record, collected from all its resources as they are in the file."""

    def __init__(self, resources: Sequence[dict[str, Any]]) -> None:
        words = {word.strip() for resource in resources for word in _identifying(resource)}
        long = [word for word in words if len(word) >= _SHORT]
        short = [word for word in words if 2 <= len(word) < _SHORT and not word.islower()]
        self._patterns = [_pattern(long, re.IGNORECASE), _pattern(short, 0)]

    def hide(self, text: str) -> str:
        """The text with ``[withheld]`` in the place of each of these words."""
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text) if pattern else text
        return text


def _pattern(words: Sequence[str], flags: int) -> re.Pattern[str] | None:
    """A pattern of whole words, the longest first. A space in a word matches any spaces and line ends."""
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
    """The words that are long enough to find somebody. Numbers of one or two digits are too common."""
    return [word for word in words if len(word) > 2]


def _texts(values: Any, keys: Sequence[str]) -> Iterator[str]:
    """The strings under these keys of an object or of a list of objects."""
    for value in values if isinstance(values, list) else [values]:
        for key in keys if isinstance(value, dict) else ():
            inner = value.get(key)
            yield from [one for one in (inner if isinstance(inner, list) else [inner]) if isinstance(one, str)]
