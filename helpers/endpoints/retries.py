"""Handle failures of a served model: whether they may pass, and how long to wait."""

from __future__ import annotations

import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TypeVar

import openai

Kind = TypeVar("Kind", bound=BaseException)


class UnreadableAnswer(ConnectionError):
    """An answer that does not follow the protocol, most often because it was cut off."""


class NoAnswer(Exception):
    """A complete reply without an answer, which would be the same again: the problem, and the server's words."""

    def __init__(self, problem: str, said: str) -> None:
        super().__init__(said)
        self.problem = problem


class SlowAnswer(TimeoutError):
    """An answer that was not complete in time, although a part of it may have come."""


class ToldError(Exception):
    """An error that a server sent instead of an answer, with status 200; ``status`` is the one in its text."""

    def __init__(self, said: str, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


def status_of(error: Exception) -> int | None:
    """The HTTP status of a failure, or the status in its text."""
    return error.status_code if isinstance(error, openai.APIStatusError) else getattr(error, "status", None)


def cause_in(error: BaseException | None, kind: type[Kind]) -> Kind | None:
    """The first error of a kind among an error and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later.

    It may after too many requests, an error of the server (5xx), a refused, lost or slow connection, and an
    incomplete answer. It may not if the server cannot do it, if a quota is used up, or after an untrusted
    certificate, an encryption that the server does not support, or an unknown name.
    """
    if isinstance(error, openai.APIStatusError | ToldError):
        status, said = status_of(error), f"{getattr(error, 'body', None) or ''} {error}"
        if _NEVER.search(said) or status in (501, 505):
            return False
        return status is None or status in (408, 425, 429) or status >= 500
    broken, unknown = cause_in(error, ssl.SSLError), cause_in(error, socket.gaierror)
    if (broken and broken.reason not in _TLS_MAY_PASS) or (unknown and unknown.errno in _NO_SUCH_NAME):
        return False
    if any(kind in _kinds_in(error) for kind in _OF_THE_REQUEST):
        return False
    # While a body is read, the HTTP client's own errors come here: those of httpx or httpx2, depending on the
    # version of openai.
    of_client = type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
    return of_client or isinstance(error, (openai.APIConnectionError, UnreadableAnswer, SlowAnswer))


# A connection that is lost while it is being encrypted may work later. All other faults of TLS stay.
_TLS_MAY_PASS = {"UNEXPECTED_EOF_WHILE_READING", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "SYSCALL", None}
# The HTTP client's words for a request that it cannot send, and for a reply that is not HTTP.
_OF_THE_REQUEST = {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError", "UnicodeError", "UnicodeEncodeError"}
# If a server cannot do something, this stays so, whatever status it sends.
_NEVER = re.compile(
    r"not (?:yet )?support|unsupported|not implemented|mmproj|insufficient_quota|exceeded your current quota",
    re.IGNORECASE,
)
_NO_SUCH_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}


def _kinds_in(error: BaseException | None) -> set[str]:
    """The names of the kinds of an error and of those that it came from."""
    found: set[str] = set()
    while error is not None and len(found) < 20:
        found.add(type(error).__name__)
        error = error.__cause__
    return found


def retry_after(error: Exception) -> float:
    """Seconds that the server's Retry-After header asks to wait, given there as seconds or as a date; else 0."""
    said = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def is_refusal(error: Exception) -> bool:
    """Whether the server calls the request itself wrong: most often the model's name."""
    status = status_of(error)
    return status is not None and 400 <= status < 500 and status not in (401, 403, 407, 408, 413, 425, 429)
