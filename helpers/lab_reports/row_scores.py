"""Score replies about reports: precision, recall and F1 of each field and of all fields, with intervals.

Macro F1 and micro F1 are those of the MedGemma 1.5 model card: the mean of the F1 of each document, and the F1 of
all fields of all documents together. The model card does not say how it pairs rows and compares cells. Here, a
cell is right if its row has a partner in the reply and both cells mean the same (`same_fields`). A wrong or
invented cell of the reply lowers precision. A cell of the report that the reply lacks or has wrong lowers recall.
Empty cells do not count. All cells of a row that the reply left out or made up count as wrong, and so do all cells
of a report whose reply could not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from helpers.errors import InputError
from helpers.evaluation import macro, of_ratios
from helpers.lab_reports.matching import match_rows
from helpers.lab_reports.replies import ReadReply
from helpers.lab_reports.same_fields import is_empty, same_field
from helpers.lab_reports.schema import FIELDS, LabRow

MEASURES = ("precision", "recall", "F1")


@dataclass(frozen=True)
class Counts:
    """Numbers of cells, for one field in one report."""

    right: int = 0
    said: int = 0  # cells that the reply fills
    true: int = 0  # cells that the report fills

    def ratio(self, measure: str) -> tuple[int, int]:
        """Numerator and denominator of one of `MEASURES`."""
        return {
            "precision": (self.right, self.said),
            "recall": (self.right, self.true),
            "F1": (2 * self.right, self.said + self.true),
        }[measure]


def count_fields(truth: Sequence[LabRow], said: Sequence[LabRow]) -> dict[str, Counts]:
    """Pair the rows, then count for each field the cells that are right, said and true."""
    pairs = match_rows(truth, said)
    counts = {}
    for field in FIELDS:
        filled, told = (sum(not is_empty(field, getattr(row, field)) for row in rows) for rows in (truth, said))
        right = sum(
            not is_empty(field, getattr(truth[k], field))
            and same_field(field, getattr(truth[k], field), getattr(said[j], field))
            for k, j in pairs
        )
        counts[field] = Counts(right, told, filled)
    return counts


def score_replies(truths: Sequence[Sequence[LabRow]], replies: Sequence[ReadReply | None]) -> dict[str, Any]:
    """Score one reply for each report. None stands for a reply that failed, and counts as unparsable.

    Returns:
        ``reports``; ``fields``: for each field precision, recall and F1 over all reports together; ``macro F1``:
        the mean over reports of the F1 of all their cells; ``micro F1``: the F1 of all cells of all reports;
        ``by report``: the F1 of each; ``unparsable``, ``mended`` and ``cut``: the shares of replies that have no
            list of rows, that had to be mended, and that end too early. Each score has a ``mean``, ``n`` (the
            number of reports) and, if it can be computed, a 95 % ``interval``, for which whole reports are drawn
            (`helpers.evaluation`). A score without any cell to count is None.

    Raises:
        InputError: there is no report, or the number of replies is another one.
    """
    if not truths or len(truths) != len(replies):
        raise InputError(
            f"There are {len(truths)} reports, but {len(replies)} replies.",
            remedy="Give one reply for each report.",
        )
    counted = [
        count_fields(truth, [read.row for read in reply.rows] if reply else [])
        for truth, reply in zip(truths, replies, strict=True)
    ]
    fields = {
        field: {measure: _score([counts[field].ratio(measure) for counts in counted]) for measure in MEASURES}
        for field in FIELDS
    }
    every = [
        tuple(map(sum, zip(*(one.ratio("F1") for one in counts.values()), strict=True))) for counts in counted
    ]
    by_report = [above / below if below else 1.0 for above, below in every]  # no cell in either
    return {
        "reports": len(truths),
        "fields": fields,
        "macro F1": macro([[(str(k), f1) for k, f1 in enumerate(by_report)]], shares=False),
        "micro F1": _score(every),
        "by report": [round(f1, 4) for f1 in by_report],
        "unparsable": _share(reply is None or not reply.parsed for reply in replies),
        "mended": _share(reply is not None and reply.parsed and not reply.clean for reply in replies),
        "cut": _share(reply is not None and reply.cut for reply in replies),
    }


def _score(ratios: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The sum of numerators divided by the sum of denominators, one pair a report, with its interval."""
    above, below = (sum(part) for part in zip(*ratios, strict=True))
    if not below:
        return {"mean": None, "n": len(ratios)}
    named = [(str(k), *ratio) for k, ratio in enumerate(ratios)]
    return {"mean": round(above / below, 4), "n": len(ratios), **of_ratios([named])}


def _share(marks: Any) -> dict[str, Any]:
    return macro([[(str(k), float(mark)) for k, mark in enumerate(marks)]])
