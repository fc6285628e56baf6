"""Which cases are shown, and why."""

from __future__ import annotations

from pathlib import Path

from helpers.reports.runs import read_runs
from helpers.reports.worst import worst_cases
from tests.evaluation.made_answers import closed, number
from tests.reports.made_runs import write_run


def test_the_worst_come_in_turns_of_their_reasons_with_what_each_run_said(tmp_path: Path) -> None:
    box = {"form": "box", "options": [], "truth": [0, 0, 100, 100]}
    first = [
        closed(0, "yes", "yes", p_yes=0.99),
        closed(1, "no", "yes", p_yes=0.7),
        closed(2, "yes", "no", p_yes=0.1),
        closed(3, "yes", None),
        closed(4, "yes", "yes", finished=False),
        closed(5, "yes", "no") | box | {"parsed": [[0, 0, 100, 50]]},
        closed(6, "yes", "no") | box | {"parsed": [[0, 0, 100, 100]]},
    ]
    second = [closed(2, "yes", "yes"), closed(1, "no", "no")]
    runs = read_runs([write_run(tmp_path / "a", first), write_run(tmp_path / "b", second)])
    found = worst_cases(runs, 12)
    assert [case.id for case in found] == ["c2", "c3", "c4", "c5", "c1"]
    reasons = [one.reasons for case in found for one in case.told]
    assert reasons == [
        ["wrong, with a likelihood of 90 % for its own answer"],
        [],
        ["could not be read"],
        ["cut at the token limit"],
        ["IoU 0.50"],
        ["wrong, with a likelihood of 70 % for its own answer"],
        [],
    ]
    assert [case.id for case in worst_cases(runs, 2)] == ["c2", "c3"]
    assert worst_cases(runs, 0) == []


def test_numbers_are_told_by_how_far_they_are_off_and_the_furthest_comes_first(tmp_path: Path) -> None:
    answers = [
        number(0, 12.0, 12.5, tolerance=1),
        number(1, 12.0, 15.0, tolerance=1),
        number(2, 2.0, 5.0, tolerance=1),
    ]
    found = worst_cases(read_runs([write_run(tmp_path / "a", answers)]), 12)
    assert [(case.id, case.told[0].reasons) for case in found] == [
        ("c2", ["off by 3 mm"]),
        ("c1", ["off by 3 mm"]),
    ]
