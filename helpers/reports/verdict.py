"""Say in plain words what the scores show and what they do not show.

A run counts as different from another run, or from always giving the most frequent answer, only if the 95 %
interval of the paired difference does not contain 0. Between runs, the p value of exchanging them in whole groups
must also be below 0.05. With several comparisons p is adjusted for them (Holm, Scand. J. Statist. 6:65, 1979).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from helpers.errors import InputError
from helpers.evaluation import Answer, compare, macro, mark
from helpers.reports.runs import Run, by_condition, forms_of, main_measure, of_kind

LEVEL = 0.05
FEW_CASES = 10  # cases of one condition
RULE_OF_THREE = 3  # 3 / n is the largest share, at 95 %, that fits to 0 of n cases (JAMA 249:1743, 1983)
BETTER, SAME, FIGURE = "told apart", "not told apart", "figure"


@dataclass(frozen=True)
class Statement:
    """One or two sentences, and their kind."""

    kind: str  # `BETTER`, `SAME` or `FIGURE`
    text: str
    alone: bool = False  # whether it is about one run, without a comparison


class Compared(NamedTuple):
    """One further run beside the first, on one kind of cases and their main measure."""

    first: str
    other: str
    kind: str
    measure: str
    value: Mapping[str, Any]  # from `compare`


def comparisons(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Each further run compared with the first, by its label. Raises `InputError` if their truths differ."""
    first, *others = runs
    found = {}
    for other in others:
        try:
            found[other.label] = compare(first.answers, other.answers)
        except InputError as error:
            raise InputError(
                f"Beside {first.label}: {error.problem}", path=other.place, remedy=error.remedy
            ) from error
    return found


def verdict(runs: Sequence[Run], compared: Mapping[str, Mapping[str, Any]]) -> list[Statement]:
    """Sentences about the scores: first the comparisons of runs, then each run."""
    alone = [statement for run in runs for statement in _alone(run, named=len(runs) > 1)]
    return [*_between(runs, compared), *alone]


def holm(values: Sequence[float]) -> list[float]:
    """The p values, adjusted for their number by Holm's method, in their order."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, k in enumerate(np.argsort(values, kind="stable")):
        largest = max(largest, min(1.0, (len(values) - rank) * values[k]))
        adjusted[k] = largest
    return adjusted


def amount(measure: str, value: float, sign: bool = False) -> str:
    """A difference in the measure's own unit: points of 100 for accuracy, else the plain number."""
    plus = "+" if sign else ""
    if not is_accuracy(measure):
        return f"{value:{plus}.2f}" if abs(value) >= 0.01 or not value else f"{value:{plus}.4f}"
    points = 100 * value
    return f"{points:{plus}.0f}" if abs(points) >= 1 or not points else f"{points:{plus}.1f}"


def baseline(answers: Sequence[Answer]) -> tuple[float, dict[str, Any]] | None:
    """How often the most frequent truth of each condition and options is right, and the model's lead over it.

    Returns the macro accuracy of that answer, and ``mean`` and interval of the paired difference. This answer is
    chosen by the truths of the same cases, so no other fixed answer is better. None if a condition has fewer than
    `FEW_CASES` cases, which such an answer would fit by chance.
    """
    if few_cases(answers):
        return None
    parts = [(part, _usual_right(part)) for part in by_condition(answers).values()]
    lead = [[(a["group"], mark(a) - r) for a, r in zip(part, right, strict=True)] for part, right in parts]
    return usual_share(answers), macro(lead, shares=False)


def usual_share(answers: Sequence[Answer]) -> float:
    """The macro accuracy of always giving the most frequent truth of each condition and options."""
    return float(np.mean([np.mean(_usual_right(part)) for part in by_condition(answers).values()]))


def few_cases(answers: Sequence[Answer]) -> bool:
    """Whether a condition has so few cases that a fixed answer would fit them by chance."""
    return min(map(len, by_condition(answers).values())) < FEW_CASES


def _usual_right(answers: Sequence[Answer]) -> list[float]:
    """For each answer 1 if its truth is the most frequent one of the answers with the same options, else 0."""
    counts: dict[tuple[str, ...], Counter[str]] = {}
    options = [tuple(sorted(a["options"])) for a in answers]
    for answer, of in zip(answers, options, strict=True):
        counts.setdefault(of, Counter())[answer["truth"]] += 1
    best = {of: found.most_common(1)[0][0] for of, found in counts.items()}
    return [float(a["truth"] == best[of]) for a, of in zip(answers, options, strict=True)]


def _between(runs: Sequence[Run], compared: Mapping[str, Mapping[str, Any]]) -> Iterator[Statement]:
    found = [
        Compared(runs[0].label, run.label, kind, main_measure(form), measures[main_measure(form)])
        for run in runs[1:]
        for kind, form in forms_of(run.done)
        if main_measure(form) in (measures := compared[run.label]["kinds"].get(kind, {}))
    ]
    adjusted = holm([one.value["by group"]["p"] for one in found])
    for one, p in zip(found, adjusted, strict=True):
        yield _compared(one, p, len(found))
    for run in runs[1:]:
        if not compared[run.label]["cases"]:
            yield Statement(
                SAME, f"{run.label} and {runs[0].label} have no case in common, so they cannot be compared."
            )


def _compared(one: Compared, p: float, tests: int) -> Statement:
    difference, groups = one.value["difference"], one.value["by group"]["groups"]
    mean = difference["mean"]
    # The better run minus the other one, so that a lead is above 0.
    interval = (
        sorted(end if mean > 0 else -end for end in difference["interval"]) if "interval" in difference else None
    )
    unit = f"points of {one.measure}" if is_accuracy(one.measure) else f"in {one.measure}"
    cases, of_groups = counted(difference["n"], f"{one.kind} case"), counted(groups, "group")
    chance = f"p {p:.3g}" + (f", adjusted for {tests} comparisons" if tests > 1 else "")
    better, worse = (one.other, one.first) if mean > 0 else (one.first, one.other)
    lead = f"{better} has {_more(one.measure, abs(mean))} than {worse}"
    if groups < 2:
        return Statement(
            SAME,
            f"One patient or volume cannot show whether {one.other} or {one.first} is better "
            f"({cases}). In this one, {lead if mean else 'both have the same'}.",
        )
    start = f"{cases[0].upper()}{cases[1:]} cannot tell {one.other} and {one.first} apart"
    if interval is None and not mean:
        most = amount(one.measure, min(1.0, RULE_OF_THREE / groups))
        return Statement(
            SAME,
            f"{start}: no difference was seen in any of {of_groups}. That leaves room for a true difference "
            f"of up to about {most} {unit} (3 / {groups}, the rule of three).",
        )
    outside = interval is not None and interval[0] * interval[1] > 0
    if p < LEVEL and (outside or interval is None):
        by = " to ".join(amount(one.measure, end) for end in interval or (abs(mean),))
        how = "95 % interval; " if interval else "the same in each; "
        return Statement(
            BETTER, f"{better} is better than {worse} by {by} {unit} on {cases} in {of_groups} ({how}{chance})."
        )
    if interval is None or outside:
        seen = "the same in each" if interval is None else f"95 % interval {_span(one.measure, interval)}"
        return Statement(
            SAME,
            f"{start} for sure: {lead} ({seen}), but the test that exchanges the two runs in whole groups leaves "
            f"it open ({chance}; {of_groups}).",
        )
    half = amount(one.measure, (interval[1] - interval[0]) / 2)
    return Statement(
        SAME,
        f"{start}: {lead if mean else 'both have the same'}, 95 % interval of the difference "
        f"{_span(one.measure, interval)}, in {of_groups} ({chance}). This number of cases can only "
        f"show a difference of about {half} {unit} or more (half the width of that interval).",
    )


def counted(n: int, what: str) -> str:
    """A number and the word for the counted things, in the plural unless the number is 1."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def is_accuracy(measure: str) -> bool:
    """Whether a measure is a share of right answers, told in points of 100."""
    return measure.startswith("accuracy")


def _more(measure: str, value: float) -> str:
    """How much more of a measure: "17 points more accuracy"."""
    return f"{amount(measure, value)} {'points ' if is_accuracy(measure) else ''}more {measure}"


def _span(measure: str, interval: Sequence[float]) -> str:
    return " to ".join(amount(measure, end, sign=True) for end in interval)


def _alone(run: Run, named: bool) -> Iterator[Statement]:
    who = run.label if named else "The model"
    for kind, form in forms_of(run.done):
        answers = of_kind(run.done, kind, form)
        measure = main_measure(form)
        value = run.scores["kinds"][kind][measure]
        parts, groups = len(by_condition(answers)), len({a["group"] for a in answers})
        over = f", macro over {parts} conditions" if parts > 1 else ""
        about = f"({counted(value['n'], f'{kind} case')} in {counted(groups, 'group')}{over})"
        found = f"{who} has {measure} {_measured(measure, value)} {about}."
        if form == "choice":
            yield _beside_usual(found, answers)
        else:
            yield Statement(FIGURE, found, alone=True)


def _beside_usual(found: str, answers: Sequence[Answer]) -> Statement:
    if (known := baseline(answers)) is None:
        return Statement(FIGURE, found, alone=True)
    usual, lead = known
    frequent = f"Always giving the most frequent answer would have {100 * usual:.0f} %"
    interval = lead.get("interval")
    if interval and interval[0] * interval[1] > 0:
        low, high = sorted(map(abs, interval))
        word = "better" if lead["mean"] > 0 else "worse"
        by = f"{amount('accuracy', low)} to {amount('accuracy', high)} points"
        return Statement(BETTER, f"{found} {frequent}: the model is {word} than that by {by}.", alone=True)
    if interval is None and lead["mean"]:
        return Statement(FIGURE, f"{found} {frequent}.", alone=True)
    return Statement(
        SAME, f"{found} {frequent}. These cases do not show that the model is better than that.", alone=True
    )


def _measured(measure: str, value: Mapping[str, Any]) -> str:
    def shown(number: float) -> str:
        return f"{100 * number:.0f}" if is_accuracy(measure) else f"{number:.2f}"

    unit = " %" if is_accuracy(measure) else ""
    if "interval" not in value:
        return f"{shown(value['mean'])}{unit}, without an interval"
    low, high = value["interval"]
    return f"{shown(value['mean'])}{unit}, 95 % interval {shown(low)} to {shown(high)}{unit}"
