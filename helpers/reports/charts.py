"""Compute the places of figures on plots, 0 to 1 in both directions. The templates draw them.

The templates write SVG themselves, because matplotlib draws in fixed colours, which cannot follow a reader's dark
mode, and in one fixed size, which is too small to read on a phone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.evaluation import Answer, roc_points, text
from helpers.reports.runs import Run, by_condition, forms_of, of_kind
from helpers.reports.verdict import few_cases, usual_share

STEPS = 250  # points of a ROC curve are rounded to this many steps, finer than it is drawn
OPTIONS = 8  # options of a confusion matrix; rarer options share a row and a column
OTHERS, UNPARSABLE = "others", "unparsable"
Point = tuple[float, float]


@dataclass(frozen=True)
class Bar:
    """A score with its interval."""

    mean: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class ForestRow:
    """One measure or condition: a bar for each run that has it, in the order of the runs."""

    label: str
    bars: Sequence[Bar | None]
    n: Sequence[int]  # number of answers for each bar
    whole: bool  # whether the row is over all conditions
    usual: float | None = None  # the score of always giving the most frequent answer


@dataclass(frozen=True)
class Series:
    """One run in a panel: a line through points, which may have bars and sizes."""

    run: int  # number of the run
    points: Sequence[Point]
    text: str  # the panel's words about the run
    spans: Sequence[Point | None] = ()  # for each point, the ends of its interval
    sizes: Sequence[float] = ()  # for each point, its share of the answers
    counts: Sequence[int] = ()  # for each point, its number of answers
    stated: Point | None = None  # the place of the stated answers on a ROC plot


@dataclass(frozen=True)
class Panel:
    """One square plot, of one condition."""

    title: str
    series: Sequence[Series]
    words: str  # a description for people who cannot see the plot
    top: float = 1.0  # the value at the upper edge


@dataclass(frozen=True)
class Matrix:
    """The truths (rows) and the answers (columns) of one run."""

    title: str
    run: int
    rows: Sequence[str]
    columns: Sequence[str]
    counts: Sequence[Sequence[int]]
    right: Sequence[Sequence[bool]]

    @property
    def largest(self) -> Sequence[int]:
        """The number of answers in each row, at least 1."""
        return [max(1, sum(row)) for row in self.counts]


def forests(runs: Sequence[Run]) -> Iterator[tuple[str, list[ForestRow]]]:
    """For each kind of cases, the measures that are shares, and the accuracy by condition."""
    for kind in dict.fromkeys(kind for run in runs for kind in run.scores["kinds"]):
        rows = []
        of_kinds = [run.scores["kinds"].get(kind, {}) for run in runs]
        usual = _usual(runs, kind)
        for measure in dict.fromkeys(name for of in of_kinds for name in of):
            values = [of.get(measure) for of in of_kinds]
            if all(value is None or _is_share(value) for value in values) and "error" not in measure:
                rows.append(_row(measure, values, usual.get(None) if measure == "accuracy" else None, whole=True))
        names = dict.fromkeys(n for run in runs for n in run.scores["conditions"] if n.startswith(f"{kind}: "))
        for name in names:
            condition = name.removeprefix(f"{kind}: ")
            for measure in ("accuracy", "accuracy of numbers"):
                values = [run.scores["conditions"].get(name, {}).get(measure) for run in runs]
                best = usual.get(condition) if measure == "accuracy" else None
                if any(values):
                    rows.append(_row(condition, values, best, whole=False))
        if rows:
            yield kind, rows


def roc_panels(runs: Sequence[Run]) -> Iterator[Panel]:
    """The ROC curve of each condition whose answers have likelihoods and both truths."""
    answers = [dict(_by_name(run)) for run in runs]
    for name in _condition_names(runs):
        series = []
        for k, run in enumerate(runs):
            of_condition = run.scores["conditions"].get(name, {})
            value = of_condition.get("AUROC")
            if value and (points := roc_points(answers[k].get(name, []))):
                rounded = dict.fromkeys((round(x * STEPS) / STEPS, round(y * STEPS) / STEPS) for x, y in points)
                stated = (1 - of_condition["specificity"]["mean"], of_condition["sensitivity"]["mean"])
                said = f"AUROC {text(value)}, n {value['n']}"
                series.append(Series(k, list(rounded), said, stated=stated))
        if series:
            words = "; ".join(f"{runs[one.run].label}: {one.text}" for one in series)
            yield Panel(name, series, f"ROC curve of {name}. {words}.")


def calibration_panels(runs: Sequence[Run]) -> Iterator[Panel]:
    """How often yes is true, by the likelihood of yes."""
    for name in _condition_names(runs):
        series = []
        for k, run in enumerate(runs):
            if value := run.scores["conditions"].get(name, {}).get("calibration error"):
                bins = value["bins"]
                points = [(one["said"], one["true"]) for one in bins]
                counts = [one["n"] for one in bins]
                sizes = [count / max(1, sum(counts)) for count in counts]
                said = f"error {text(value)}, n {value['n']}"
                series.append(Series(k, points, said, sizes=sizes, counts=counts))
        if series:
            words = "; ".join(f"{runs[one.run].label}: calibration {one.text}" for one in series)
            yield Panel(name, series, f"Reliability of {name}. {words}.")


def abstaining_panels(runs: Sequence[Run]) -> Iterator[Panel]:
    """The error of the remaining answers if the model leaves out the less sure ones."""
    for name in _condition_names(runs):
        series = []
        for k, run in enumerate(runs):
            if value := run.scores["conditions"].get(name, {}).get("error of the surer half"):
                points = [(one["coverage"], one["mean"]) for one in value["curve"]]
                spans = [tuple(one["interval"]) if "interval" in one else None for one in value["curve"]]
                said = f"surer half {text(value)}, all {points[-1][1]:.2f}"
                series.append(Series(k, points, said, spans=spans))
        if series:
            ends = [y for one in series for _, y in one.points]
            ends += [span[1] for one in series for span in one.spans if span]
            top = next(edge for edge in (0.1, 0.25, 0.5, 1.0) if max(ends) <= edge)
            words = "; ".join(f"{runs[one.run].label}: error of the {one.text}" for one in series)
            yield Panel(name, series, f"Error against coverage of {name}. {words}.", top)


def matrices(runs: Sequence[Run]) -> Iterator[tuple[str, list[Matrix], list[Matrix]]]:
    """For each kind and set of options, the most frequent first, the matrix of every run, and of its conditions.

    Options are told apart by their words; the order in which a question gave them does not matter.
    """
    for kind in dict.fromkeys(kind for run in runs for kind, form in forms_of(run.done) if form == "choice"):
        of_runs = [of_kind(run.done, kind, "choice") for run in runs]
        sets = Counter(tuple(sorted(a["options"])) for answers in of_runs for a in answers)
        for options, _ in sets.most_common():
            parts = [[a for a in answers if tuple(sorted(a["options"])) == options] for answers in of_runs]
            order = next(a["options"] for part in parts for a in part)
            whole = [_matrix(run.label, k, parts[k], order) for k, run in enumerate(runs)]
            conditions = dict.fromkeys(a["condition"] for part in parts for a in part if a["condition"])
            each = [
                _matrix(f"{condition}, {run.label}", k, by_condition(parts[k]).get(condition, []), order)
                for condition in conditions
                for k, run in enumerate(runs)
            ]
            title = f"{kind}: {', '.join(order)}" if len(sets) > 1 else kind
            yield title, [m for m in whole if m], [m for m in each if m] if len(conditions) > 1 else []


def _matrix(title: str, run: int, answers: Sequence[Answer], options: Sequence[str]) -> Matrix | None:
    if not answers:
        return None
    seen = Counter(a["truth"] for a in answers)
    named = [*options] if len(options) <= OPTIONS else sorted(options, key=lambda o: -seen[o])[: OPTIONS - 1]
    more = len(named) < len(options)

    def place(said: Any) -> str:
        return UNPARSABLE if said is None else said if said in named else OTHERS

    # The column "others" has several options, so one may be wrong for another. So right answers are counted
    # separately.
    counts = Counter((place(a["truth"]), place(a["parsed"])) for a in answers)
    rows, columns = [*named, *([OTHERS] if more else [])], [*named, *([OTHERS] if more else []), UNPARSABLE]
    return Matrix(
        title,
        run,
        rows,
        columns,
        [[counts[row, column] for column in columns] for row in rows],
        [[row == column != OTHERS for column in columns] for row in rows],
    )


def _row(label: str, values: Sequence[Mapping[str, Any] | None], usual: float | None, *, whole: bool) -> ForestRow:
    bars = [
        None if value is None else Bar(value["mean"], *(value.get("interval") or (None, None)), text(value))
        for value in values
    ]
    return ForestRow(label, bars, [value["n"] for value in values if value], whole, usual)


def _is_share(value: Mapping[str, Any]) -> bool:
    return all(0 <= end <= 1 for end in (value["mean"], *value.get("interval", ())))


def _usual(runs: Sequence[Run], kind: str) -> dict[str | None, float]:
    """The score of always giving the most frequent answer, over all (None) and by condition, for the first run."""
    for run in runs:
        if answers := of_kind(run.done, kind, "choice"):
            parts = {None: answers, **by_condition(answers)}
            return {name: usual_share(part) for name, part in parts.items() if not few_cases(part)}
    return {}


def _condition_names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.scores["conditions"]))


def _by_name(run: Run) -> Iterator[tuple[str, list[Answer]]]:
    """The answers of each condition that are choices, with the condition's name in the scores."""
    for kind, form in forms_of(run.done):
        if form == "choice":
            for condition, part in by_condition(of_kind(run.done, kind, form)).items():
                yield f"{kind}: {condition}" if condition else kind, part
