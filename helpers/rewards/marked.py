"""Reward a reply for its answer, and for its form, each from 0 to 1. A reply that cannot be read gets 0.

The reward for the answer is the mark of an evaluation (`helpers.evaluation.mark`), with the same parsers. So the
model learns from the same number by which it is scored. The reward for the form is separate, because a model
easily learns the form alone, which says nothing about the images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from helpers.errors import InputError
from helpers.evaluation import Asked, mark, parsed_of, truth_of
from helpers.prompts import Reply, split_thinking

Reward = Callable[[Asked, Reply], float]
FINAL = "Final Answer:"


def answer_reward(case: Asked, reply: Reply) -> float:
    """1 for the right option or a number within its tolerance, the overlap (IoU) of a box, otherwise 0.

    `helpers.prompts.Reply.read` decides whether a reply that was cut off counts. Raises `InputError` as
    `check_rewarded` does.
    """
    kept = _truth(case)
    return mark({**kept, "parsed": parsed_of(case, kept["form"], reply)})


def format_reward(case: Asked, reply: Reply) -> float:
    """1 for an answer in the form that the report's templates ask for, 0.5 for another that can be read, else 0.

    That form is "Final Answer: X" at the end of the reply, and X alone is read as the same answer. It does not
    matter whether the answer is right. Raises `InputError` as `check_rewarded` does.
    """
    form = _truth(case)["form"]
    if (said := parsed_of(case, form, reply)) is None:
        return 0.0
    _, stated, rest = split_thinking(reply.text)[0].rpartition(FINAL)
    return 1.0 if stated and parsed_of(case, form, replace(reply, text=rest.strip())) == said else 0.5


def check_rewarded(cases: Iterable[Asked]) -> None:
    """Raise `InputError` if there are no cases, or if the answer to one is a sentence, which no parser reads.

    A reward for the words that a sentence shares with the true one would only teach the model to write these
    words, right or wrong.
    """
    cases = list(cases)
    if not cases:
        raise InputError("There are no cases to learn from.", remedy="Give at least one.")
    for case in cases:
        _truth(case)


def _truth(case: Asked) -> dict[str, object]:
    kept = truth_of(case)
    if kept["form"] == "text":
        raise InputError(
            f"The answer to {case.id} is a sentence, but no parser can tell whether a sentence is right.",
            remedy="Give cases with options, a number or a box, or tune on the answers themselves (finetune).",
        )
    return kept
