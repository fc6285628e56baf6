"""Ask the same question of many parts, each in a prompt of its own, and read how likely "yes" is.

A model on this machine does not write an answer for this: its likelihood of "yes" is read directly behind "Final
Answer:". A server writes its answer, and may also send the likelihoods of its own words. If it sends none, the
answer yes counts as 1 and no as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.errors import InputError
from helpers.evaluation import ask_group, direct_likelihoods
from helpers.models import ChatModel, VllmModel
from helpers.prompts import MAX_NEW_TOKENS, Message
from helpers.slides import Patch

YES_NO = ("yes", "no")
UNKNOWN = 0.5  # the score of a part without a readable answer; it ranks in the middle


@dataclass(frozen=True)
class Block:
    """One prompt of a search: the place that it showed, and the model's answer."""

    where: tuple[int, ...] | Patch  # slices of the volume, from 0; or a patch of the slide
    p_yes: float | None  # likelihood of yes divided by that of yes and no together; None where none was sent
    mass: float | None  # the likelihood of yes and no together
    answer: str | None  # "yes" or "no" as the model wrote it; None where it stated neither
    text: str  # the model's words; "" where only the likelihood was read
    prompt_tokens: int
    completion_tokens: int
    finished: bool = True  # False where the answer was cut at the limit of its tokens

    @property
    def score(self) -> float:
        """The number by which parts are ranked, 0 to 1: ``p_yes``, else 1 or 0 for the answer, else 0.5."""
        if self.p_yes is not None:
            return self.p_yes
        return UNKNOWN if self.answer is None else float(self.answer == "yes")


@dataclass(frozen=True)
class _Part:
    """A prompt as `helpers.evaluation.ask_group` takes it."""

    messages: list[Message] = field(repr=False)
    id: str = "part"
    kind: str = "part"
    group: str = "part"
    condition: str = ""
    options: tuple[str, ...] = YES_NO
    truth: str = ""


def read_blocks(
    chat: Any,
    prompts: Iterable[tuple[tuple[int, ...] | Patch, list[Message]]],
    *,
    write: bool = False,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[Block]:
    """Ask about parts, one prompt after the other. The images of a prompt are made when its turn comes.

    Args:
        chat: a model, as `helpers.models.load_model` gives it. One with `helpers.models.ChatModel.keeping_images`
            encodes no image twice.
        prompts: for each part its place, and its whole prompt with a yes-or-no question.
        write: whether a model on this machine also writes its answer. A served model always does.
        max_new_tokens: the most tokens of a written answer.

    Raises:
        InputError: as a prompt or the model raises it. No part is left out without an error.
    """
    written = write or not isinstance(chat, ChatModel | VllmModel)
    read = _written if written else _read
    return [read(chat, where, messages, max_new_tokens) for where, messages in prompts]


def _read(chat: ChatModel | VllmModel, where: Any, messages: list[Message], _: int) -> Block:
    """Read the likelihood of yes of one part, without an answer in words."""
    (found,) = direct_likelihoods(chat, chat, [messages])
    tokens = chat.count_tokens(messages).total
    return Block(where, found["p_yes_direct"], found["yes_no_mass_direct"], None, "", tokens, 0)


def _written(chat: Any, where: Any, messages: list[Message], limit: int) -> Block:
    (answer,) = ask_group(chat, [(_Part(messages), messages)], limit)
    if "error" in answer:
        raise InputError(f"A part of the search was not answered. {answer['error']}", path=chat.name)
    # The likelihood before an argument is preferred, so that all likelihoods of a search mean the same.
    behind = "_direct" if answer["p_yes_direct"] is not None else ""
    p_yes, mass = answer[f"p_yes{behind}"], answer[f"yes_no_mass{behind}"]
    tokens = (answer["prompt_tokens"], answer["completion_tokens"])
    return Block(where, p_yes, mass, answer["parsed"], answer["text"], *tokens, finished=answer["finished"])


def best_of(blocks: Sequence[Block]) -> Block:
    """The part with the highest score. If several are equal, the first of them."""
    return max(blocks, key=lambda block: block.score)
