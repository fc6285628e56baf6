"""What a served model's failures mean: whether they may pass, how long to wait, and what to tell the person."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import openai

from helpers.endpoints.addresses import TOKEN_VARIABLE
from helpers.errors import InputError


class UnreadableAnswer(ConnectionError):
    """An answer that is not what the protocol promises, most often cut off on the way."""


class SlowAnswer(TimeoutError):
    """An answer that was not whole in time, though some of it may have come."""


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later.

    That is after too many requests, an error of the server (5xx), a connection that is refused, lost or too slow,
    and an answer that was cut off.
    """
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 429) or error.status_code >= 500
    # The HTTP client's own errors reach us while a body is read: httpx's or httpx2's, by the version of openai.
    of_client = type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
    return of_client or isinstance(error, (openai.APIConnectionError, UnreadableAnswer, SlowAnswer))


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
    return isinstance(error, openai.APIStatusError) and error.status_code in (400, 404, 422)


def explained(error: Exception, said: str, url: str, served: str, timeout: float, known: str) -> InputError:
    """The last error as one that says what happened and what to do.

    ``said`` is its text without tokens; ``known`` a sentence with the server's models, for a refusal.
    """

    def problem(what: str, remedy: str) -> InputError:
        return InputError(what, path=url, remedy=remedy)

    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    if status in (401, 403):
        return problem(
            f"The server wants a token, or refused the one in use ({status}).",
            f"Set {TOKEN_VARIABLE} to one that is valid now (in Colab: the key icon on the left). "
            "One of Google Cloud, from gcloud auth print-access-token, is valid for an hour.",
        )
    if is_refusal(error):
        return problem(
            f"The server refused the request to {served!r} ({said}).", f"{known} Most addresses end in /v1."
        )
    if status == 413:
        return problem("The request is too large for the server.", 'Use fewer images, or image_format="jpeg".')
    if status == 429:
        return problem(f"The server has too many requests ({said}).", "Try later, or lower at_once.")
    if status is not None:
        return problem(f"The server failed ({said}).", "Look at its log, and ask again.")
    if isinstance(error, (openai.APITimeoutError, SlowAnswer)) or "Timeout" in type(error).__name__:
        return problem(f"The answer was not whole after {timeout:g} s.", "Give a longer timeout, or fewer images.")
    if isinstance(error, UnreadableAnswer):
        return problem(f"The answer cannot be read ({said}).", "Look at the server's log, and ask again.")
    return problem(
        f"The server does not answer, or broke off ({type(error).__name__}: {said}).",
        "Is it running? One of your own: medgemma-tutorials serve",
    )
