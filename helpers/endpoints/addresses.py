"""Where a served model is: an address that is safe to send to, and the token that opens it."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from helpers.errors import InputError
from helpers.network import is_in_the_clear

ENDPOINT_PREFIX = "endpoint:"  # of MODEL: endpoint:URL#MODEL
TOKEN_VARIABLE = "ENDPOINT_TOKEN"


def endpoint_token() -> str:
    """The token in ``ENDPOINT_TOKEN``, in Colab also that of its secrets; empty where there is none."""
    if not os.environ.get(TOKEN_VARIABLE) and "google.colab" in sys.modules:
        from google.colab import userdata

        try:
            # In the environment it is also cut out of whatever is kept (helpers.endpoints.redaction).
            os.environ[TOKEN_VARIABLE] = userdata.get(TOKEN_VARIABLE) or ""
        except Exception:  # no such secret, or no leave to read it: both its own kinds of error
            return ""
    return os.environ.get(TOKEN_VARIABLE, "").strip()


def check_address(url: str) -> str:
    """The host of a server's address. Raises `InputError` for one that would send anything in the clear."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(
            "This is no address of a server.",
            path=url,
            remedy=f"Write {ENDPOINT_PREFIX}https://HOST/v1#MODEL.",
        )
    if parts.username or parts.password or parts.query:
        shown = f"{parts.scheme}://{host}..."
        raise InputError("The address holds a secret.", path=shown, remedy=f"Put tokens into {TOKEN_VARIABLE}.")
    if is_in_the_clear(url):
        raise InputError("Images are not sent to another machine unencrypted.", path=url, remedy="Use https.")
    return host
