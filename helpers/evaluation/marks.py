"""What one answer is worth, by the form of its question: a choice, a box or a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from helpers.evaluation.text_scores import common_order, common_words, stated

Answer = dict[str, Any]  # one line of the file of answers
Mark = Callable[[Answer], float]


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (y0, x0, y1, x1), 0 to 1."""
    (ay0, ax0, ay1, ax1), (by0, bx0, by1, bx1) = a, b
    common = max(0.0, min(ay1, by1) - max(ay0, by0)) * max(0.0, min(ax1, bx1) - max(ax0, bx0))
    union = max(0.0, ay1 - ay0) * max(0.0, ax1 - ax0) + (by1 - by0) * (bx1 - bx0) - common
    return common / union if union > 0 else 0.0


def _choice(answer: Answer) -> float:
    return float(answer["parsed"] == answer["truth"])


def _box(answer: Answer) -> float:
    if not answer["truth"]:  # nothing is there
        return float(answer["parsed"] == [])
    return overlap(answer["parsed"][0], answer["truth"]) if answer["parsed"] else 0.0


def _order(answer: Answer) -> float:
    return common_order(answer["truth"], stated(answer["text"]))


def _words(answer: Answer) -> float:
    return common_words(answer["truth"], stated(answer["text"]))


# The measures of each form of question; the first of them is the answer's mark.
MEASURES: Mapping[str, Mapping[str, Mark]] = {
    "choice": {"accuracy": _choice},
    "box": {"IoU": _box},
    "text": {"ROUGE-L": _order, "token F1": _words},
}


def mark(answer: Answer) -> float:
    """What one answer is worth, 0 to 1: right or wrong, the overlap of boxes, or ROUGE-L of a sentence.

    An answer that cannot be parsed is worth 0. Where the truth is that nothing is there (``[]``), the answer
    ``[]`` is worth 1 and any other 0. ROUGE-L is the F1 of the longest common subsequence of words, of what the
    reply states behind its last "Final Answer:", or of the whole reply where there is none.
    """
    (first, *_) = MEASURES[answer["form"]].values()
    return first(answer)
