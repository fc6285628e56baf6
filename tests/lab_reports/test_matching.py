"""Which row is which: the best pairing in all, and no pair that is none."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings, strategies as st

from helpers.lab_reports import LabRow, likeness, make_report, match_rows
from helpers.lab_reports.matching import LEAST

ROWS = make_report(5).rows[:4]


def test_likeness_by_hand():
    row = LabRow(test="ABCD", value="1.0", unit="mg/L", range="0-2")
    assert likeness(row, row) == pytest.approx(1)
    assert likeness(row, LabRow(test="ABCX", value="1,0")) == pytest.approx(0.6 * 0.75 + 0.2)
    assert likeness(LabRow(test="AB"), LabRow(test="AB")) == pytest.approx(0.6)  # empty cells agree in nothing


def test_one_name_in_two_panels_is_told_apart_by_the_other_cells():
    blood = LabRow(test="Leukocytes", value="8.3", unit="10^9/L", range="4-10")
    urine = LabRow(test="Leukocytes", value="negative", range="negative")
    assert match_rows([blood, urine], [urine, blood]) == [(0, 1), (1, 0)]


def test_rows_that_have_nothing_in_common_are_no_pair():
    assert match_rows([LabRow(test="Sodium", value="139")], [LabRow(test="Ferritin", value="30")]) == []
    assert match_rows([], ROWS) == match_rows(ROWS, []) == []


@settings(max_examples=30)
@given(st.permutations(range(4)), st.integers(0, 4))
def test_the_order_of_a_reply_changes_no_pair(order, count):
    said = [ROWS[k] for k in order][:count]
    assert match_rows(ROWS, said) == sorted((k, j) for j, k in enumerate(order[:count]))


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["Natrium", "Kalium", "Sodium", "Natrium K"]), min_size=3, max_size=3))
def test_no_other_pairing_is_better(names):
    truth, said = [LabRow(test=name) for name in ("Natrium", "Kalium", "Natron")], [LabRow(test=n) for n in names]

    def worth(pairs):
        return sum(value for k, j in pairs if (value := likeness(truth[k], said[j])) >= LEAST)

    best = max(worth(enumerate(order)) for order in permutations(range(3)))
    assert worth(match_rows(truth, said)) == pytest.approx(best)
