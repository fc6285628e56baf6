"""Scores of answers: those of scikit-learn, scipy and rouge-score, and intervals that hold what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from rouge_score.rouge_scorer import RougeScorer
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from helpers.errors import InputError
from helpers.evaluation import compare, macro, mark, overlap, score, wilson

BOX = st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(501, 1000)] * 2)


def closed(k: int, truth: str, said: str | None, *, condition: str = "bleeding", **more: Any) -> dict[str, Any]:
    """One answer to a yes-or-no question."""
    about = {"id": f"c{k}", "kind": "ct", "group": f"v{k}", "condition": condition, "form": "choice"}
    return {**about, "options": ["yes", "no"], "truth": truth, "parsed": said, "text": str(said), **more}


def test_a_condition_has_the_scores_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.choice(["yes", "no"], 60, p=[0.3, 0.7]), rng.choice(["yes", "no"], 60)
    shares = rng.random(60)
    answers = [closed(k, t, s, p_yes=p) for k, (t, s, p) in enumerate(zip(truth, said, shares, strict=True))]
    found = score(answers, draws=200)["conditions"]["ct: bleeding"]
    assert found["accuracy"]["mean"] == pytest.approx(np.mean(truth == said), abs=1e-4)
    assert found["F1"]["mean"] == pytest.approx(f1_score(truth, said, pos_label="yes"), abs=1e-4)
    low, high = found["F1"]["interval"]
    assert low < found["F1"]["mean"] < high
    assert found["AUROC"]["mean"] == pytest.approx(roc_auc_score(truth == "yes", shares), abs=1e-4)
    both = (found["sensitivity"]["mean"] + found["specificity"]["mean"]) / 2
    assert both == pytest.approx(balanced_accuracy_score(truth, said), abs=1e-4)
    assert found["sensitivity"]["n"] == (truth == "yes").sum()


def test_macro_accuracy_is_the_mean_over_conditions_and_the_unparsable_are_wrong() -> None:
    rare = [closed(k, "yes", "no", condition="rare") for k in range(2)]
    common = [closed(k, "yes", "yes", condition="common") for k in range(2, 12)]
    found = score([*rare, *common, closed(12, "no", None, condition="common")])
    assert found["kinds"]["ct"]["accuracy"]["mean"] == pytest.approx((0 + 10 / 11) / 2, abs=1e-4)
    assert found["unparsable"] == pytest.approx(1 / 13, abs=1e-4)
    assert found["conditions"]["ct: common"]["specificity"]["mean"] == 0


def test_many_questions_about_a_volume_are_scored_by_condition_and_drawn_by_volume() -> None:
    rng = np.random.default_rng(2)
    names, answers = ("bleeding", "air", "oedema"), []
    for volume in range(30):
        for k, condition in enumerate(names):
            truth, said = rng.choice(["yes", "no"], 2).tolist()
            answers.append(
                closed(
                    3 * volume + k,
                    truth,
                    said if rng.random() < 0.5 else truth,
                    condition=condition,
                    p_yes=rng.random(),
                )
                | {"group": f"v{volume}"}
            )
    found = score(answers)
    each = [found["conditions"][f"ct: {name}"] for name in names]
    for measure, of_kind in (("accuracy", "accuracy"), ("F1", "macro F1")):
        mean = np.mean([condition[measure]["mean"] for condition in each])
        assert found["kinds"]["ct"][of_kind]["mean"] == pytest.approx(mean, abs=1e-3)
        low, high = found["kinds"]["ct"][of_kind]["interval"]
        assert low < mean < high and found["kinds"]["ct"][of_kind]["n"] == 90
    tenfold = score([{**a, "id": f"{a['id']}.{k}"} for a in answers for k in range(10)])["kinds"]["ct"]
    assert tenfold["macro F1"]["interval"] == pytest.approx(found["kinds"]["ct"]["macro F1"]["interval"], abs=1e-3)


def test_f1_of_a_condition_that_is_never_there_nor_said_is_nothing() -> None:
    found = score([closed(k, "no", "no") for k in range(4)])["conditions"]["ct: bleeding"]
    assert found["F1"] == {"mean": 0.0, "n": 4}


def test_failed_cases_are_counted_and_not_scored() -> None:
    failed = {"id": "x", "kind": "ct", "group": "x", "condition": "bleeding", "error": "OSError: torn"}
    found = score([closed(0, "yes", "yes"), failed])
    assert (found["answers"], found["failed"]) == (1, 1)
    assert found["kinds"]["ct"]["accuracy"]["n"] == 1


def test_a_sentence_has_the_rouge_l_of_rouge_score() -> None:
    truth, said = (
        "Adenocarcinoma of the colon, moderately differentiated.",
        "Colon adenocarcinoma, differentiated.",
    )
    about = {"id": "s", "kind": "slide", "group": "s", "condition": "", "form": "text"}
    answer = {**about, "parsed": None, "truth": truth, "text": said, "options": []}
    wanted = RougeScorer(["rougeL"]).score(truth, said)["rougeL"].fmeasure
    assert 0 < wanted < 1
    assert score([answer])["kinds"]["slide"]["ROUGE-L"]["mean"] == pytest.approx(wanted, abs=1e-4)


@given(BOX, BOX)
def test_overlap_is_a_share_alike_from_both_sides(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert overlap(a, a) == pytest.approx(1)
    assert overlap(a, b) == pytest.approx(overlap(b, a))
    assert 0 <= overlap(a, b) <= 1
    assert overlap(b[:2] + a[:2], a) == pytest.approx(overlap(a, b[:2] + a[:2]))  # also of a box turned inside out


def test_overlap_of_two_known_boxes() -> None:
    assert overlap([0, 0, 10, 10], [0, 5, 10, 15]) == pytest.approx(1 / 3)
    assert mark({"form": "box", "parsed": None, "truth": [0, 0, 1, 1]}) == 0


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_is_that_of_scipy(right: int, n: int) -> None:
    right = min(right, n)
    exact = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((exact.low, exact.high), abs=1e-3)


def test_answers_about_one_volume_count_as_one_draw() -> None:
    """Ten answers that are right or wrong together tell as much as one; the interval must not shrink."""
    rng = np.random.default_rng(1)
    single = [(f"v{k}", float(v)) for k, v in enumerate(rng.random(40) < 0.7)]
    tenfold = [pair for pair in single for _ in range(10)]
    alone, grouped = macro([single]), macro([tenfold])
    apart = macro([[(f"{group}.{k}", value) for k, (group, value) in enumerate(tenfold)]])
    assert grouped["interval"] == pytest.approx(alone["interval"], abs=0.01)
    assert np.ptp(apart["interval"]) < 0.5 * np.ptp(grouped["interval"])


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
