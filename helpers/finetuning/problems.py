"""Turn pydantic's errors into sentences for the person who wrote the settings."""

from __future__ import annotations

import difflib
import functools
import re
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from helpers.errors import InputError

Place = tuple[str | int, ...]  # place of a setting: ("tuning", "rank"), ("train", 0, "cases")
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def in_words(error: ValidationError, known: Callable[[Place], Sequence[str]]) -> list[tuple[Place, str]]:
    """Each problem with its place. ``known`` gives the names that a place may have, to find the nearest."""
    return [(found["loc"], _words(found, known(found["loc"]))) for found in error.errors(include_url=False)]


def input_errors(settings: type) -> type:
    """Class decorator of a pydantic dataclass: bad settings in Python raise one `InputError` with all problems."""
    build = settings.__init__
    names = list(settings.__dataclass_fields__)

    @functools.wraps(build)
    def __init__(self: Any, *arguments: Any, **given: Any) -> None:
        try:
            build(self, *arguments, **given)
        except ValidationError as error:
            wrong = "; ".join(words for _, words in in_words(error, lambda place: names))
            remedy = f"See help(helpers.finetuning.{settings.__name__})."
            raise InputError(f"These settings are wrong: {wrong}.", remedy=remedy) from error

    settings.__init__ = __init__
    return settings


def _words(found: dict[str, Any], known: Sequence[str]) -> str:
    name = ".".join(map(str, found["loc"]))
    if found["type"] in UNKNOWN:
        last = str(found["loc"][-1])
        near = [one for one in known if one.endswith(f".{last}")] or difflib.get_close_matches(last, known, n=1)
        beside = ", ".join(one for one in known if "." not in one)
        return f"{name} is not a setting; " + (
            f"the nearest is {near[0]}" if near else f"the known settings are {beside}"
        )
    if found["type"].startswith("missing"):
        return f"{name} is missing"
    if found["type"] == "value_error":
        said = str(found["ctx"]["error"]).rstrip(".")
        return f"{name}: {said}" if name else said
    said = re.sub("a valid dictionary.*", "names with values", found["msg"].replace("Input should", "it should"))
    return f"{name or 'the file'} is {reprlib.repr(found['input'])}; {said}"
