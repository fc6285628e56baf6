"""Explain the failure of a served model: the server's words, the cause and the remedy, each once."""

from __future__ import annotations

import os
import re
import socket
import ssl
from urllib.parse import urlsplit

import openai

from helpers.endpoints.addresses import TOKEN_VARIABLE, place_of
from helpers.endpoints.limits import SMALLER
from helpers.endpoints.retries import (
    NoAnswer,
    SlowAnswer,
    ToldError,
    UnreadableAnswer,
    cause_in,
    is_refusal,
    status_of,
)
from helpers.endpoints.wire_answer import words_of
from helpers.errors import InputError
from helpers.network import is_loopback

# The words of vLLM, TGI and llama.cpp for a prompt and an answer that are too long together.
_NO_ROOM = re.compile(
    r"(?:context|model|sequence)[ _](?:length|window|size|len)"
    r"|max_\w*tokens\W.{0,60}?(?:\btoo (?:large|long)\b|\bmust be\b|\bexceeds?\b|<=)",
    re.IGNORECASE | re.DOTALL,
)
_TOO_LARGE = re.compile(r"(?:request|payload|body|entity|content)[\w ]{0,40}(?:too large|exceeds)", re.I)
_UNREAD_IMAGE = re.compile(r"(?:failed to (?:load|decode)|cannot identify|invalid)[\w -]{0,20}image", re.I)
_NO_IMAGES = re.compile(
    r"mmproj|image\w*[\w ,-]{0,40}not (?:yet )?support|not support\w*[\w ,-]{0,40}image"
    r"|not (?:a )?multimodal|no vision",
    re.IGNORECASE,
)
_NO_ANSWER = {
    "web page": "A proxy, or a network that wants you to sign in, answers in the server's place. Check the "
    "address and the network.",
    "no choices": "Check that the address is that of the OpenAI chat API; most end in /v1.",
    "not text": "Look at the server's settings, and ask for words.",
    "refuses": "Ask in other words, or ask a server without such a filter.",
    "filter": "Ask in other words, or ask a server without such a filter.",
    "names a reason": "Look up this reason in the server's documentation, or ask in other words.",
    "a tool": "Start the server without tools (vLLM: without --enable-auto-tool-choice).",
    "with an error": "Look at the server's log, and ask again.",
    "thinking trace": "Start the server without its parser of thinking traces (vLLM: without --reasoning-parser; "
    "llama.cpp: --reasoning-format none), or give a larger max_new_tokens (--max-new-tokens).",
}


def said_by(error: Exception) -> str:
    """The server's words with the status. For a redirect, the address without its query."""
    if not isinstance(error, openai.APIStatusError):
        of_server = getattr(error, "body", None) or isinstance(error, (ToldError, NoAnswer, UnreadableAnswer))
        return words_of(getattr(error, "body", None) or str(error)) if of_server else _innermost(error)
    written = words_of(error.body) if error.body else ""
    if 300 <= error.status_code < 400:
        written = error.response.headers.get("location", "").partition("?")[0]
    return f"{error.status_code}: {written}".rstrip(": ")


def explained(error: Exception, said: str, url: str, served: str, timeout: float, known: str) -> InputError:
    """Turn the last error into one that says what happened and what to do.

    ``said`` is its text without tokens; ``known`` a sentence with the server's models, for a refusal.
    """

    def problem(what: str, remedy: str) -> InputError:
        return InputError(what, path=url, remedy=remedy)

    status = status_of(error)
    if status is not None and _TOO_LARGE.search(said) and not _NO_ROOM.search(said):
        status = 413  # some gateways send a 400 or 500 for this
    words = f" ({said})" if said else ""
    if isinstance(error, NoAnswer):
        remedy = next(remedy for part, remedy in _NO_ANSWER.items() if part in error.problem)
        return problem(f"{error.problem}{words}.", remedy)
    if status is not None and 300 <= status < 400:
        return problem(
            f"The server sends on to another address{words}.",
            "Images are not sent on. If you trust that address, give it in place of this one.",
        )
    if status in (401, 403, 407):
        return problem(
            f"The server wants a token, or refused the one in use{words or f' ({status})'}.",
            f"Set {TOKEN_VARIABLE} to a valid token (in Colab: the key icon on the left). A Google "
            "Cloud token, from gcloud auth print-access-token, is valid for an hour.",
        )
    if status is not None and _NO_IMAGES.search(said):
        return problem(
            f"The server takes no images with this model{words}.",
            "Start it with the model's vision part (llama.cpp: --mmproj FILE), or serve a model that sees.",
        )
    if status == 413:
        return problem(f"The request is too large for the server{words}.", SMALLER)
    if is_refusal(error):
        remedy = (
            f"{known} {_of_path(url)}"
            if status in (404, 405)
            else f"Correct the error that the server names. {known}"
        )
        if _NO_ROOM.search(said):
            remedy = (
                "Ask for a shorter answer, with a smaller max_new_tokens (--max-new-tokens), or use fewer images. "
                "Or start the server with room for more tokens."
            )
        elif _UNREAD_IMAGE.search(said):
            remedy = 'Send image_format="png" (--image-format png), which every server reads.'
        return problem(f"The server refused the request to {served!r}{words}.", remedy)
    if status == 429:
        remedy = "Try later, or lower at_once."
        if "quota" in said:
            remedy = "A quota is used up: ask the server's owner for more, or try later, or lower at_once."
        return problem(f"The server got too many requests{words}.", remedy)
    if status is not None or isinstance(error, ToldError):
        return problem(f"The server failed{words}.", "Look at the server's log, and ask again.")
    if isinstance(error, (openai.APITimeoutError, SlowAnswer)) or "Timeout" in type(error).__name__:
        return problem(
            f"The answer was not complete after {timeout:g} s.", "Give a longer timeout, or fewer images."
        )
    if isinstance(error, UnreadableAnswer):
        return problem(f"The answer cannot be read{words}.", "Look at the server's log, and ask again.")
    if cause := _of_the_way(error, url):
        return problem(*cause)
    return problem(
        f"The server does not answer, or it broke the connection ({said}).",
        "Check that the server runs. To start one on this machine, run: medgemma-tutorials serve",
    )


def _of_path(url: str) -> str:
    """The part of an address to check if the server does not know it."""
    path = urlsplit(url).path
    for end in ("/chat/completions", "/completions", "/models", "/api/chat", "/api/generate"):
        if path.endswith(end):
            return f"Leave out {end} at the end of the address: the client adds what it asks for."
    return "Most addresses end in /v1."


def _innermost(error: BaseException) -> str:
    """The words of the first error in the chain, which is the network's and not the client's."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"[:300] if str(error) else type(error).__name__


def _of_the_way(error: Exception, url: str) -> tuple[str, str] | None:
    """Problem and remedy of a failure on the way to a server, before it could answer."""
    host = urlsplit(url).hostname or ""
    if (untrusted := cause_in(error, ssl.SSLCertVerificationError)) is not None:
        return f"The server's certificate is not trusted ({untrusted.verify_message}).", _of_certificate(untrusted)
    if (broken := cause_in(error, ssl.SSLError)) is not None:
        if "CERTIFICATE_REQUIRED" in (broken.reason or ""):
            return (
                f"The server wants a certificate of the caller ({broken.reason}).",
                "This client has none to show: ask the server's owner for an address that takes a token.",
            )
        return (
            f"No encrypted connection can be made ({broken.reason or broken}).",
            "Check that the server speaks https. A server without encryption can be used only on this "
            "machine: http://127.0.0.1:PORT/v1.",
        )
    if cause_in(error, socket.gaierror) is not None:
        return (
            f"The name {host!r}, or the name of the proxy, does not belong to any machine.",
            "Check the spelling and the network. Behind a proxy, set HTTPS_PROXY.",
        )
    if type(error.__cause__).__name__ == "ProxyError":
        return f"The proxy refused ({error.__cause__}).", "Check HTTPS_PROXY, or set NO_PROXY."
    if (refused := cause_in(error, ConnectionRefusedError)) is not None:
        proxy = _proxy_for(host)
        where = f"at {place_of(url).partition('/')[0]}" + (f", or at the proxy {proxy}" if proxy else "")
        return (
            "The server does not answer, or it broke the connection: "
            f"nothing listens {where} ({refused.strerror}).",
            "Check that the server runs. To start one on this machine, run: medgemma-tutorials serve",
        )
    return None


def _of_certificate(untrusted: ssl.SSLCertVerificationError) -> str:
    """The remedy for an untrusted certificate, by OpenSSL's number for the fault."""
    if untrusted.verify_code == 10:  # it has expired
        return "Its owner has to renew it. If it is in date, set the clock of this machine."
    if untrusted.verify_code == 9:  # it is not valid yet
        return "Set the clock of this machine, or ask the server's owner about the certificate's dates."
    if untrusted.verify_code == 23:
        return "Its owner took it back. Ask for a server with a valid one, and send nothing to this one."
    if untrusted.verify_code in (62, 64):  # it is for another name or IP address
        return "Check the host's name in the address: it has to be the one that the certificate names."
    return (
        "Set SSL_CERT_FILE to the .pem file of the authority that signed the certificate, and "
        "check the host's name in the address."
    )


def _proxy_for(host: str) -> str:
    """The proxy to a host from the environment, without its password; "" if there is none."""
    if is_loopback(host):
        return ""
    named = next(
        (os.environ[name] for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY") if os.environ.get(name)), ""
    )
    return named.rpartition("@")[2]
