"""Write figures as rows of text: scores, comparisons, and all other figures in the scores of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.evaluation import LOW_MASS, text
from helpers.reports.runs import Run

KINDS = (
    "Accuracy is macro: of each condition, then their mean. In brackets 95 % intervals, by drawing whole groups "
    "(patients), or Wilson's where all are right or all wrong; one group alone has none. Runs whose intervals "
    "overlap may differ all the same: the difference has an interval of its own. ROUGE-L is the F1 of the "
    "longest common subsequence of words, token F1 that of the words in common; neither sees what they mean. "
    "Findings F1 compares the findings that truth and reply name, each asserted, negated or in doubt; it sees no "
    "term outside of its list, and neither place, side nor size."
)
CONDITIONS = (
    "An answer that cannot be parsed is wrong. AUROC ranks cases by the likelihood of yes where the reply states "
    "its answer, behind its own argument; without argument, before any. The mass on yes and no is their share "
    f"of all likelihood: under {LOW_MASS:.0%} (low) the model was about to say something else. Brier score and "
    "calibration error are best at 0. The fitted threshold is of half of the groups and shown on the other. "
    "The surer half are the answers that are left where the model may abstain from the less sure half."
)
SHARES = ("unparsable", "runaway", "cut")
SHOWN = ("answers", "failed", *SHARES, "cut ids", "kinds", "conditions")  # shown elsewhere in the report
TITLES = {"stress": "Asked in other ways", "findings": "Findings in sentences"}
ABOUT = {
    "stress": "Each case asked again in other words, negated, and without its images or with others; what each "
    "measure means is in `helpers.evaluation.score_stress`.",
    "findings": "By a list of terms: how often the truth asserts a finding, negates it or leaves it open, and "
    "whether the reply says the same (agreed), another state, or nothing (missed); added is what the truth does "
    "not name.",
}


@dataclass(frozen=True)
class Table:
    """A heading, a line about it, and rows of text; the first row names the columns."""

    title: str
    about: str
    rows: Sequence[Sequence[str]]
    charted: bool = False  # whether charts show the same, so that the table may be folded


def runs_table(runs: Sequence[Run]) -> Table:
    """How many answers each run has, how they ended, and what they cost."""
    rows = [["run", "model", "answers", "failed", *SHARES, "tokens out, mean", "seconds a case, mean"]]
    for run in runs:
        shares = ["-" if run.scores.get(name) is None else f"{run.scores[name]:.1%}" for name in SHARES]
        counts = [str(run.scores["answers"]), str(run.scores["failed"]), *shares]
        rows.append([run.label, run.models, *counts, _mean(run, "completion_tokens", 0), _mean(run, "seconds", 2)])
    about = (
        "Unparsable is an answer that cannot be read as what was asked for, runaway a reply that ends on the same "
        "words over and over, cut one that reached the token limit. "
        "Seconds hold each answer's share of reading the images, where several answers share them."
    )
    return Table("Runs", about, rows)


def score_tables(runs: Sequence[Run]) -> Iterator[Table]:
    """Every measure, by kind of case and by condition, the runs side by side."""
    for part, title, about in (("kinds", "Scores", KINDS), ("conditions", "By condition", CONDITIONS)):
        rows = _beside([run.scores[part] for run in runs])
        if rows:
            yield Table(title, about, [["", "measure", *(run.label for run in runs)], *rows], charted=True)


def further_tables(runs: Sequence[Run]) -> Iterator[Table]:
    """All other figures in the scores: groups of measures with a mean, and single figures.

    Counts by name, such as those of findings, become one table for each run.
    """
    for part in dict.fromkeys(name for run in runs for name in run.scores if name not in SHOWN):
        found = [dict(_leaves(run.scores.get(part))) for run in runs]
        keys = dict.fromkeys(key for of_run in found for key in of_run)
        rows = [[": ".join(key), *(_shown(of_run.get(key)) for of_run in found)] for key in keys]
        if rows:
            title = TITLES.get(part, part[0].upper() + part[1:])
            yield Table(title, ABOUT.get(part, ""), [["measure", *(run.label for run in runs)], *rows])
        for run in runs:
            for name, counts in _counts(run.scores.get(part)):
                columns = list(dict.fromkeys(column for of in counts.values() for column in of))
                cells = [[key, *(str(of.get(column, 0)) for column in columns)] for key, of in counts.items()]
                yield Table(f"{name[0].upper()}{name[1:]}, {run.label}", "", [["", *columns], *cells])


def comparison_table(first: str, compared: Mapping[str, Mapping[str, Any]]) -> Table:
    """Each further run compared with the first, from `helpers.evaluation.compare`."""
    columns = ["difference", "p by group", "only first right", "only this right", "McNemar p", "cases"]
    rows = [["run", "kind", *columns]]
    for name, found in compared.items():
        for kind, measures in found["kinds"].items():
            for measure, value in measures.items():
                pairs = value.get("McNemar", {})
                cells = [str(pairs.get(key, "-")) for key in ("only first right", "only second right", "p")]
                if "ignores" in pairs:
                    cells[-1] += ", ignores groups"
                difference = f"{measure} {text(value['difference'])}"
                n = value["difference"]["n"]
                rows.append([name, kind, difference, str(value["by group"]["p"]), *cells, str(n)])
    about = (
        f"The same cases, paired: this run less {first}. P by group is of exchanging the two runs in whole groups "
        "(patients). The exact McNemar test is over right and wrong, and takes cases as independent."
    )
    return Table(f"Beside {first}", about, rows, charted=True)


def _mean(run: Run, name: str, digits: int) -> str:
    """The mean of a figure over the answers that have it."""
    known = [value for a in run.done if isinstance(value := a.get(name), (int, float))]
    return f"{sum(known) / len(known):.{digits}f}" if known else "-"


def _beside(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[list[str]]:
    keys = dict.fromkeys((k, m) for part in parts for k, measures in part.items() for m in measures)
    rows = []
    for key, measure in keys:
        values = [part.get(key, {}).get(measure) for part in parts]
        rows.append([key, measure, *(text(value) + _of_how_many(measure, value) for value in values)])
    return rows


def _of_how_many(measure: str, value: Mapping[str, Any] | None) -> str:
    """The number of answers of a measure, if it may be smaller than the number of all answers."""
    if value is None or measure in ("accuracy", "macro F1", "sensitivity", "specificity", "F1"):
        return ""
    at = f" at {value['threshold']:.2f}" if "threshold" in value else ""
    return f"{at}, n {value['n']}" + (f", {value['low']} low" if value.get("low") else "")


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Figures, each with the path of names to it. A measure with a mean is one figure. Lists are left out."""
    if isinstance(value, Mapping) and "mean" not in value:
        tables = dict(_counts(value))
        for name, inner in value.items():
            if name not in tables:
                yield from _leaves(inner, (*path, str(name)))
    elif value is not None and not isinstance(value, (list, tuple)):
        yield path, value


def _counts(value: Any) -> Iterator[tuple[str, Mapping[str, Mapping[str, int]]]]:
    """The counts by name and column in a part of the scores, each with its own name."""
    for name, inner in value.items() if isinstance(value, Mapping) and "mean" not in value else ():
        rows = inner.values() if isinstance(inner, Mapping) else ()
        if rows and all(isinstance(of, Mapping) and all(type(n) is int for n in of.values()) for of in rows):
            yield name, inner


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        more = [f"{name} {_shown(inner)}" for name, inner in value.items() if name not in _IN_TEXT]
        return ", ".join([text(value), *more])
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


_IN_TEXT = ("mean", "interval", "method")


def every_table(runs: Sequence[Run], compared: Mapping[str, Mapping[str, Any]]) -> Iterable[Table]:
    """All tables of figures, in the order of the report."""
    yield runs_table(runs)
    yield from score_tables(runs)
    yield from further_tables(runs)
    if compared:
        yield comparison_table(runs[0].label, compared)
