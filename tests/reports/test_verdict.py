"""The verdict: what the scores allow to say, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from helpers.errors import InputError
from helpers.evaluation import compare
from helpers.reports.runs import Run, read_runs
from helpers.reports.verdict import BETTER, SAME, Statement, baseline, comparisons, holm, verdict
from tests.evaluation.made_answers import closed
from tests.reports.made_runs import write_run


def answers(n: int, wrong: set[int], **more: Any) -> list[dict[str, Any]]:
    truths = ["yes" if k % 2 else "no" for k in range(n)]
    turned = {"yes": "no", "no": "yes"}
    return [closed(k, truth, turned[truth] if k in wrong else truth, **more) for k, truth in enumerate(truths)]


def runs_of(tmp_path: Path, *wrong: set[int], n: int = 40, **more: Any) -> list[Run]:
    return read_runs([write_run(tmp_path / "abc"[k], answers(n, of, **more)) for k, of in enumerate(wrong)])


def first_statement(runs: list[Run]) -> Statement:
    return verdict(runs, comparisons(runs))[0]


def test_a_run_that_is_better_is_named_with_the_interval_of_the_paired_difference(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, set(range(20)), set())
    low, high = compare(runs[0].answers, runs[1].answers)["kinds"]["ct"]["accuracy"]["difference"]["interval"]
    found = first_statement(runs)
    assert found.kind == BETTER
    assert found.text.startswith(f"b is better than a by {100 * low:.0f} to {100 * high:.0f} points of accuracy")
    assert "on 40 ct cases in 40 groups" in found.text
    # The other way round the same run is the better one, by the same points.
    assert first_statement(runs[::-1]).text == found.text


def test_few_cases_cannot_tell_two_runs_apart_and_the_size_that_they_could_see_is_said(tmp_path: Path) -> None:
    runs = runs_of(tmp_path, {0, 1, 2}, {1}, n=12)
    low, high = compare(runs[0].answers, runs[1].answers)["kinds"]["ct"]["accuracy"]["difference"]["interval"]
    found = first_statement(runs)
    assert found.kind == SAME
    assert found.text.startswith("12 ct cases cannot tell b and a apart: b has 17 points more accuracy than a")
    assert f"a difference of about {50 * (high - low):.0f} points of accuracy or more" in found.text


def test_runs_whose_own_intervals_overlap_are_told_apart_case_by_case(tmp_path: Path) -> None:
    """Of 60 cases 40 are right in both, 2 in the first alone, 11 in the second alone."""
    runs = runs_of(tmp_path, set(range(18)), set(range(11, 20)), n=60)
    (_, top), (bottom, _) = (run.scores["kinds"]["ct"]["accuracy"]["interval"] for run in runs)
    assert bottom < top
    found = compare(runs[0].answers, runs[1].answers)["kinds"]["ct"]["accuracy"]
    assert found["difference"]["interval"][0] > 0
    assert found["McNemar"]["p"] == pytest.approx(2 * (1 + 13 + 78) / 2**13, abs=1e-5)
    assert first_statement(runs).kind == BETTER


def test_runs_without_a_difference_leave_room_for_one_by_the_rule_of_three(tmp_path: Path) -> None:
    found = first_statement(runs_of(tmp_path, {1}, {1}, n=12))
    assert found.kind == SAME and "up to about 25 points of accuracy (3 / 12" in found.text


def test_one_patient_says_nothing_about_others(tmp_path: Path) -> None:
    found = first_statement(runs_of(tmp_path, set(range(20)), set(), group="one"))
    assert (
        found.kind == SAME
        and "One patient or volume cannot show whether two or one is better (40 ct cases)" in found.text
    )


def test_runs_without_a_common_case_and_with_other_truths(tmp_path: Path) -> None:
    one, other = answers(8, set()), answers(16, set())[8:]
    runs = read_runs([write_run(tmp_path / "a", one), write_run(tmp_path / "b", other)])
    assert "no case in common" in first_statement(runs).text
    turned = [answer | {"truth": "no"} for answer in one]
    runs = read_runs([tmp_path / "a", write_run(tmp_path / "b", turned)])
    with pytest.raises(InputError, match="different truths") as caught:
        comparisons(runs)
    assert caught.value.path == str(tmp_path / "b") and caught.value.remedy


def test_several_comparisons_make_each_of_them_harder(tmp_path: Path) -> None:
    # Alone p is 2 / 2 ** 6 = 0.031, of two comparisons 0.0625.
    runs = runs_of(tmp_path, set(range(6)), set(), set(range(6)))
    assert first_statement(runs[:2]).kind == BETTER
    found = first_statement(runs)
    assert found.kind == SAME and "apart for sure: b has 15 points more accuracy than a (95 % int" in found.text
    assert "p 0.0625, adjusted for 2 comparisons" in found.text


def test_a_difference_that_is_the_same_in_all_of_many_groups_is_one(tmp_path: Path) -> None:
    found = first_statement(runs_of(tmp_path, set(range(12)), set(), n=12))
    assert found.kind == BETTER and "b is better than a by 100 points of accuracy on 12 ct cases" in found.text
    assert first_statement(runs_of(tmp_path / "few", set(range(3)), set(), n=3)).kind == SAME


def test_one_run_stands_beside_always_giving_the_most_frequent_answer() -> None:
    said = [("yes", "yes"), ("yes", "yes"), ("yes", "no"), ("no", "no")] * 3
    answers = [closed(k, truth, word) for k, (truth, word) in enumerate(said)]
    usual, lead = baseline(answers)
    assert (usual, lead["mean"], lead["n"]) == (0.75, 0.0, 12)
    assert baseline(answers[:9]) is None  # so few fit one answer by chance


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), max_size=8))
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(values: list[float]) -> None:
    found = holm(values)
    assert all(value <= adjusted <= 1 for value, adjusted in zip(values, found, strict=True))
    assert [found[k] for k in sorted(range(len(values)), key=values.__getitem__)] == sorted(found)
