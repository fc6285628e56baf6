"""One report, as HTML and Markdown, of several evaluations side by side."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.evaluation.answer_shards import FOLDER, read_shards
from helpers.evaluation.comparing import compare
from helpers.evaluation.likelihood_scores import LOW_MASS
from helpers.evaluation.marks import Answer
from helpers.evaluation.scores import score
from helpers.storage import make_folder, whole_file

NOTE = "For education and not for diagnosis. Scores hold for these models on these cases and for nothing else."
KINDS = (
    "Accuracy is macro: of each condition, then their mean. In brackets 95 % intervals, by drawing whole groups "
    "(patients), or Wilson's where all are right or all wrong; one group alone has none. ROUGE-L is the F1 of the "
    "longest common subsequence of words, token F1 that of the words in common; neither sees what they mean."
)
CONDITIONS = (
    "An answer that cannot be parsed is wrong. AUROC ranks cases by the likelihood of yes where the reply states "
    "its answer, behind its own argument; without argument, before any. The mass on yes and no is their share "
    f"of all likelihood: under {LOW_MASS:.0%} (low) the model was about to say something else. Brier score and "
    "calibration error are best at 0. The fitted threshold is of half of the groups and shown on the other. "
    "The surer half are the answers that are left where the model may abstain from the less sure half."
)
SHARES = ("unparsable", "runaway", "cut")
CSS = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.6rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8884; padding: .25rem .9rem .25rem 0; text-align: left; }
"""


@dataclass(frozen=True)
class Table:
    """A heading, a line about it, and rows of text; the first row names the columns."""

    title: str
    about: str
    rows: list[list[str]]

    def markdown(self) -> str:
        """As GitHub reads it."""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self.rows]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        lines.insert(1, "|" + " --- |" * len(rows[0]))
        return f"## {self.title}\n\n{self.about}\n\n" + "\n".join(lines) + "\n"

    def html(self) -> str:
        """As a page shows it."""
        head, *body = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.rows]
        head = head.replace("td>", "th>")
        rows = "".join(f"<tr>{row}</tr>\n" for row in [head, *body])
        about = html.escape(self.about)
        return f"<h2>{html.escape(self.title)}</h2>\n<p>{about}</p>\n<table>\n{rows}</table>\n"


def write_report(runs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]) -> list[Path]:
    """Write ``report.md`` and ``report.html`` of evaluation folders into ``output``; returns both paths.

    Scores are computed anew from the answers. Each further run is compared with the first on the cases that both
    answered. Raises `InputError` for a folder without answers.
    """
    answers = {_label(folder, runs): _answers(Path(folder)) for folder in runs}
    tables = [_about(answers), *_scores(answers), *_comparisons(answers)]
    title = "Evaluation: " + ", ".join(answers)
    pages = {
        "report.md": f"# {title}\n\n> {NOTE}\n\n" + "\n".join(table.markdown() for table in tables),
        "report.html": '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{CSS}</style>\n<h1>{html.escape(title)}</h1>\n<p><b>{NOTE}</b></p>\n"
        + "".join(table.html() for table in tables)
        + "</html>\n",
    }
    make_folder(output)
    for name, text in pages.items():
        with whole_file(Path(output) / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return [Path(output) / name for name in pages]


def summary(scores: Mapping[str, Any]) -> str:
    """Scores of one run as a few lines of text."""
    lines = [f"{scores['model']}: {scores['answers']} answers, {scores['failed']} failed"]
    if scores["unparsable"] is not None:
        lines[0] += f", {scores['unparsable']:.1%} unparsable"
    for name, words in (("runaway", "ran away"), ("cut", "cut at the token limit")):
        if share := scores.get(name):
            lines[0] += f", {share:.1%} {words}"
    for kind, measures in scores["kinds"].items():
        lines += [f"  {kind:8s} {name:10s} {text(value)}, n {value['n']}" for name, value in measures.items()]
    masses = [m for of in scores["conditions"].values() for m in (of.get("mass on yes and no"),) if m]
    if low := sum(mass["low"] for mass in masses):
        n = sum(mass["n"] for mass in masses)
        lines.append(
            f"  {low} of {n} yes-or-no answers left under {LOW_MASS:.0%} of the likelihood to yes and no."
        )
    return "\n".join(lines)


def text(value: Mapping[str, Any] | None) -> str:
    """A score with its interval: ``0.81 (0.70 to 0.89)``; a dash where there is none."""
    if value is None:
        return "-"
    found = f"{value['mean']:.2f}"
    return found if "interval" not in value else "{} ({:.2f} to {:.2f})".format(found, *value["interval"])


def _answers(folder: Path) -> list[Answer]:
    from helpers.evaluation.run import read_answers

    on_ray = (folder / FOLDER).is_dir()
    answers = read_shards(str(folder)) if on_ray else read_answers(folder / "answers.jsonl")
    if not answers:
        raise InputError("There are no answers here.", path=folder, remedy="Give the --output of an evaluate.")
    return answers


def _label(folder: str | os.PathLike[str], runs: Sequence[str | os.PathLike[str]]) -> str:
    """The folder's name, or its path where two have one name."""
    names = [Path(run).resolve().name for run in runs]
    name = Path(folder).resolve().name
    return name if names.count(name) == 1 else os.fspath(folder)


def _about(runs: Mapping[str, list[Answer]]) -> Table:
    counted = ["answers", "failed", *SHARES]
    rows = [["run", "model", *counted, "tokens out, mean", "seconds a case, mean"]]
    for name, answers in runs.items():
        done = [a for a in answers if "error" not in a]
        found = score(answers, draws=1)
        mean = {key: sum(a[key] for a in done) / max(1, len(done)) for key in ("completion_tokens", "seconds")}
        shares = ["-" if found[name] is None else f"{found[name]:.1%}" for name in SHARES]
        counts = [str(found["answers"]), str(found["failed"]), *shares]
        models = ", ".join(sorted({a["model"] for a in answers}))
        rows.append([name, models, *counts, f"{mean['completion_tokens']:.0f}", f"{mean['seconds']:.2f}"])
    about = (
        "Unparsable is a choice or box that cannot be read, runaway a reply that ends on the same words over and "
        "over, cut one that reached the token limit. "
        "Seconds hold each answer's share of reading the images, where several answers share them."
    )
    return Table("Runs", about, rows)


def _scores(runs: Mapping[str, list[Answer]]) -> Iterable[Table]:
    found = {name: score(answers) for name, answers in runs.items()}
    for part, title, about in (
        ("kinds", "Scores", KINDS),
        ("conditions", "By condition", CONDITIONS),
    ):
        keys = dict.fromkeys((k, m) for f in found.values() for k, measures in f[part].items() for m in measures)
        rows = [["", "measure", *found]]
        for key, measure in keys:
            values = [f[part].get(key, {}).get(measure) for f in found.values()]
            rows.append([key, measure, *(text(value) + _of_how_many(measure, value) for value in values)])
        if len(rows) > 1:
            yield Table(title, about, rows)


def _of_how_many(measure: str, value: Mapping[str, Any] | None) -> str:
    """How many answers a measure stands on, where that may be fewer than were given."""
    if value is None or not measure.startswith(("AUROC", "mass", "Brier", "calibration", "error", "balanced")):
        return ""
    at = f" at {value['threshold']:.2f}" if "threshold" in value else ""
    return f"{at}, n {value['n']}" + (f", {value['low']} low" if value.get("low") else "")


def _comparisons(runs: Mapping[str, list[Answer]]) -> Iterable[Table]:
    (first, answers), *others = runs.items()
    columns = ["difference", "p by group", "only first right", "only this right", "McNemar p", "cases"]
    rows = [["run", "kind", *columns]]
    for name, of_other in others:
        for kind, measures in compare(answers, of_other)["kinds"].items():
            for measure, value in measures.items():
                found = value.get("McNemar", {})
                pairs = [str(found.get(key, "-")) for key in ("only first right", "only second right", "p")]
                if "ignores" in found:
                    pairs[-1] += ", ignores groups"
                difference = f"{measure} {text(value['difference'])}"
                n = value["difference"]["n"]
                rows.append([name, kind, difference, str(value["by group"]["p"]), *pairs, str(n)])
    if len(rows) > 1:
        about = (
            f"The same cases, paired: this run less {first}. P by group is of exchanging the two runs in whole "
            "groups (patients). The exact McNemar test is over right and wrong, and takes cases as independent."
        )
        yield Table(f"Beside {first}", about, rows)
