"""Mark one answer by the form of its question: a choice, a number, a box or a sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from helpers.evaluation.finding_scores import finding_agreement
from helpers.evaluation.text_scores import common_order, common_words, stated
from helpers.findings import Terms

Answer = dict[str, Any]  # one line of the file of answers
Mark = Callable[[Answer], float | None]  # None for an answer that does not count in the measure


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (y0, x0, y1, x1), 0 to 1."""
    (ay0, ax0, ay1, ax1), (by0, bx0, by1, bx1) = a, b
    common = max(0.0, min(ay1, by1) - max(ay0, by0)) * max(0.0, min(ax1, bx1) - max(ax0, bx0))
    union = max(0.0, ay1 - ay0) * max(0.0, ax1 - ax0) + (by1 - by0) * (bx1 - bx0) - common
    return common / union if union > 0 else 0.0


def _choice(answer: Answer) -> float:
    return float(answer["parsed"] == answer["truth"])


def _box(answer: Answer) -> float:
    if not answer["truth"]:  # the truth is that nothing is there
        return float(answer["parsed"] == [])
    return overlap(answer["parsed"][0], answer["truth"]) if answer["parsed"] else 0.0


def _near(answer: Answer) -> float:
    said, truth = answer["parsed"], answer["truth"]
    if said is None:
        return 0.0
    rounding = 1e-9 * max(abs(said), abs(truth))  # because of units: 12 mm become 1.2000000000000002 cm
    return float(abs(said - truth) <= answer["tolerance"] + rounding)


def _distance(answer: Answer, unit: str) -> float | None:
    known = answer["unit"] == unit and answer["parsed"] is not None
    return abs(answer["parsed"] - answer["truth"]) if known else None


def _order(answer: Answer) -> float:
    return common_order(answer["truth"], stated(answer["text"]))


def _words(answer: Answer) -> float:
    return common_words(answer["truth"], stated(answer["text"]))


def _findings(answer: Answer, terms: Terms | None = None) -> float | None:
    found = finding_agreement(answer["truth"], stated(answer["text"]), terms)
    return found.f1 if found else None


# The measures of each form of question; the first of them is the answer's mark.
MEASURES: Mapping[str, Mapping[str, Mark]] = {
    "choice": {"accuracy": _choice},
    "number": {"accuracy of numbers": _near},
    "box": {"IoU": _box},
    "text": {"ROUGE-L": _order, "token F1": _words, "findings F1": _findings},
}


def measures_of(form: str, terms: Terms | None = None) -> Mapping[str, Mark]:
    """The `MEASURES` of a form; ``terms`` is the list of findings, if given."""
    own = {"findings F1": functools.partial(_findings, terms=terms)} if form == "text" and terms else {}
    return {**MEASURES[form], **own}


def errors_of(answers: Iterable[Answer]) -> dict[str, Mark]:
    """The errors of numbers, in addition to `MEASURES`: in the unit of the question, from 0 upwards; less is
    better.

    Only a number that was read has an error. An unparsable answer has none, and counts as wrong in the accuracy.
    """
    units = dict.fromkeys(a["unit"] for a in answers if a["form"] == "number")
    return {f"mean absolute error ({unit})": functools.partial(_distance, unit=unit) for unit in units}


def mark(answer: Answer) -> float:
    """The mark of one answer, 0 to 1: right or wrong, the overlap of boxes, or ROUGE-L of a sentence.

    A number is right if its distance from the truth is within the tolerance of its question. An answer that cannot
    be parsed is worth 0. If the truth is that nothing is there (``[]``), the answer ``[]`` is worth 1 and any
    other 0. ROUGE-L is the F1 of the longest common subsequence of words. It uses the words behind the last "Final
    Answer:" of the reply, or the whole reply if it has none.
    """
    (first, *_) = MEASURES[answer["form"]].values()
    return first(answer)
