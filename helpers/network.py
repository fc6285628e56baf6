"""Requests over a network: tell encrypted addresses from others, and repeat requests that failed for a moment."""

from __future__ import annotations

import ipaddress
import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

LONGEST_WAIT = 300.0  # seconds; a server that asks for more is given up on


def is_in_the_clear(url: str) -> bool:
    """Whether others could read what is sent to an address, because it is neither https nor this machine."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def without_secrets(url: str) -> str:
    """An address as an error may show it: without a user's name, a password and a query, whatever its form."""
    plain = re.split(r"[?;#]", url, maxsplit=1)[0]
    scheme = re.match(r"\w+://", plain)
    return f"{scheme[0] if scheme else ''}{plain[scheme.end() if scheme else 0 :].rpartition('@')[2]}"


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
    """The result of ``ask``, which is called up to ``attempts`` times while it fails with an error that may pass.

    The first wait lasts ``first_wait`` seconds, and each further wait twice as long. A random part of up to half
    is taken off, so that many callers do not come back together. If the server asks for a longer wait, that is
    used.

    Args:
        ask: sends the request.
        may_pass: says, from the last error, whether the same request may succeed later.
        attempts: the number of calls in all.
        first_wait: seconds.
        asked_wait: gives, from the server's error, the seconds that the server asks to wait.
        before_retry: called before each further attempt.

    Raises:
        Exception: the last error, unchanged.
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
