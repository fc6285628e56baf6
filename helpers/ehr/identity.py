"""Hide the words that name or find the patient, or another person, in the texts of a record.

A history never has the fields that identify a person. But a text that somebody typed may repeat them ("Ms Miller
reports ..."), so every text of a record is searched for them. Other facts, such as dates or a rare disease, can
also identify a person, and they stay. So a history is not de-identified, and has to be protected like other
patient data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from helpers.ehr.bundle import walk

HIDDEN = "[withheld]"
_PEOPLE = {"Patient", "RelatedPerson", "Practitioner", "Person"}
# Fields whose Reference leads to a person. The name of the person may stand beside it.
_REFERENCES = (
    *("subject", "patient", "performer", "recorder", "asserter", "requester", "individual", "informationSource"),
    *("actor", "author", "enterer", "practitioner", "participant", "generalPractitioner", "resultsInterpreter"),
    *("collector", "authenticator", "party", "who", "verifier", "responsible", "attester", "assigner", "member"),
)
_NAME_OF = re.compile(r"name$", re.IGNORECASE)  # the end of an extension's address, as of the mother's maiden name
_SPELLED_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae"}
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
        """The text with ``[withheld]`` in the place of each of these words, with or without their accents."""
        text = unicodedata.normalize("NFC", text)
        for pattern in self._patterns:
            for found in reversed([*pattern.finditer(_plain(text))] if pattern else []):
                text = f"{text[: found.start(1)]}{HIDDEN}{text[found.end(1) :]}"
        return text


def _pattern(words: Sequence[str], flags: int) -> re.Pattern[str] | None:
    """A pattern of whole words, the longest first. A space in a word matches any spaces and line ends."""
    if not words:
        return None
    known = {form for word in words for form in (_plain(word), _spelled_out(word))}
    spelled = [r"\s+".join(map(re.escape, word.split())) for word in sorted(known, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)({'|'.join(spelled)})(?=s?(?!\w))", flags)


def _plain(text: str) -> str:
    """A text without accents, each letter in its place."""
    return "".join(unicodedata.normalize("NFD", sign)[0] for sign in unicodedata.normalize("NFC", text))


def _spelled_out(word: str) -> str:
    """A name as it is written where there are no such letters: Mueller."""
    letters = unicodedata.normalize("NFC", word)
    for letter, plain in _SPELLED_OUT.items():
        letters = letters.replace(letter, plain).replace(letter.upper(), plain.capitalize())
    return _plain(letters)


def _identifying(resource: dict[str, Any]) -> Iterator[str]:
    for one in walk(resource):  # contained resources too
        yield from _long(_texts(one.get("identifier"), ("value",)))
        if one.get("resourceType") in _PEOPLE:
            yield from _person(one)
            for contact in one.get("contact") or ():
                yield from _person(contact)
        elif one.get("resourceType") == "FamilyMemberHistory":
            yield from str(one.get("name") or "").split()
        led = [one] if _leads_to_person(one) else []
        for key in _REFERENCES:
            led += one[key] if isinstance(one.get(key), list) else [one.get(key)]
        for display in _texts(led, ("display",)):
            yield from [display, *re.findall(r"\w+", display)]


def _leads_to_person(one: dict[str, Any]) -> bool:
    """Whether an object is a Reference to a person, in whatever field."""
    kind = one.get("type") or re.sub(r"/[^/]*$", "", str(one.get("reference") or "")).rpartition("/")[2]
    return "display" in one and kind in _PEOPLE


def _person(person: dict[str, Any]) -> Iterator[str]:
    for name in _texts(person.get("name"), ("family", "given", "text")):
        yield from [name, *re.findall(r"\w+", name)]
    for extension in person.get("extension") or ():
        if isinstance(extension, dict) and _NAME_OF.search(str(extension.get("url") or "")):
            yield from _texts(extension, ("valueString",))
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
