"""Write the report as two files: HTML without scripts and other hosts, and Markdown with the same words."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from helpers.evaluation import Answer, Quantity, explained
from helpers.reports import charts
from helpers.reports.case_pictures import case_picture
from helpers.reports.cautions import cautions
from helpers.reports.runs import read_runs
from helpers.reports.settings import settings_table
from helpers.reports.tables import Table, every_table
from helpers.reports.verdict import comparisons, verdict
from helpers.reports.worst import WorstCase, worst_cases
from helpers.storage import make_folder, whole_file

NOTE = "For education and not for diagnosis. These scores hold only for these models on these cases."
WORST = 12  # cases with pictures
LONGEST = 4_000  # the most letters of one text on the page; the answers keep the whole text
OPEN = 6  # the most plots of a kind that are not folded
FOLDED = 300  # a text with more letters is folded
TEMPLATES = Path(__file__).resolve().parent / "templates"
# Control characters, marks that change the direction of text, and halves of characters. The page shows their
# escapes.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def write_report(
    runs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    pictures: bool = False,
    worst: int = WORST,
) -> list[Path]:
    """Write ``report.md`` and ``report.html`` of evaluation folders into ``output``; returns both paths.

    The scores are computed again from the answers. Each further run is compared with the first on the cases that
    both answered. Both files hold questions and answers as the runs kept them.

    Args:
        runs: the ``--output`` folders of evaluations, or their addresses in a bucket.
        output: a folder, which is created if it does not exist.
        pictures: whether to put images of the user's own tables into the page; images of teaching cases are always
            in it.
        worst: the number of worst cases on the page.

    Raises:
        InputError: as `helpers.reports.runs.read_runs`; two runs have different truths for a case; ``output``
            cannot be written, or its disk is full. The answers stay as they are.
    """
    found = read_runs(runs)
    compared = comparisons(found) if len(found) > 1 else {}
    chosen = worst_cases(found, worst)
    content: dict[str, Any] = {
        "title": "Evaluation: " + ", ".join(run.label for run in found),
        "note": NOTE,
        "runs": found,
        "verdict": verdict(found, compared),
        "cautions": cautions(found),
        "tables": list(every_table(found, compared)),
        "settings": settings_table(found),
        "worst": [(case, case_picture(case.answer, own=pictures)) for case in chosen],
    }
    pages = {"report.md": _markdown(content), "report.html": _html(content)}
    make_folder(output)
    with explained(output):
        for name, text in pages.items():
            with whole_file(Path(output) / name) as partial:
                partial.write_text(text, encoding="utf-8")
    return [Path(output) / name for name in pages]


def visible(text: Any) -> str:
    """A text in which invisible characters, and those that change the direction of text, are escaped."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", str(text).replace("\r\n", "\n"))


def shortened(text: Any) -> str:
    """A text as the page shows it: with escapes, and shortened if it is very long."""
    words = visible(text)
    left = len(words) - LONGEST
    return words if left <= 0 else f"{words[:LONGEST]} [... {left} more letters are in the answers]"


def boxes_of(value: Any) -> list[list[float]]:
    """The boxes (y0, x0, y1, x1) of a truth, which is one or empty, or of an answer, which may have several."""
    if not isinstance(value, list) or not value:
        return []
    return value if isinstance(value[0], list) else [value]


def said(value: Any, answer: Answer) -> str:
    """A truth or a parsed answer in words."""
    if value is None:
        return "not asked for in a form" if answer["form"] == "text" else "could not be read"
    if answer["form"] == "box":
        boxes = boxes_of(value)
        return "; ".join(", ".join(f"{v:.0f}" for v in box) for box in boxes) if boxes else "nothing is there"
    if answer["form"] == "number":
        return Quantity(answer["unit"]).write(value)
    return shortened(value)


def _html(content: Mapping[str, Any]) -> str:
    runs = content["runs"]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
    )
    environment.filters |= {"shortened": shortened, "paragraphs": _paragraphs}
    environment.globals |= {"said": said, "boxes_of": boxes_of, "FOLDED": FOLDED, "OPEN": OPEN}
    return environment.get_template("report.html.j2").render(
        **content,
        forests=list(charts.forests(runs)),
        matrices=list(charts.matrices(runs)),
        roc=list(charts.roc_panels(runs)),
        calibration=list(charts.calibration_panels(runs)),
        abstaining=list(charts.abstaining_panels(runs)),
    )


def _paragraphs(text: str) -> Markup:
    """Names in backticks and flags as code; a number and its % stay together."""
    words = str(escape(visible(text))).replace(" %", "\u00a0%")
    return Markup(re.sub(r"`([^`]+)`|(?<!\S)(--[a-z][a-z-]+)", r"<code>\1\2</code>", words))


def _markdown(content: Mapping[str, Any]) -> str:
    lines = [f"# {_cell(content['title'])}", "", f"> {content['note']}", "", "## Verdict", ""]
    lines += [f"- {_cell(statement.text)}" for statement in content["verdict"]]
    if content["cautions"]:
        lines += ["", "Before you believe it:", "", *(f"- {_cell(sentence)}" for sentence in content["cautions"])]
    lines.append("")
    for table in (*content["tables"], content["settings"]):
        lines += _markdown_table(table)
    if content["worst"]:
        labels = [run.label for run in content["runs"]]
        lines += _markdown_table(_worst_table([case for case, _ in content["worst"]], labels))
    return "\n".join(lines)


def _worst_table(cases: Sequence[WorstCase], labels: Sequence[str]) -> Table:
    rows = [["case", "condition", "run", "why", "truth", "answer", "reply"]]
    for case in cases:
        for run, answer, reasons in case.told:
            about = [answer["condition"] or answer["kind"], labels[run], "; ".join(reasons) or "for comparison"]
            words = [said(answer["truth"], answer), said(answer["parsed"], answer), answer["text"][:FOLDED]]
            rows.append([case.id, *about, *words])
    return Table("Worst cases", "The first to look at, with the beginning of each reply.", rows)


def _markdown_table(table: Table) -> list[str]:
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in table.rows]
    rows.insert(1, "|" + " --- |" * len(table.rows[0]))
    return [f"## {_cell(table.title)}", "", table.about, "", *rows, ""]


def _cell(text: str) -> str:
    """Escape a text, so that Markdown shows it as it is."""
    plain = " ".join(visible(text).split())
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", plain)
