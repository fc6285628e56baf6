"""Compute the scores of a file of answers, as the MedGemma 1.5 report defines them, with intervals.

Scores need only the answers that `helpers.evaluation` writes, so they can be computed again without a model. The
measures are those of scikit-learn and rouge-score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from helpers.evaluation.finding_scores import finding_counts
from helpers.evaluation.intervals import DRAWS, macro, of_ratios
from helpers.evaluation.likelihood_scores import of_likelihoods
from helpers.evaluation.marks import Answer, Mark, errors_of, mark, measures_of
from helpers.findings import Terms
from helpers.prompts import is_runaway

CUT_SHOWN = 20  # ids
FAILURES_SHOWN = 3  # reasons


def score(answers: Iterable[Answer], draws: int = DRAWS, terms: Terms | None = None) -> dict[str, Any]:
    """Scores by kind of case and by condition.

    Returns ``kinds``: for each kind its measures (``accuracy`` and ``macro F1`` are means over its conditions, as
    in the report, F1 over those with yes and no; ``accuracy of numbers``, right within the tolerance, and their
    ``mean absolute error`` by unit; ``IoU``; ``ROUGE-L``, ``token F1`` and ``findings F1``), and ``conditions``:
    for each condition accuracy or the measures of numbers, and where the options are yes and no, sensitivity,
    specificity and F1 of yes. Where the answers have likelihoods, also the measures of
    `helpers.evaluation.likelihood_scores`.
    Where sentences name findings of ``terms`` (`helpers.findings.read_terms`; by default the usual ones),
    ``findings`` holds what `helpers.evaluation.finding_counts` counts; "findings F1" is the mean over those whose
    truth names any, so many as its ``n``.
    Every score comes with its number of answers and, unless all answers are of one group, with its 95 % interval
    and the ``method`` of the interval. ``unparsable`` (of all but sentences), ``runaway`` and ``cut`` (at the
    token limit) are shares of the answers; ``cut ids`` are the first of those that were cut. Failed cases are
    counted and left out; ``failures`` has the most frequent reasons, each with its number. An answer that cannot
    be parsed is wrong in every measure except the error of numbers. That error is over the ``n`` numbers that
    could be read, and ``unparsable`` counts the others.
    """
    answers = list(answers)
    done = [a for a in answers if "error" not in a]
    closed = [a for a in done if a["form"] != "text"]
    out: dict[str, Any] = {
        "answers": len(done),
        "failed": len(answers) - len(done),
        "failures": failures_of(answers),
        "unparsable": _share(a["parsed"] is None for a in closed),
        "runaway": _share(map(_ran_away, done)),
        "cut": _share(map(_was_cut, done)),
        "cut ids": sorted(a["id"] for a in done if _was_cut(a))[:CUT_SHOWN],
        "kinds": {},
        "conditions": {},
    }
    for name in dict.fromkeys((a["kind"], a["form"]) for a in done):
        kind, form = name
        by_condition = _by_condition(a for a in done if (a["kind"], a["form"]) == name)
        measures = out["kinds"].setdefault(kind, {})
        measures |= _measured(list(by_condition.values()), form, draws, terms)
        if form == "number":
            for condition, part in by_condition.items():
                out["conditions"].setdefault(_named(kind, condition), {}).update(_measured([part], form, draws))
        if form == "choice":
            if closed := [part for part in by_condition.values() if _is_yes_no(part)]:
                measures["macro F1"] = macro_f1(closed, draws)
            for condition, part in by_condition.items():
                out["conditions"].setdefault(_named(kind, condition), {}).update(_of_condition(part, draws))
    counts = finding_counts((a for a in done if a["form"] == "text"), terms)
    return {**out, "findings": counts} if counts["by finding"] else out


def failures_of(answers: Iterable[Answer]) -> dict[str, int]:
    """The most frequent reasons why cases failed, each with the number of cases."""
    return dict(Counter(a["error"] for a in answers if "error" in a).most_common(FAILURES_SHOWN))


def _measured(
    parts: Sequence[Sequence[Answer]], form: str, draws: int, terms: Terms | None = None
) -> dict[str, Any]:
    """The measures of answers of one form as means over ``parts``. A measure that no answer has is left out."""
    out: dict[str, Any] = {}
    for label, measure in measures_of(form, terms).items():
        if marks := [found for part in parts if (found := _marks(part, measure))]:
            out[label] = macro(marks, draws)
    for label, error in errors_of(a for part in parts for a in part).items():
        unread = sum(a["parsed"] is None for part in parts for a in part if label.endswith(f"({a['unit']})"))
        if marks := [found for part in parts if (found := _marks(part, error))]:
            out[label] = {**macro(marks, draws, shares=False), "unparsable": unread}
    return out


def _named(kind: str, condition: str) -> str:
    return f"{kind}: {condition}" if condition else kind


def macro_f1(parts: Sequence[Sequence[Answer]], draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Mean over ``parts`` (the answers of a condition each) of the F1 of yes, with its interval by groups.

    An answer that is neither yes nor no counts as the wrong one of the two. F1 is 0 if yes is neither true nor
    said in any case.
    """
    counts = [[(a["group"], *_counts(a)) for a in part] for part in parts]
    totals = np.array([np.sum([of for _, *of in part], axis=0) for part in counts])
    found = np.divide(totals[:, 0], totals[:, 1], out=np.zeros(len(parts)), where=totals[:, 1] > 0)
    out = {"mean": round(float(found.mean()), 4), "n": sum(map(len, parts))}
    return {**out, **of_ratios(counts, draws, seed, empty=0.0)}  # as in the mean, or the interval could miss it


def _counts(answer: Answer) -> tuple[float, float]:
    """Numerator and denominator of F1, 2 TP / (truly yes + said yes)."""
    truth, said = answer["truth"] == "yes", answer["parsed"] == "yes"
    if answer["parsed"] not in ("yes", "no"):
        said = not truth
    return 2.0 * (truth and said), float(truth) + said


def _of_condition(answers: list[Answer], draws: int) -> dict[str, Any]:
    out: dict[str, Any] = {"accuracy": macro([_marks(answers)], draws)}
    if not _is_yes_no(answers):
        return out
    for name, option in (("sensitivity", "yes"), ("specificity", "no")):
        if of_option := [a for a in answers if a["truth"] == option]:
            out[name] = macro([_marks(of_option)], draws)
    return {**out, "F1": macro_f1([answers], draws), **of_likelihoods(answers, draws)}


def _is_yes_no(answers: Iterable[Answer]) -> bool:
    return {option for a in answers for option in a["options"]} == {"yes", "no"}


def _was_cut(answer: Answer) -> bool:
    return answer.get("finished") is False


def _ran_away(answer: Answer) -> bool:
    kept = answer.get("runaway")  # earlier versions did not keep it
    return is_runaway(answer["text"]) if kept is None else kept


def _share(found: Iterable[bool]) -> float | None:
    values = list(found)
    return round(sum(values) / len(values), 4) if values else None


def _marks(answers: Iterable[Answer], measure: Mark = mark) -> list[tuple[str, float]]:
    return [(a["group"], value) for a in answers if (value := measure(a)) is not None]


def _by_condition(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    out: dict[str, list[Answer]] = {}
    for answer in answers:
        out.setdefault(answer["condition"], []).append(answer)
    return out
