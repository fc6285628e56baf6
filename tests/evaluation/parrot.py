"""A model that answers at once by the words of the question, and questions for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from helpers.prompts import Message, Reply, image_messages


@dataclass(frozen=True)
class Question:
    """A question about words or slices."""

    id: str
    prompt: list[Message]
    group: str = ""
    kind: str = "ct"
    condition: str = "bleeding"
    options: tuple[str, ...] = ("yes", "no")
    truth: str = "yes"

    @property
    def messages(self) -> list[Message]:
        if not self.prompt:
            raise OSError("slice 7 cannot be read")
        return self.prompt


@dataclass
class Parrot:
    """Answers at once, by the words of the question; counts what it was asked."""

    name: str = "parrot"
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)
    model: Any = None
    url: str = ""

    def generate(self, messages: list[Message], max_new_tokens: int) -> Reply:
        words = messages[-1]["content"][-1]["text"]
        self.asked.append(words)
        time.sleep(self.pause)
        if "break" in words:
            raise ConnectionError("gone")
        said = "yes" if sum(words.encode()) % 3 else "no"
        return Reply(f"About {words}. Final Answer: {said}", "", 10, 5, 0.0, True)


def questions(n: int) -> list[Question]:
    """Some of words alone, four of each group."""
    return [Question(f"q{k}", image_messages([], f"question {k}"), group=f"g{k // 4}") for k in range(n)]
