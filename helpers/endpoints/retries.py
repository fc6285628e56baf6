"""Handle failures of a served model: whether they may pass, how long to wait, and what to tell the user."""

from __future__ import annotations

import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlsplit

import openai

from helpers.endpoints.addresses import TOKEN_VARIABLE
from helpers.errors import InputError

Kind = TypeVar("Kind", bound=BaseException)


class UnreadableAnswer(ConnectionError):
    """An answer that does not follow the protocol, most often because it was cut off."""


class SlowAnswer(TimeoutError):
    """An answer that was not complete in time, although a part of it may have come."""


class ToldError(Exception):
    """An error that a server sent instead of an answer, with status 200; ``status`` is the one in its text."""

    def __init__(self, said: str, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


def status_of(error: Exception) -> int | None:
    """The HTTP status of a failure, or the one that is told in its place."""
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
    incomplete answer. It will not after a certificate that is not trusted, a port without encryption, or an
    unknown name.
    """
    if isinstance(error, openai.APIStatusError | ToldError):
        status = status_of(error)
        return status is None or status in (408, 429) or status >= 500
    broken, unknown = cause_in(error, ssl.SSLError), cause_in(error, socket.gaierror)
    if (broken and broken.reason in _WILL_STAY) or (unknown and unknown.errno in _NO_SUCH_NAME):
        return False
    # The HTTP client's own errors reach us while a body is read: httpx's or httpx2's, by the version of openai.
    of_client = type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
    return of_client or isinstance(error, (openai.APIConnectionError, UnreadableAnswer, SlowAnswer))


_WILL_STAY = {"CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
_NO_SUCH_NAME = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}


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
    return status_of(error) in (400, 404, 422)


# How vLLM, TGI and llama.cpp say that the prompt and the longest answer have no room together.
_NO_ROOM = re.compile(
    r"(?:context|model|sequence)[ _](?:length|window|size|len)"
    r"|max_\w*tokens\W.{0,60}?(?:\btoo (?:large|long)\b|\bmust be\b|\bexceeds?\b|<=)",
    re.IGNORECASE | re.DOTALL,
)


def explained(error: Exception, said: str, url: str, served: str, timeout: float, known: str) -> InputError:
    """Turn the last error into an `InputError` that says what happened and what to do.

    ``said`` is the text of the error without tokens; ``known`` is a sentence with the server's models, for a
    refusal.
    """

    def problem(what: str, remedy: str) -> InputError:
        return InputError(what, path=url, remedy=remedy)

    status = status_of(error)
    if status in (401, 403):
        return problem(
            f"The server wants a token, or refused the one in use ({status}).",
            f"Set {TOKEN_VARIABLE} to a valid token (in Colab: the key icon on the left). A Google "
            "Cloud token, from gcloud auth print-access-token, is valid for an hour.",
        )
    if is_refusal(error):
        remedy = (
            f"{known} Most addresses end in /v1."
            if status == 404
            else f"Correct the error that the server names. {known}"
        )
        if _NO_ROOM.search(said):
            remedy = (
                "Ask for a shorter answer, with a smaller max_new_tokens (--max-new-tokens), or use fewer images."
            )
        return problem(f"The server refused the request to {served!r} ({said}).", remedy)
    if status == 413:
        return problem("The request is too large for the server.", 'Use fewer images, or image_format="jpeg".')
    if status == 429:
        return problem(f"The server got too many requests ({said}).", "Try later, or lower at_once.")
    if status is not None or isinstance(error, ToldError):
        return problem(f"The server failed ({said}).", "Look at the server's log, and ask again.")
    if isinstance(error, (openai.APITimeoutError, SlowAnswer)) or "Timeout" in type(error).__name__:
        return problem(
            f"The answer was not complete after {timeout:g} s.", "Give a longer timeout, or fewer images."
        )
    if isinstance(error, UnreadableAnswer):
        return problem(f"The answer cannot be read ({said}).", "Look at the server's log, and ask again.")
    if cause := _of_the_way(error, urlsplit(url).hostname or ""):
        return problem(*cause)
    return problem(
        f"The server does not answer, or it broke the connection ({type(error).__name__}: {said}).",
        "Check that the server runs. To start one on this machine, run: medgemma-tutorials serve",
    )


def _of_the_way(error: Exception, host: str) -> tuple[str, str] | None:
    """Problem and remedy of a failure on the way to a server, before it could answer."""
    if (untrusted := cause_in(error, ssl.SSLCertVerificationError)) is not None:
        return (
            f"The server's certificate is not trusted ({untrusted.verify_message}).",
            (
                "Set SSL_CERT_FILE to the .pem file of the authority that signed the certificate, and "
                "check the host's name in the address."
            ),
        )
    if (broken := cause_in(error, ssl.SSLError)) is not None:
        return (
            f"No encrypted connection can be made ({broken.reason or broken}).",
            (
                "Check that the server speaks https. A server without encryption can be used only on this "
                "machine: http://127.0.0.1:PORT/v1."
            ),
        )
    if cause_in(error, socket.gaierror) is not None:
        return (
            f"The name {host!r}, or the name of the proxy, does not belong to any machine.",
            "Check the spelling and the network. Behind a proxy, set HTTPS_PROXY.",
        )
    if type(error.__cause__).__name__ == "ProxyError":
        return f"The proxy refused ({error.__cause__}).", "Check HTTPS_PROXY, or set NO_PROXY."
    return None
