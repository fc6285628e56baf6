"""Find the token of a server in the environment or in Colab's secrets, and check that a header can hold it."""

from __future__ import annotations

import os
import sys

from helpers.errors import InputError


def secret_token(variable: str) -> str:
    """The token in an environment variable, or in Colab's secrets; "" if there is none."""
    if not os.environ.get(variable) and "google.colab" in sys.modules:
        from google.colab import userdata

        try:
            # In the environment, helpers.endpoints.redaction also finds it, and removes it from stored texts.
            os.environ[variable] = userdata.get(variable) or ""
        except Exception:  # Colab's own errors: there is no such secret, or no permission to read it
            return ""
    return os.environ.get(variable, "").strip()


def checked_token(token: str, variable: str, path: str) -> str:
    """A token without spaces and line ends around it. Raises `InputError` if a header cannot hold it."""
    token = token.strip()
    if not all("!" <= character <= "~" for character in token):
        raise InputError(
            "The token holds a line end, a space or a letter with an accent, which a valid token never has.",
            path=path,
            remedy=f"Copy the token again, on one line, without the word Bearer ({variable}, or token=...).",
        )
    return token
