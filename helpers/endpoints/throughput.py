"""How many requests a server answers with one caller, and with several at once: its throughput and its latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import nan
from statistics import median
from typing import Any

from helpers.endpoints.client import EndpointModel
from helpers.errors import InputError, check_count
from helpers.prompts import Message

CALLERS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Load:
    """The result for a number of callers, each of whom sends the next request when the last one is answered.

    Rates are over the whole time from the first request to the last answer. ``first_token`` is the median of the
    seconds from a request to its first piece of text, ``slowest_first_token`` the longest of them, and ``answer``
    the median of the seconds to the last piece. The tokens of answers are those that the server counts, or else
    the pieces that came (``counted`` tells which).
    """

    callers: int
    requests: int
    failed: int
    seconds: float
    requests_per_second: float
    first_token: float
    slowest_first_token: float
    answer: float
    tokens_per_second: float
    counted: str  # "tokens" or "pieces"
    first_failure: str = ""


def measure_loads(
    chat: EndpointModel,
    prompt: Callable[[int], Sequence[Message]],
    *,
    callers: Sequence[int] = CALLERS,
    rounds: int = 2,
    max_new_tokens: int = 64,
) -> Iterator[Load]:
    """Ask a server with 1, then with more callers at once; yields a `Load` for each.

    Args:
        chat: the served model. Each request is sent once: one that fails counts as failed.
        prompt: the prompt of each request, by its number. Servers keep the beginnings of prompts and the results
            of images, so both should be new in each request where those of the real requests are. All requests of
            a measurement are packed before its clock starts, and stay in memory until it ends.
        callers: numbers of callers at once, with one measurement for each.
        rounds: the number of requests of each caller.
        max_new_tokens: the most tokens of an answer.

    Raises:
        InputError: there are no callers or rounds, or the first request fails, which warms the server up.
    """
    for n in (*callers, rounds):
        check_count(n, f"{n!r} callers or rounds cannot be measured.", remedy="Use 1 or more.")
    chat = replace(chat, attempts=1, at_once=max(callers, default=1))
    _timed(chat, chat.request(prompt(0), max_new_tokens))
    sent = 1
    for n in callers:
        numbers = range(sent, sent + n * rounds)
        sent += len(numbers)
        requests = [chat.request(prompt(k), max_new_tokens) for k in numbers]
        began = time.perf_counter()
        with ThreadPoolExecutor(n) as pool:
            done = list(pool.map(lambda request: _attempt(chat, request), requests))
        yield _load(n, done, time.perf_counter() - began)


@dataclass(frozen=True)
class _Answered:
    first: float
    last: float
    pieces: int
    tokens: int | None  # None if the server does not count them


def _attempt(chat: EndpointModel, request: tuple[dict[str, Any], int]) -> _Answered | str:
    try:
        return _timed(chat, request)
    except InputError as error:
        return str(error)


def _timed(chat: EndpointModel, request: tuple[dict[str, Any], int]) -> _Answered:
    began, told = time.perf_counter(), {}
    moments = [time.perf_counter() - began for _ in chat.stream_request(*request, told)]
    pieces = len(moments)
    moments = moments or [time.perf_counter() - began]  # an answer may be empty
    return _Answered(moments[0], moments[-1], pieces, told.get("completion_tokens"))


def _load(callers: int, done: Sequence[_Answered | str], seconds: float) -> Load:
    answered: list[Any] = [one for one in done if isinstance(one, _Answered)]
    failures = [one for one in done if isinstance(one, str)]
    counts = all(one.tokens for one in answered)
    written = sum(one.tokens if counts else one.pieces for one in answered)
    firsts, lasts = zip(*((one.first, one.last) for one in answered), strict=True) if answered else ([nan], [nan])
    return Load(
        callers,
        len(done),
        len(failures),
        seconds,
        len(answered) / seconds,
        median(firsts),
        max(firsts),
        median(lasts),
        written / seconds,
        "tokens" if counts and answered else "pieces",
        failures[0] if failures else "",
    )
