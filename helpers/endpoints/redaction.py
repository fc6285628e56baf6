"""Remove access tokens from texts that are stored or shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from huggingface_hub import get_token

# A shorter value is a setting and not a secret. If it were removed, ordinary words would lose letters.
SHORTEST_TOKEN = 6


def without_tokens(content: Any) -> Any:
    """A copy of nested dicts, lists and texts in which each token value reads ``[token removed]``.

    Tokens are the values of all environment variables named ``*_TOKEN`` (HF_TOKEN, HUGGING_FACE_HUB_TOKEN, ...)
    and the one that ``hf auth login`` keeps, of at least `SHORTEST_TOKEN` characters, also as part of a URL.
    """
    values = {value.strip() for name, value in os.environ.items() if name.upper().endswith("_TOKEN")}
    values.add((get_token() or "").strip())
    values |= {quote(value, safe="") for value in values}
    # The longest first, because a token may hold another one.
    return _replaced(content, sorted((v for v in values if len(v) >= SHORTEST_TOKEN), key=len, reverse=True))


def _replaced(content: Any, tokens: list[str]) -> Any:
    if isinstance(content, str):
        for token in tokens:
            content = content.replace(token, "[token removed]")
        return content
    if isinstance(content, Mapping):
        return {_replaced(key, tokens): _replaced(value, tokens) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_replaced(value, tokens) for value in content]
    return content
