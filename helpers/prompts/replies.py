"""What a model says: its reply, the thinking trace taken out, the final answer or the boxes in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol


class Decoder(Protocol):
    """What turns token ids into words: a loaded model, whatever runs it."""

    @property
    def processor(self) -> Any:
        """With the tokenizer."""

    @property
    def end_tokens(self) -> Set[int]:
        """The ids that end a reply."""


@dataclass(frozen=True)
class Reply:
    """An answer, with a thinking trace taken out of it, and what it cost."""

    text: str
    thinking: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    finished: bool  # False when max_new_tokens cut it off


def reply_from(ids: list[int], prompt_tokens: int, seconds: float, chat: Decoder) -> Reply:
    """The reply that the generated ``ids``, an end token included, spell."""
    ends = chat.end_tokens
    decoded = chat.processor.tokenizer.decode([i for i in ids if i not in ends], skip_special_tokens=False)
    text, thinking = split_thinking(decoded)
    return Reply(text, thinking, prompt_tokens, len(ids), seconds, finished=bool(ids) and ids[-1] in ends)


class RunningText:
    """A streamer for transformers' generate: hands on the answer so far, at most five times a second."""

    def __init__(self, chat: Decoder, on_text: Callable[[str], None]) -> None:
        self._chat, self._on_text = chat, on_text
        self._ids: list[int] | None = None  # None until the prompt, which comes first, has passed
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
        """Nothing more comes; the whole answer is what generate returns."""


def split_thinking(decoded: str) -> tuple[str, str]:
    """Split a decoded reply into answer and thinking trace (between ``<unused94>`` and ``<unused95>``).

    A trace that was cut off before its end leaves no answer.
    """
    traces = re.findall(r"<unused94>(.*?)(?:<unused95>|\Z)", decoded, flags=re.DOTALL)
    answer = re.sub(r"<unused94>.*?(?:<unused95>|\Z)", "", decoded, flags=re.DOTALL)
    thinking = "\n".join(t.strip().removeprefix("thought").strip() for t in traces)
    return answer.strip(), thinking


def parse_final_answer(reply: str, options: Sequence[str]) -> str | None:
    """Which of ``options`` a reply ends on, as it is spelled there; None where it ends on none of them.

    The last "Final Answer:" counts; case, quotes and Markdown do not. Without those words only a reply that is an
    option and nothing else counts, so that a "yes" somewhere in an argument is never taken for the answer. A
    thinking trace is no answer, and neither is an option with another beside it ("yes or no").
    """
    text = re.sub(r"[*_`]", "", split_thinking(reply)[0])
    *found, said = re.split(r"final\s+answer", text, flags=re.IGNORECASE)
    if found:  # up to the end of its line; "is" and marks in front of it do not count
        said = re.sub(r"^\W*(?:is\b|would\s+be\b)?\W*", "", said, flags=re.IGNORECASE).partition("\n")[0]
    words = re.findall(r"\w+", said.lower())
    by_words = {tuple(re.findall(r"\w+", option.lower())): option for option in options}
    starts = [option for key, option in by_words.items() if key and tuple(words[: len(key)]) == key]
    if not starts:
        return None
    best = max(starts, key=len)
    rest = words[len(re.findall(r"\w+", best.lower())) :]
    if not found and rest:
        return None
    others = {word for key, option in by_words.items() if option != best for word in key}
    return None if others & set(rest[:2]) else best


def parse_boxes(reply: str) -> list[list[float]] | None:
    """The boxes (y0, x0, y1, x1, of 1000) of a reply that holds a JSON list of them; None where it holds none.

    A fence of backticks and words around the list are passed over. Boxes of 1, as the MedGemma 1.5 report
    (arXiv:2604.05081) writes them, are brought to 1000, as the official notebooks do.
    """
    text, _ = split_thinking(reply)
    found = re.search(r"\[.*\]", text, flags=re.DOTALL)
    try:
        boxes = [[float(v) for v in entry["box_2d"]] for entry in json.loads(found[0])] if found else []
    except (ValueError, TypeError, KeyError):
        return None
    if not boxes or any(len(box) != 4 for box in boxes):
        return None
    if all(0 <= value <= 1 for box in boxes for value in box):
        return [[1000 * value for value in box] for box in boxes]
    return boxes
