"""Reward a reply for its answer, and for its form. Both rewards run from 0 to 1; a reply that cannot be read gets
0.

The answer's reward is the mark that an evaluation gives (`helpers.evaluation.mark`), by the same parsers, so that
what is learned from is what is scored. The reward for the form is separate, because a model easily learns the form
alone, which says nothing about the images.
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
    """1 for the right option or a number within its tolerance, the overlap (IoU) of a box, and else 0.

    A reply that was cut off counts as `helpers.prompts.Reply.read` says. Raises `InputError` as `check_rewarded`.
    """
    kept = _truth(case)
    return mark({**kept, "parsed": parsed_of(case, kept["form"], reply)})


def format_reward(case: Asked, reply: Reply) -> float:
    """1 for an answer in the form that the report's templates ask for, 0.5 for another that can be read, else 0.

    That form is "Final Answer: X" at the end of the reply, and X alone is read as the same answer. Whether the
    answer is right plays no part. Raises `InputError` as `check_rewarded`.
    """
    form = _truth(case)["form"]
    if (said := parsed_of(case, form, reply)) is None:
        return 0.0
    _, stated, rest = split_thinking(reply.text)[0].rpartition(FINAL)
    return 1.0 if stated and parsed_of(case, form, replace(reply, text=rest.strip())) == said else 0.5


def check_rewarded(cases: Iterable[Asked]) -> None:
    """Raise `InputError` for no cases, and for one whose answer is a sentence, which no parser reads.

    A sentence could be rewarded by the words that it shares with the true one. The model would then learn to write
    those words, right or wrong.
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
