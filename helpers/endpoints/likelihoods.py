"""Read the likelihoods of tokens, if a server sends them with its answer.

In the OpenAI chat API they are asked for with ``logprobs`` and ``top_logprobs``. vLLM sends up to twenty tokens
for each place. Other servers ignore these fields, or refuse a request that holds them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import openai

from helpers.endpoints.retries import ToldError, status_of

WISH = {"logprobs": True, "top_logprobs": 20}  # fields that are added to a request; 20 is the API's limit
# In a narrow number format, a sum over a vocabulary may be over 1 by rounding. A larger sum is a fault.
_SLACK = 1e-2
_OTHERS = r"log_?prob|top_n_tokens|extra (input|field|param|key)|un(expected|supported|known|recogni[sz]ed)"


@dataclass(frozen=True)
class Step:
    """One token of an answer: its bytes, and the likeliest tokens at its place with their shares."""

    spelled: bytes
    likely: tuple[tuple[str, float], ...]


class NoNumbers(ValueError):
    """Values that are not log-probabilities: NaN, infinite, null, or above 0."""


def steps_of(told: Any) -> list[Step] | None:
    """The steps in an answer's ``logprobs``; None if the server sent none, or not in the form of the API.

    Raises `NoNumbers`.
    """
    content = told.get("content") if isinstance(told, dict) else None
    if not isinstance(content, list) or not content or not all(isinstance(entry, dict) for entry in content):
        return None
    steps = []
    for entry in content:
        try:
            places = [entry, *(entry.get("top_logprobs") or [])]
            spelled = bytes(entry["bytes"]) if isinstance(entry.get("bytes"), list) else entry["token"].encode()
        except (TypeError, ValueError, KeyError, AttributeError):
            return None
        if not all(isinstance(place, dict) and isinstance(place.get("token"), str) for place in places):
            return None
        steps.append(Step(spelled, tuple({place["token"]: _share(place) for place in places}.items())))
    return steps


def _share(place: dict[str, Any]) -> float:
    value = place.get("logprob")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value > _SLACK:
        raise NoNumbers(f"{'null' if value is None else value} for {place['token']!r}")
    return min(1.0, math.exp(value))


def refuses_wish(error: Exception) -> bool:
    """Whether the error of a server says that it refuses the fields that `WISH` adds to a request."""
    if not isinstance(error, openai.APIStatusError | ToldError) or status_of(error) not in (400, 422):
        return False
    said = f"{getattr(error, 'body', None) or ''} {error}"
    return re.search(_OTHERS, said, re.IGNORECASE) is not None
