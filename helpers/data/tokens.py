"""Tokens of servers: in the environment, in Colab also in its secrets, and fit for a header."""

from __future__ import annotations

import os
import sys

from helpers.errors import InputError


def secret_token(variable: str) -> str:
    """The token in an environment variable, in Colab also that of its secrets; empty where there is none."""
    if not os.environ.get(variable) and "google.colab" in sys.modules:
        from google.colab import userdata

        try:
            # In the environment it is also cut out of whatever is kept (helpers.endpoints.redaction).
            os.environ[variable] = userdata.get(variable) or ""
        except Exception:  # no such secret, or no leave to read it: both its own kinds of error
            return ""
    return os.environ.get(variable, "").strip()


def checked_token(token: str, variable: str, path: str) -> str:
    """A token without spaces and line ends around it. Raises `InputError` for one that no header can hold."""
    token = token.strip()
    if not all("!" <= character <= "~" for character in token):
        raise InputError(
            "The token holds a line end, a space or a letter with an accent, which a valid token never has.",
            path=path,
            remedy=f"Copy the token again, on one line, without the word Bearer ({variable}, or token=...).",
        )
    return token
