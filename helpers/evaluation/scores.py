"""Scores of a file of answers, as the MedGemma 1.5 report defines them, with intervals.

Everything follows from the answers alone (`helpers.evaluation` writes them), so that scores can be computed anew,
and two runs compared, without asking again. The measures are those of scikit-learn and rouge-score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from scipy.stats import binomtest
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from helpers.errors import InputError

Answer = dict[str, Any]  # one line of the file of answers
DRAWS = 2_000
NONE = "unparsable"  # stands for an answer that is none of the options
_ROUGE = RougeScorer(["rougeL"])


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (y0, x0, y1, x1), 0 to 1."""
    (ay0, ax0, ay1, ax1), (by0, bx0, by1, bx1) = a, b
    common = max(0.0, min(ay1, by1) - max(ay0, by0)) * max(0.0, min(ax1, bx1) - max(ax0, bx0))
    union = max(0.0, ay1 - ay0) * max(0.0, ax1 - ax0) + (by1 - by0) * (bx1 - bx0) - common
    return common / union if union > 0 else 0.0


def mark(answer: Answer) -> float:
    """What one answer is worth, 0 to 1: right or wrong, the overlap of boxes, or ROUGE-L (F1) of a sentence."""
    if answer["form"] == "choice":
        return float(answer["parsed"] == answer["truth"])
    if answer["form"] == "box":
        return overlap(answer["parsed"][0], answer["truth"]) if answer["parsed"] else 0.0
    return _ROUGE.score(answer["truth"], answer["text"])["rougeL"].fmeasure


MEASURES = {"choice": "accuracy", "box": "IoU", "text": "ROUGE-L"}


def score(answers: Iterable[Answer], draws: int = DRAWS) -> dict[str, Any]:
    """Scores by kind of case and by condition.

    Returns ``kinds``: for each kind its measures (``accuracy`` and ``macro F1`` are means over its conditions, as
    in the report, F1 over those with yes and no; ``IoU``; ``ROUGE-L``), and ``conditions``: for each condition
    accuracy, and where the options are yes and no, sensitivity, specificity, F1 of yes and, where the answers have
    probabilities, AUROC.
    Every score comes with its 95 % interval, from resampling whole groups (patients, volumes), and its number of
    answers. Failed cases are counted and left out; an answer that cannot be parsed is wrong.
    """
    answers = list(answers)
    done = [a for a in answers if "error" not in a]
    out: dict[str, Any] = {"answers": len(done), "failed": len(answers) - len(done)}
    closed = [a for a in done if a["form"] != "text"]
    out["unparsable"] = round(sum(a["parsed"] is None for a in closed) / len(closed), 4) if closed else None
    out["kinds"], out["conditions"] = {}, {}
    for name in dict.fromkeys((a["kind"], a["form"]) for a in done):
        kind, form = name
        of_kind = [a for a in done if (a["kind"], a["form"]) == name]
        by_condition = _split(of_kind, "condition")
        measured = macro([_marks(part) for part in by_condition.values()], draws)
        out["kinds"].setdefault(kind, {})[MEASURES[form]] = measured
        if form == "choice":
            closed = [part for part in by_condition.values() if _is_yes_no(part)]
            if closed:
                out["kinds"][kind]["macro F1"] = macro_f1(closed, draws)
            for condition, part in by_condition.items():
                out["conditions"][f"{kind}: {condition}" if condition else kind] = _yes_no(part, draws)
    return out


def _yes_no(answers: list[Answer], draws: int) -> dict[str, Any]:
    """Scores of one condition."""
    out: dict[str, Any] = {"accuracy": macro([_marks(answers)], draws)}
    if not _is_yes_no(answers):
        return out
    truth, said = [a["truth"] for a in answers], [a["parsed"] or NONE for a in answers]
    for name, option in (("sensitivity", "yes"), ("specificity", "no")):
        of_option = [a for a in answers if a["truth"] == option]
        if of_option:
            value = recall_score(truth, said, labels=[option], average="macro", zero_division=0)
            out[name] = {**macro([_marks(of_option)], draws), "mean": round(float(value), 4)}
    out["F1"] = macro_f1([answers], draws)
    known = [a for a in answers if a.get("p_yes") is not None]
    if len({a["truth"] for a in known}) == 2:
        value = roc_auc_score([a["truth"] == "yes" for a in known], [a["p_yes"] for a in known])
        out["AUROC"] = {"mean": round(float(value), 4), "n": len(known), **_auroc_interval(known)}
    return out


def _is_yes_no(answers: Iterable[Answer]) -> bool:
    return {option for a in answers for option in a["options"]} == {"yes", "no"}


def macro_f1(parts: Sequence[Sequence[Answer]], draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Mean over ``parts`` (the answers of a condition each) of the F1 of yes, with its interval by groups.

    F1 is 0 where yes is neither right nor said. There is no interval where all drawings are alike.
    """
    found = [
        f1_score(
            [a["truth"] for a in p],
            [a["parsed"] or NONE for a in p],
            labels=["yes"],
            average="macro",
            zero_division=0,
        )
        for p in parts
    ]
    out = {"mean": round(float(np.mean(found)), 4), "n": sum(map(len, parts))}
    counts = [
        [
            (a["group"], 2 * (a["truth"] == a["parsed"] == "yes"), (a["truth"] == "yes") + (a["parsed"] == "yes"))
            for a in p
        ]
        for p in parts
    ]
    low, high = _interval(counts, draws, seed)
    return {**out, "interval": [low, high]} if low < high else out


def macro(
    parts: Sequence[Sequence[tuple[str, float]]], draws: int = DRAWS, *, shares: bool = True, seed: int = 0
) -> dict[str, Any]:
    """Mean of the means of ``parts``, each a list of (group, mark), with a 95 % interval.

    Whole groups are drawn with replacement, since answers about one volume are not independent. Where all values
    are alike no drawing tells anything: of ``shares`` that are all 0 or all 1 the interval is Wilson's for as many
    groups (JASA 22:209, 1927), else there is none.
    """
    mean = float(np.mean([np.mean([value for _, value in part]) for part in parts]))
    values = {value for part in parts for _, value in part}
    names = sorted({group for part in parts for group, _ in part})
    out = {"mean": round(mean, 4), "n": sum(map(len, parts))}
    if len(values) == 1 and not (shares and values <= {0.0, 1.0}):
        return out
    if len(values) == 1:
        low, high = wilson(round(mean * len(names)), len(names))
    else:
        low, high = _interval([[(group, value, 1) for group, value in part] for part in parts], draws, seed)
    return {**out, "interval": [round(low, 4), round(high, 4)]}


def _interval(parts: Sequence[Sequence[tuple[str, float, float]]], draws: int, seed: int) -> tuple[float, float]:
    """95 % interval of the mean over ``parts`` of a share, each (group, numerator, denominator) to be summed."""
    names = sorted({group for part in parts for group, *_ in part})
    place = {name: k for k, name in enumerate(names)}
    totals = np.zeros((2, len(parts), len(names)))
    for row, part in enumerate(parts):
        for group, above, below in part:
            totals[:, row, place[group]] += above, below
    sums, numbers = _resampled(totals, draws, seed)
    drawn = np.divide(sums, numbers, out=np.full(sums.shape, np.nan), where=numbers > 0)
    there = ~np.isnan(drawn).all(axis=0)  # a drawing may hold nothing that counts
    if not there.any():
        return 0.0, 0.0
    low, high = np.percentile(np.nanmean(drawn[:, there], axis=0), [2.5, 97.5]).tolist()
    return round(low, 4), round(high, 4)


def _resampled(totals: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Sums of ``totals`` (..., groups) over groups drawn with replacement: (..., draws)."""
    n = totals.shape[-1]
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    return totals @ weights.T


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share."""
    p, spread = right / n, z * math.sqrt(right / n * (1 - right / n) / n + z**2 / (4 * n**2))
    low, high = ((p + z**2 / (2 * n) + sign * spread) / (1 + z**2 / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def _auroc_interval(answers: list[Answer], draws: int = 500) -> dict[str, list[float]]:
    """Its interval, unless all drawings are alike, as where the two are wholly apart."""
    groups = list(_split(answers, "group").values())
    rng, drawn = np.random.default_rng(0), []
    for _ in range(draws):
        part = [a for k in rng.integers(len(groups), size=len(groups)) for a in groups[k]]
        truth = [a["truth"] == "yes" for a in part]
        if any(truth) and not all(truth):
            drawn.append(roc_auc_score(truth, [a["p_yes"] for a in part]))
    low, high = (round(float(v), 4) for v in np.percentile(drawn, [2.5, 97.5]))
    return {"interval": [low, high]} if low < high else {}


def compare(first: Iterable[Answer], second: Iterable[Answer], draws: int = DRAWS) -> dict[str, Any]:
    """The second run against the first on the cases that both answered.

    Returns for each kind and measure ``difference`` (second minus first, macro over conditions) with its paired
    bootstrap interval, and for right-or-wrong answers ``McNemar``: how many only one of them got right, and the
    exact two-sided p (Psychometrika 12:153, 1947).
    """
    before, after = ({a["id"]: a for a in run if "error" not in a} for run in (first, second))
    both = [(before[name], after[name]) for name in before if name in after]
    changed = [a["id"] for a, b in both if (a["truth"], a["form"]) != (b["truth"], b["form"])]
    if changed:
        raise InputError(
            f"The two runs have different truths for {changed[0]}.", remedy="Compare runs on the same cases."
        )
    out: dict[str, Any] = {"cases": len(both), "kinds": {}}
    for kind, form in dict.fromkeys((a["kind"], a["form"]) for a, _ in both):
        pairs = [(a, b) for a, b in both if (a["kind"], a["form"]) == (kind, form)]
        parts: dict[str, list[tuple[str, float]]] = {}
        for a, b in pairs:
            parts.setdefault(a["condition"], []).append((a["group"], mark(b) - mark(a)))
        entry = {"difference": macro(list(parts.values()), draws, shares=False)}
        if form == "choice":
            worse = sum(mark(a) > mark(b) for a, b in pairs)
            better = sum(mark(b) > mark(a) for a, b in pairs)
            p = binomtest(worse, worse + better).pvalue if worse + better else 1.0
            entry["McNemar"] = {"only first right": worse, "only second right": better, "p": round(float(p), 5)}
        out["kinds"].setdefault(kind, {})[MEASURES[form]] = entry
    return out


def _marks(answers: Iterable[Answer]) -> list[tuple[str, float]]:
    return [(a["group"], mark(a)) for a in answers]


def _split(answers: Iterable[Answer], key: str) -> dict[str, list[Answer]]:
    out: dict[str, list[Answer]] = {}
    for answer in answers:
        out.setdefault(answer[key], []).append(answer)
    return out
