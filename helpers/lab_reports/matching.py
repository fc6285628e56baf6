"""Pair the rows of a reply with those of the report, so that the rows of all pairs together are most alike."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from scipy.optimize import linear_sum_assignment

from helpers.lab_reports.same_fields import is_empty, letters, same_field
from helpers.lab_reports.schema import LabRow

# How much each cell counts for the likeness of two rows. An equal name is enough for a pair. So is a similar name
# if all other cells are equal.
WEIGHTS = {"test": 0.6, "value": 0.2, "unit": 0.1, "range": 0.1}
LEAST = 0.5


def likeness(truth: LabRow, said: LabRow) -> float:
    """How alike two rows are, 0 to 1: by the share of letters that both names have, and by equal cells."""
    first, second = letters(truth.test), letters(said.test)
    name = SequenceMatcher(None, first, second, autojunk=False).ratio() if first or second else 0.0
    others = (
        weight * (not is_empty(field, getattr(truth, field)) and _agree(field, truth, said))
        for field, weight in WEIGHTS.items()
        if field != "test"
    )
    return WEIGHTS["test"] * name + sum(others)


def match_rows(truth: Sequence[LabRow], said: Sequence[LabRow]) -> list[tuple[int, int]]:
    """Pairs of indices into ``truth`` and ``said``, in the order of ``truth``. Each row is in one pair at most.

    Of all pairings, this one has the largest sum of `likeness` (Hungarian method, scipy's
    ``linear_sum_assignment``). A pair whose likeness is below `LEAST` is dropped.
    """
    if not truth or not said:
        return []
    table = np.array([[likeness(one, other) for other in said] for one in truth])
    table[table < LEAST] = 0.0
    rows, columns = linear_sum_assignment(table, maximize=True)
    return [(int(k), int(j)) for k, j in zip(rows, columns, strict=True) if table[k, j] > 0]


def _agree(field: str, truth: LabRow, said: LabRow) -> bool:
    return same_field(field, getattr(truth, field), getattr(said, field))
