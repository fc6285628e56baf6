"""Two runs side by side: by cases as McNemar does, and by groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from helpers.errors import InputError
from helpers.evaluation import compare
from helpers.evaluation.comparing import exchanged
from tests.evaluation.made_answers import closed, number


def test_two_runs_are_compared_case_by_case() -> None:
    first = [closed(k, "yes", "yes" if k < 10 else "no") for k in range(30)]
    second = [closed(k, "yes", "yes" if k >= 6 else "no") for k in range(30)]
    found = compare(first, second)
    assert found["cases"] == 30
    change = found["kinds"]["ct"]["accuracy"]
    assert change["difference"]["mean"] == pytest.approx(14 / 30, abs=1e-4)
    assert change["McNemar"] == {
        "only first right": 6,
        "only second right": 20,
        "p": pytest.approx(binomtest(6, 26).pvalue, abs=1e-5),
    }
    low, high = change["difference"]["interval"]
    assert low < 14 / 30 < high and low > 0
    with pytest.raises(InputError, match="c3"):
        compare(first, [closed(3, "no", "no")])


def test_ten_answers_that_change_together_are_one_change() -> None:
    """McNemar takes the thirty better answers of three patients as independent; the groups know better."""
    first = [closed(k, "yes", "no") | {"group": f"v{k // 10}"} for k in range(30)]
    second = [{**a, "parsed": "yes"} for a in first]
    found = compare(first, second)["kinds"]["ct"]["accuracy"]
    assert found["McNemar"]["p"] < 1e-5
    assert found["McNemar"]["ignores"] == "that several cases are of one group"
    assert (found["by group"]["p"], found["by group"]["groups"]) == (0.25, 3)  # 2 of 2**3 are as large
    assert "ignores" not in compare(first[::10], second[::10])["kinds"]["ct"]["accuracy"]["McNemar"]


def test_runs_that_are_alike_or_of_one_group_differ_in_nothing() -> None:
    first = [closed(k, "yes", "no") for k in range(4)]
    assert compare(first, first)["kinds"]["ct"]["accuracy"]["by group"]["p"] == 1
    alone = [a | {"group": "v"} for a in first]
    found = compare(alone, [{**a, "parsed": "yes"} for a in alone])["kinds"]["ct"]["accuracy"]
    assert found["by group"]["p"] == 1 and "interval" not in found["difference"]


@pytest.mark.parametrize("groups", [5, 40])
def test_the_exchange_of_groups_is_the_permutation_test_of_scipy(groups: int) -> None:
    effects = np.random.default_rng(groups).normal(0.3, 1, groups)
    theirs = permutation_test(
        (effects, np.zeros(groups)),
        lambda a, b, axis: (a - b).sum(axis),
        permutation_type="samples",
        vectorized=True,
        rng=0,
    )
    assert exchanged(effects.tolist()) == pytest.approx(theirs.pvalue, abs=1e-9 if groups == 5 else 0.02)


def test_exact_p_counts_all_exchanges_by_hand() -> None:
    effects = [0.2, 0.2, -0.1, 0.0]
    sums = [abs(a * 0.2 + b * 0.2 - c * 0.1) for a, b, c in itertools.product((1, -1), repeat=3)]
    assert exchanged(effects) == sum(value > 0.29 for value in sums) / 8 == 0.5


def test_sentences_are_compared_in_both_measures() -> None:
    about = {"kind": "slide", "condition": "", "form": "text", "parsed": None, "options": [], "truth": "a b c d"}
    first = [{**about, "id": str(k), "group": f"v{k}", "text": "d c b a"} for k in range(6)]
    found = compare(first, [{**a, "text": "a b c d"} for a in first])["kinds"]["slide"]
    assert found["ROUGE-L"]["difference"]["mean"] == 0.75  # one word of four is in order
    assert found["token F1"]["difference"]["mean"] == 0 and "McNemar" not in found["token F1"]


def test_errors_of_numbers_are_compared_where_both_runs_gave_one() -> None:
    said = [(11, 10), (12, None), (None, 10), (14, 10), (10, 10)]
    first = [number(k, 10, one, tolerance=1) for k, (one, _) in enumerate(said)]
    second = [number(k, 10, other, tolerance=1) for k, (_, other) in enumerate(said)]
    found = compare(first, second)["kinds"]["ct"]
    assert found["mean absolute error (mm)"]["difference"]["mean"] == round((-1 - 4 + 0) / 3, 4)
    assert found["mean absolute error (mm)"]["difference"]["n"] == 3
    assert found["accuracy of numbers"]["difference"] == {
        **found["accuracy of numbers"]["difference"],
        "mean": 0.4,
        "n": 5,
    }
    assert found["accuracy of numbers"]["McNemar"]["only second right"] == 2  # 14 and none of the first
    assert "McNemar" not in found["mean absolute error (mm)"]
    silent = [number(k, 10, None, tolerance=1) for k in range(5)]
    assert list(compare(silent, second)["kinds"]["ct"]) == ["accuracy of numbers"]
    for other in (number(0, 10, 11, tolerance=2), number(0, 10, 11, tolerance=1, unit="cm")):
        with pytest.raises(InputError, match="different truths, units or tolerances for c0"):
            compare(first, [other])
