"""Models that decide by a prompt's words and pixels in a way that is known exactly, and cases for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from helpers.prompts import (
    CHANGE_QUESTION,
    CT_QUESTION,
    Message,
    Reply,
    image_messages,
    images_of,
    volume_messages,
)

QUESTION = CT_QUESTION.format(history="Fall.", condition="bleeding")
CHANGES = ("improved", "stable", "worsened")


def grey(level: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (level,) * 3)


@dataclass(frozen=True)
class Shown:
    """A question about plain grey slices: bleeding is bright."""

    id: str
    levels: tuple[int, ...]
    group: str
    truth: str
    kind: str = "ct"
    condition: str = "bleeding"
    options: tuple[str, ...] = ("yes", "no")
    question: str = QUESTION

    @property
    def messages(self) -> list[Message]:
        make = image_messages if self.kind == "change" else volume_messages
        return make([grey(level) for level in self.levels], self.question)


@dataclass
class Looker:
    """Says what ``decide`` makes of a prompt's words and of the brightness of its images."""

    decide: Callable[[str, list[int]], str]
    name: str = "looker"
    asked: list[tuple[str, list[int]]] = field(default_factory=list)

    def generate(self, messages: list[Message], max_new_tokens: int) -> Reply:
        words = messages[-1]["content"][-1]["text"]
        levels = [image.getpixel((0, 0))[0] for image in images_of(messages)]
        self.asked.append((words, levels))
        return Reply(f"Final Answer: {self.decide(words, levels)}", "", 10, 5, 0.0, True)


def bleeding() -> list[Shown]:
    """Four cases with bleeding and four without, in groups of two of each; the last has one slice more."""
    levels = [(200, 200)] * 4 + [(90, 90)] * 3 + [(90, 90, 90)]
    return [Shown(f"c{k}", of, f"g{k // 2}", "yes" if of[0] > 128 else "no") for k, of in enumerate(levels)]


def changes() -> list[Shown]:
    """Six pairs, prior and current: two of each change; a brighter current image is worse."""
    pairs = [(200, 90), (210, 80), (90, 90), (200, 200), (90, 200), (80, 210)]
    truths = [CHANGES[k // 2] for k in range(6)]
    words = CHANGE_QUESTION.format(condition="effusion")
    return [
        Shown(f"p{k}", pair, f"g{k}", truth, "change", "effusion", CHANGES, words)
        for k, (pair, truth) in enumerate(zip(pairs, truths, strict=True))
    ]


def is_opposite(words: str) -> bool:
    return "free of" in words or "without" in words


def sees(words: str, levels: list[int]) -> str:
    """Looks, and understands the opposite; without images it finds nothing."""
    bright = bool(levels) and max(levels) > 128
    return "yes" if bright != is_opposite(words) else "no"


def sees_but_reads_no_opposite(words: str, levels: list[int]) -> str:
    return "yes" if levels and max(levels) > 128 else "no"


def never_looks(words: str, levels: list[int]) -> str:
    return "no"


def compares(words: str, levels: list[int]) -> str:
    prior, current = levels or (0, 0)
    return CHANGES[1 + (current > prior) - (current < prior)]
