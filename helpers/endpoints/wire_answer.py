"""Read an answer of the API: the message and its cost, or the error in its place."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from helpers.endpoints.retries import NoAnswer, ToldError, UnreadableAnswer

# The fields with the words of an error, in the forms of OpenAI and vLLM, of FastAPI, and of gateways.
_TELLING = ("error", "errors", "detail", "fault", "message", "msg", "faultstring", "reason", "title")
# What servers write in place of a number; also in the middle of a longer name: "invalid_request_error".
_STATUSES = {
    401: r"unauthori[sz]ed|unauthenticated|authentication|invalid_?api_?key",
    402: r"insufficient_?quota|billing|payment",
    403: r"permission|forbidden",
    404: r"not_?found",
    413: r"too_?large",
    429: r"rate_?limit|resource_?exhausted|too_?many",
    400: r"invalid|bad_?request|context_?length|unsupported|failed_?precondition|exceed_?context",
}
_ENDED = ("stop", "eos", "eos_token", "stop_sequence", "end_turn")  # of OpenAI, TGI and others
_CUT = ("length", "max_tokens", "max_length", "model_length")
_NOT_GIVEN = {
    "content_filter": "The server's filter kept the answer back.",
    "tool_calls": "The server answers with a call of a tool, and not with words.",
    "function_call": "The server answers with a call of a tool, and not with words.",
    "error": "The server broke the answer off with an error.",
}


def read_answer(content: bytes) -> dict[str, Any]:
    """The first choice of a complete answer (``message``, ``finish_reason``, ``logprobs``) with its ``usage``.

    Raises `ToldError` for an error that was sent with status 200, `NoAnswer` for what is whole and holds no
    answer, and `UnreadableAnswer` for a part of an answer.
    """
    try:
        answer = json.loads(content)
    except ValueError:
        page = content.decode(errors="replace").strip()
        if page.startswith("<"):  # from a proxy, or from a network that asks to sign in
            raise NoAnswer("The answer cannot be read: it is a web page", words_of(page)) from None
        raise UnreadableAnswer(f"{len(content)} bytes that are not a complete answer") from None
    if (told := told_error(answer)) is not None:
        raise told
    try:
        choice = answer["choices"][0]
        message, usage = dict(choice["message"]), _usage_of(answer)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise NoAnswer("The answer cannot be read: it has no choices of messages", words_of(answer)) from None
    message["content"] = text_of(message.get("content"))
    reason = reason_of(choice.get("finish_reason"))
    check_given(message, reason)
    told = {"finish_reason": "stop" if reason in _ENDED else reason, "logprobs": choice.get("logprobs")}
    return {"message": message, "usage": usage, **told}


def reason_of(told: Any) -> str:
    """Why an answer ended, in small letters; "" where the server does not say, as some never do."""
    return told.casefold() if isinstance(told, str) else ""


def has_ended(reason: str, written: int, most: int) -> bool:
    """Whether an answer of ``written`` tokens is whole. A server that gives no reason may give its tokens."""
    return reason == "stop" if reason else 0 < written < most


def check_given(message: dict[str, Any], reason: Any) -> None:
    """Raise `NoAnswer` if the server sent something else than an answer, which would count as a wrong answer."""
    if message.get("content"):
        return
    if refusal := message.get("refusal"):
        raise NoAnswer("The server refuses to answer", words_of(refusal))
    if reason in _NOT_GIVEN or message.get("tool_calls"):
        raise NoAnswer(_NOT_GIVEN.get(reason, _NOT_GIVEN["tool_calls"]).rstrip("."), "")
    if reason in _ENDED and (thought := thinking_of(message)):
        raise NoAnswer(
            "The answer is empty, and all its words stand in the field for the thinking trace", thought[-200:]
        )
    if reason and reason not in (*_ENDED, *_CUT):
        raise NoAnswer("The answer is empty, and the server names a reason for this", reason)


def thinking_of(message: dict[str, Any]) -> str:
    """The thinking that a server's parser took out of the answer.

    vLLM and Ollama call it ``reasoning``, llama.cpp, LM Studio and older vLLM ``reasoning_content``.
    """
    traces = (message.get(name) for name in ("reasoning", "reasoning_content", "thinking"))
    return next((trace for trace in traces if isinstance(trace, str) and trace), "")


def told_error(answer: Any) -> ToldError | None:
    """The error in an answer without choices, or in its first choice, in any form; None without one."""
    if isinstance(answer, list) and answer:  # Google's gateways put an error into a list
        answer = answer[0]
    if not isinstance(answer, dict):
        return None
    if choices := answer.get("choices"):
        first = choices[0] if isinstance(choices, list) else None
        answer = {"error": first["error"]} if isinstance(first, dict) and first.get("error") else {}
    if isinstance(answer.get("message"), dict):  # Ollama's own form of an answer, not of an error
        return None
    if not any(answer.get(name) for name in _TELLING):
        return None
    return ToldError(words_of(answer), _status_in(answer))


def _status_in(answer: dict[str, Any]) -> int | None:
    """The status in an error, as a number or as a name."""
    inner = answer.get("error") if isinstance(answer.get("error"), dict) else {}
    named = [part.get(name) for part in (inner, answer) for name in ("code", "status", "type", "object")]
    named = [str(name) for name in named if name]
    for name in named:
        if re.fullmatch(r"[45]\d\d", name):
            return int(name)
    for name in named:
        for status, pattern in _STATUSES.items():
            if re.search(pattern, name, re.IGNORECASE):
                return status
    return None


def words_of(told: Any) -> str:
    """The server's words in one line: the message of an error in any form, or the text of a web page."""
    if isinstance(told, bytes):
        told = told.decode(errors="replace")
    if isinstance(told, str):
        if re.match(r"\s*<", told):
            told = re.sub(r"(?is)<(script|style|head(?!er))\b.*?</\1>", lambda found: _title(found[0]), told)
            told = html.unescape(re.sub(r"<[^>]*>", " ", told))
        return " ".join(told.split())
    if isinstance(told, dict):
        parts = [told[name] for name in _TELLING if told.get(name)]
        if parts and not isinstance(parts[0], bool | int):
            return words_of(parts[0])
    if isinstance(told, list) and told and all(isinstance(part, dict) for part in told):
        return "; ".join(_of_field(part) for part in told)
    return json.dumps(told, ensure_ascii=False, default=str)


def _of_field(part: dict[str, Any]) -> str:
    """One of FastAPI's complaints: which field, and why."""
    where = ".".join(str(step) for step in part["loc"]) + ": " if isinstance(part.get("loc"), list) else ""
    return where + words_of(part)


def _title(head: str) -> str:
    found = re.search(r"(?is)<title[^>]*>(.*?)</title>", head)
    return f" {found[1]}. " if found else " "


def _usage_of(answer: dict[str, Any]) -> dict[str, int]:
    """``prompt_tokens`` and ``completion_tokens``, 0 without any. llama.cpp also sends ``timings``."""
    told, timings = answer.get("usage") or {}, answer.get("timings") or {}
    read = {"prompt_tokens": told.get("prompt_tokens"), "completion_tokens": told.get("completion_tokens")}
    if not told:
        read = {"prompt_tokens": (timings.get("prompt_n") or 0) + (timings.get("cache_n") or 0)}
        read["completion_tokens"] = timings.get("predicted_n")
    return {name: int(n) if isinstance(n, int | float) and n > 0 else 0 for name, n in read.items()}


def text_of(content: Any) -> str:
    """The text of a message, which some servers give as a list of parts. Halves of a sign become U+FFFD."""
    if content is None or isinstance(content, str):
        return (content or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [str(part.get("text") or "") for part in content if part.get("type", "text") == "text"]
        return text_of("".join(texts))
    raise NoAnswer("The answer cannot be read: it is not text", words_of(content))
