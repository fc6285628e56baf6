"""Choose the cases to look at first: wrong but sure, unreadable, cut off, runaway, furthest from the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from helpers.evaluation import Answer, Quantity, mark, valid_likelihood
from helpers.prompts import is_runaway
from helpers.reports.runs import Run, main_measure


class Told(NamedTuple):
    """The answer of one run to a case, and the reason why the case is shown. No reason if another run has it."""

    run: int
    answer: Answer
    reasons: list[str]


@dataclass(frozen=True)
class WorstCase:
    """A case with the answers of all runs that answered it."""

    id: str
    told: Sequence[Told]

    @property
    def answer(self) -> Answer:
        """The answer that the case is shown for."""
        return next(one for one in self.told if one.reasons).answer


def worst_cases(runs: Sequence[Run], most: int) -> list[WorstCase]:
    """At most ``most`` cases: in turn one for each run and reason, beginning with the worst of each."""
    by_id = [{answer["id"]: answer for answer in run.done} for run in runs]
    lines = [line for reason in REASONS for run in runs if (line := _line(run.done, reason))]
    chosen: dict[str, None] = {}
    while len(chosen) < most and any(lines):
        for line in lines:
            while line and line[0] in chosen:
                line.pop(0)
            if line and len(chosen) < most:
                chosen[line.pop(0)] = None
    return [
        WorstCase(name, [_told(k, answers[name]) for k, answers in enumerate(by_id) if name in answers])
        for name in chosen
    ]


def _told(run: int, answer: Answer) -> Told:
    return Told(run, answer, list(reasons(answer)))


def reasons(answer: Answer) -> Iterator[str]:
    """The reasons why an answer is among the worst, in words; none for another answer."""
    if (sure := sure_and_wrong(answer)) is not None:
        yield f"wrong, with a likelihood of {_percent(sure)} for its own answer"
    elif _is_wrong(answer):
        yield "wrong"
    if _is_silent(answer):
        yield "could not be read"
    if _is_cut(answer):
        yield "cut at the token limit"
    if _ran_away(answer):
        yield "repeats the same words until its end"
    if (far := _distance(answer)) is not None:
        off = (
            f"off by {Quantity(answer['unit']).write(abs(answer['parsed'] - answer['truth']))}"
            if answer["form"] == "number"
            else ""
        )
        yield off or f"{main_measure(answer['form'])} {1 - far:.2f}"


def sure_and_wrong(answer: Answer) -> float | None:
    """The likelihood of a wrong yes or no; None for any other answer."""
    share = valid_likelihood(answer, "p_yes")
    if share is None or answer["parsed"] not in ("yes", "no") or not _is_wrong(answer):
        return None
    return share if answer["parsed"] == "yes" else 1 - share


def _percent(share: float) -> str:
    return "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def _is_wrong(answer: Answer) -> bool:
    return answer["form"] == "choice" and answer["parsed"] is not None and mark(answer) < 1


def _is_silent(answer: Answer) -> bool:
    return answer["form"] != "text" and answer["parsed"] is None


def _is_cut(answer: Answer) -> bool:
    return answer.get("finished") is False


def _ran_away(answer: Answer) -> bool:
    kept = answer.get("runaway")  # earlier versions did not keep it
    return is_runaway(answer["text"]) if kept is None else bool(kept)


def _distance(answer: Answer) -> float | None:
    """The distance of a box, number or sentence from the truth; None for a choice, and for a right answer.

    It runs from 0 to 1 for boxes and sentences. For numbers it is relative to the truth, or to the tolerance if
    that is larger.
    """
    if answer["form"] == "choice" or _is_silent(answer) or (worth := mark(answer)) >= 1:
        return None
    if answer["form"] == "number":
        return abs(answer["parsed"] - answer["truth"]) / (max(abs(answer["truth"]), answer["tolerance"]) or 1.0)
    return 1 - worth


# How bad an answer is for each reason; None if the reason does not hold for it.
REASONS: Sequence[Callable[[Answer], float | None]] = (
    sure_and_wrong,
    lambda a: 1.0 if _is_silent(a) else None,
    lambda a: 1.0 if _is_cut(a) else None,
    lambda a: 1.0 if _ran_away(a) else None,
    _distance,
    lambda a: 1.0 if _is_wrong(a) and sure_and_wrong(a) is None else None,
)


def _line(answers: Sequence[Answer], reason: Callable[[Answer], float | None]) -> list[str]:
    """The ids of the answers for which a reason holds, the worst first; equal ones stay in their order."""
    found = [(value, answer["id"]) for answer in answers if (value := reason(answer)) is not None]
    return [name for _, name in sorted(found, key=lambda pair: -pair[0])]
