"""Requests over a network: addresses that nobody on the way can read, and failures that pass when asked again."""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

LONGEST_WAIT = 300.0  # seconds; a server that asks for more is given up on


def is_in_the_clear(url: str) -> bool:
    """Whether what is sent to an address can be read by others on the way: not https, and not this machine."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def retried(
    ask: Callable[[], T],
    may_pass: Callable[[Exception], bool],
    *,
    attempts: int,
    first_wait: float,
    asked_wait: Callable[[Exception], float] = lambda error: 0.0,
    before_retry: Callable[[], Any] = lambda: None,
) -> T:
    """The result of ``ask``, which is called up to ``attempts`` times while it fails in a way that may pass.

    Waits ``first_wait`` seconds, twice as long each time, less up to half by chance, so that many callers do not
    come back together; or as long as the server itself asks.

    Args:
        ask: sends the request.
        may_pass: whether the same request may succeed later, by the error of the last one.
        attempts: calls, in all.
        first_wait: seconds.
        asked_wait: seconds that the server asks to wait, by its error.
        before_retry: called before each further attempt.

    Raises:
        Exception: the last error, as it came.
    """
    for attempt in range(attempts):
        try:
            return ask()
        except Exception as error:
            if not may_pass(error) or attempt == attempts - 1:
                raise
            pause = max(first_wait * 2**attempt * random.uniform(0.5, 1.0), asked_wait(error))
            if pause > LONGEST_WAIT:
                raise
        before_retry()
        time.sleep(pause)
    raise ValueError("attempts must be 1 or more.")
