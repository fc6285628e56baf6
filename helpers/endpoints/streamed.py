"""An answer that comes in pieces, over the wire of the OpenAI chat API: its text, or the error that ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai

from helpers.endpoints.retries import ToldError, UnreadableAnswer
from helpers.endpoints.wire_answer import check_given, read_answer, reason_of, text_of, told_error, words_of


def pieces_of(opened: openai.Stream[Any], usage: dict[str, Any]) -> Iterator[str]:
    """Yield pieces of the answer's text. The server's count of tokens is put into ``usage``.

    Raises `UnreadableAnswer` for a stream that stops without its end, `ToldError` for an error in it, and
    `NoAnswer` as `helpers.endpoints.wire_answer.read_answer` does.
    """
    kind = opened.response.headers.get("content-type", "")
    if "json" in kind or "html" in kind:  # a whole answer, an error, or a web page
        answer = read_answer(opened.response.read())
        usage |= answer["usage"]
        yield answer["message"]["content"]
        return
    message: dict[str, Any] = {}  # other contents than text, and the reason why the answer ended
    reason = None
    try:
        for chunk in opened:
            if (told := told_error(chunk.model_dump())) is not None:
                raise told
            if chunk.usage:
                usage |= chunk.usage.model_dump()
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            delta = choice.delta.model_dump() if choice.delta else {}
            reason = reason_of(choice.finish_reason) or reason
            if piece := text_of(delta.get("content")):
                message["content"] = "some"
                yield piece
            for name in ("refusal", "reasoning", "reasoning_content", "tool_calls"):
                if delta.get(name):
                    message[name] = message.get(name, type(delta[name])()) + delta[name]
    except openai.APIError as error:
        if error.body is None:  # the connection was lost
            raise
        raise told_error({"error": error.body}) or ToldError(words_of(error.body)) from None
    if not reason:
        raise UnreadableAnswer("the stream stops before its end")
    check_given(message, reason)
