"""Check the address of a served model, and find the token for it."""

from __future__ import annotations

import os
import ssl
import sys
from urllib.parse import urlsplit

from helpers.errors import InputError
from helpers.network import is_in_the_clear

ENDPOINT_PREFIX = "endpoint:"  # of MODEL: endpoint:URL#MODEL
TOKEN_VARIABLE = "ENDPOINT_TOKEN"


def endpoint_token() -> str:
    """The token in ``ENDPOINT_TOKEN``, in Colab also from its secrets; empty if there is none."""
    if not os.environ.get(TOKEN_VARIABLE) and "google.colab" in sys.modules:
        from google.colab import userdata

        try:
            # In the environment it is also cut out of whatever is kept (helpers.endpoints.redaction).
            os.environ[TOKEN_VARIABLE] = userdata.get(TOKEN_VARIABLE) or ""
        except Exception:  # no such secret, or no leave to read it: both its own kinds of error
            return ""
    return os.environ.get(TOKEN_VARIABLE, "").strip()


def checked_token(token: str, url: str) -> str:
    """A token without spaces and line ends around it. Raises `InputError` for one that no header can hold."""
    token = token.strip()
    if not all("!" <= character <= "~" for character in token):
        raise InputError(
            "The token holds a line end, a space or a letter with an accent, which a valid token never has.",
            path=url,
            remedy=f"Copy the token again, on one line ({TOKEN_VARIABLE}, or the argument token).",
        )
    return token


def trusted_certificates() -> ssl.SSLContext | bool:
    """The certificates in ``SSL_CERT_FILE``, else True (the client's own). Raises `InputError` for a file without
    any.

    Without the environment's proxies, as for this machine's own servers, the client would pass that file over too.
    """
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # of which those of ssl are a kind
        remedy = "Set SSL_CERT_FILE to a .pem file with certificates, or unset it."
        raise InputError(
            f"No certificates can be read from this file ({error}).", path=path, remedy=remedy
        ) from None


def check_address(url: str) -> str:
    """The host of a server's address. Raises `InputError` for an address without encryption."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:  # a port that is not a number, or brackets that do not close
        remedy = f"Write {ENDPOINT_PREFIX}https://HOST:PORT/v1#MODEL."
        raise InputError(
            f"This is not the address of a server ({error}).", path=url.rpartition("@")[2], remedy=remedy
        ) from None
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            "This is not the address of a server.",
            path=url,
            remedy=f"Write {ENDPOINT_PREFIX}https://HOST/v1#MODEL.",
        )
    if parts.username or parts.password or parts.query:
        shown = f"{parts.scheme}://{host}..."
        raise InputError(
            "The address holds a password or a token.",
            path=shown,
            remedy=f"Take it out of the address, and put the token into {TOKEN_VARIABLE}.",
        )
    if is_in_the_clear(url):
        raise InputError(
            "The address is not encrypted, and images are not sent to another machine without encryption.",
            path=url,
            remedy="Use https.",
        )
    return host
