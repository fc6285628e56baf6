"""A model's reply without its thinking trace, and its cost in tokens and seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from helpers.errors import check_count

# This leaves room for an argument before the answer, as in the calls of the model card and the official notebooks
# (Google-Health/medgemma). It is the default of all functions that ask. An answer that ends earlier costs nothing
# more.
MAX_NEW_TOKENS = 2_000

Value = TypeVar("Value")
# The parts that ended before the cut: whole lines, and whole sentences of the last line ("3." may be the beginning
# of 3.5).
_WHOLE = re.compile(r".*(?:\n|[.!?](?=\s)|[。！？])", re.DOTALL)

_TRACE = re.compile(
    r"<unused94>(.*?)(?:<unused95>|\Z)|<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)"
    r"|\A((?:(?!<think(?:ing)?>).)*)</think(?:ing)?>",
    re.DOTALL,
)


def check_max_new_tokens(max_new_tokens: int) -> None:
    """Raise `InputError` unless an answer may have at least one token."""
    check_count(
        max_new_tokens,
        f"The limit of an answer is {max_new_tokens!r} tokens, which is not a whole number of 1 or more.",
        remedy="Use max_new_tokens=1 (--max-new-tokens 1) or more.",
    )


class Decoder(Protocol):
    """An object that turns token ids into words: a loaded model, in any library."""

    @property
    def processor(self) -> Any:
        """The processor, which holds the tokenizer."""

    @property
    def end_tokens(self) -> Set[int]:
        """The ids that end a reply."""


@dataclass(frozen=True)
class Reply:
    """An answer without its thinking trace, and its cost in tokens and seconds."""

    text: str
    thinking: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    finished: bool  # False if max_new_tokens cut it off

    def read(self, parse: Callable[[str], Value | None]) -> Value | None:
        """The value that ``parse`` reads from the answer; ``parse`` is, for example,
        `helpers.prompts.parse_final_answer`.

        In an answer that was cut off, a statement counts only if its sentence or line had ended and the unfinished
        rest states nothing else, because "Final Answer: no" may have become "not seen", and 12 m may have become
        12 mm. Otherwise the value is None, as for any answer that cannot be read.
        """
        value = parse(self.text)
        if self.finished or value is None:
            return value
        whole = _WHOLE.match(self.text)
        return value if whole and parse(whole[0]) == value else None


def reply_from(ids: list[int], prompt_tokens: int, seconds: float, chat: Decoder) -> Reply:
    """The reply that the generated ``ids`` spell, which may include an end token."""
    ends = chat.end_tokens
    decoded = chat.processor.tokenizer.decode([i for i in ids if i not in ends], skip_special_tokens=False)
    text, thinking = split_thinking(decoded)
    return Reply(text, thinking, prompt_tokens, len(ids), seconds, finished=bool(ids) and ids[-1] in ends)


class RunningText:
    """A streamer for transformers' generate that passes on the answer so far, at most five times a second."""

    def __init__(self, chat: Decoder, on_text: Callable[[str], None]) -> None:
        self._chat, self._on_text = chat, on_text
        self._ids: list[int] | None = None  # None until the prompt, which comes first, was received
        self._told = 0.0

    def put(self, ids: Any) -> None:
        """Take the prompt, then each new token."""
        if self._ids is None:
            self._ids = []
            return
        self._ids += ids.flatten().tolist()
        if time.monotonic() - self._told > 0.2:
            self._told = time.monotonic()
            text = reply_from(self._ids, 0, 0.0, self._chat)
            self._on_text(text.text or ("(thinking)" if text.thinking else ""))

    def end(self) -> None:
        """Do nothing at the end, because generate returns the whole answer."""


def split_thinking(decoded: str) -> tuple[str, str]:
    """Split a decoded reply into answer and thinking trace.

    MedGemma thinks between ``<unused94>`` and ``<unused95>``. Servers and other models write ``<think>`` and
    ``</think>``, and leave out the first of the two where the prompt ends on it. If the trace was cut off before
    its end, the answer is empty.
    """
    traces = [next(filter(None, found.groups()), "") for found in _TRACE.finditer(decoded)]
    thinking = "\n".join(t.strip().removeprefix("thought").strip() for t in traces)
    return _TRACE.sub("", decoded).strip(), thinking
