"""Check the address of a served model, and find the token for it."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from helpers.errors import InputError
from helpers.network import is_in_the_clear, without_secrets

ENDPOINT_PREFIX = "endpoint:"  # of MODEL: endpoint:URL#MODEL
TOKEN_VARIABLE = "ENDPOINT_TOKEN"


def trusted_certificates() -> ssl.SSLContext | bool:
    """The certificates in ``SSL_CERT_FILE``, else True (the client's own). Raises `InputError` for a file without
    any.

    For this machine's own servers, the client ignores the environment because of its proxies, and would also
    ignore this file.
    """
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # errors of ssl are of this kind
        remedy = "Set SSL_CERT_FILE to a .pem file with certificates, or unset it."
        raise InputError(
            f"No certificates can be read from this file ({error}).", path=path, remedy=remedy
        ) from None


def check_address(url: str) -> str:
    """The host of a server's address. Raises `InputError` for an address without encryption."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if port == 0:
            raise ValueError("there is no port 0")
        if not url.isprintable() or " " in url:  # the client sends it unchanged, and urlsplit ignores line ends
            raise ValueError("it holds a space or a line end")
        host.encode("idna")
    except ValueError as error:  # e.g. a port that is not a number, open brackets, or a name that is too long
        remedy = f"Write {ENDPOINT_PREFIX}https://HOST:PORT/v1#MODEL."
        raise InputError(
            f"This is not the address of a server ({error}).",
            path=repr(without_secrets(url))[1:-1],
            remedy=remedy,
        ) from None
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            "This is not the address of a server.",
            path=without_secrets(url),
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
            path=without_secrets(url),
            remedy="Use https.",
        )
    return host


def place_of(url: str) -> str:
    """A text that identifies a server: its host, with port and path if they are not the usual ones.

    Two servers on one machine differ in the port, and two endpoints behind one host in the path.
    """
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    path = parts.path.rstrip("/")
    return f"{host}{port}{'' if path == '/v1' else path or '/'}"
