"""Read an answer of the API: the message and its cost, or the error in its place."""

from __future__ import annotations

import json
from typing import Any

from helpers.endpoints.retries import ToldError, UnreadableAnswer


def read_answer(content: bytes) -> dict[str, Any]:
    """The first choice of a complete answer (``message``, ``finish_reason``, ``logprobs``) with its ``usage``.

    Raises `ToldError` for an error that was sent with status 200, and `UnreadableAnswer` for an incomplete answer.
    """
    try:
        answer = json.loads(content)
        if (told := told_error(answer)) is not None:
            raise told
        choice = answer["choices"][0]
        message, usage = dict(choice["message"]), dict(answer.get("usage") or {})
        if not isinstance(message.get("content") or "", str):
            raise UnreadableAnswer("an answer that is not text")
        told = {"finish_reason": choice["finish_reason"], "logprobs": choice.get("logprobs")}
        return {"message": message, "usage": usage, **told}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise UnreadableAnswer(f"{len(content)} bytes that are not a complete answer") from None


def thinking_of(message: dict[str, Any]) -> str:
    """The thinking that a server's parser took out of the answer. vLLM calls it ``reasoning``, formerly
    ``reasoning_content``.
    """
    traces = (message.get(name) for name in ("reasoning", "reasoning_content"))
    return next((trace for trace in traces if isinstance(trace, str) and trace), "")


def told_error(answer: Any) -> ToldError | None:
    """The error in an answer without choices: ``{"error": {...}}``, ``{"detail": ...}`` or a bare message."""
    if not isinstance(answer, dict) or answer.get("choices"):
        return None
    told = answer.get("error") or answer.get("detail") or answer.get("message")
    if not told:
        return None
    inner = told if isinstance(told, dict) else {}
    codes = (inner.get("code"), inner.get("status"), answer.get("code"), answer.get("status"))
    status = next((int(code) for code in codes if str(code).isdecimal() and 400 <= int(code) < 600), None)
    return ToldError(str(inner.get("message") or told), status)
