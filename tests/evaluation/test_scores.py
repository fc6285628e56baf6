"""Scores of answers: those of scikit-learn, and what cannot be parsed is wrong in all of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from helpers.evaluation import score, summary
from tests.evaluation.made_answers import closed, number


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


def test_the_interval_of_macro_f1_is_that_of_its_own_definition() -> None:
    """A condition without yes counts as 0 in every drawing, as in the mean: scikit-learn's zero_division."""
    common = [
        closed(k, "yes" if k % 2 else "no", ("yes" if k % 2 else "no") if k % 10 else "yes") for k in range(40)
    ]
    rare = [{**closed(k, "no", "no"), "condition": "fracture", "id": f"r{k}", "group": f"r{k}"} for k in range(40)]
    found = score([*common, *rare])["kinds"]["ct"]["macro F1"]
    rng, drawn = np.random.default_rng(0), []
    for _ in range(500):
        parts = [[part[k] for k in rng.integers(40, size=40)] for part in (common, rare)]
        each = [([a["truth"] for a in part], [a["parsed"] for a in part]) for part in parts]
        drawn.append(np.mean([f1_score(*pair, pos_label="yes", zero_division=0) for pair in each]))
    assert found["interval"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.02)
    assert found["interval"][0] < found["mean"] < found["interval"][1]


def test_failed_cases_are_counted_and_not_scored() -> None:
    failed = {"id": "x", "kind": "ct", "group": "x", "condition": "bleeding", "error": "OSError: torn"}
    found = score([closed(0, "yes", "yes"), failed])
    assert (found["answers"], found["failed"]) == (1, 1)
    assert found["kinds"]["ct"]["accuracy"]["n"] == 1


def test_an_unparsable_answer_is_wrong_in_every_measure() -> None:
    """As if the other option had been said: what scikit-learn then finds."""
    truth = ["yes", "yes", "no", "no", "no", "yes"]
    said = ["yes", None, None, "no", "maybe", "no"]
    other = {"yes": "no", "no": "yes"}
    wrong = [s if s in other else other[t] for t, s in zip(truth, said, strict=True)]
    found = score([closed(k, t, s) for k, (t, s) in enumerate(zip(truth, said, strict=True))])
    measures = found["conditions"]["ct: bleeding"]
    assert measures["F1"]["mean"] == pytest.approx(f1_score(truth, wrong, pos_label="yes"), abs=1e-4)
    assert measures["accuracy"]["mean"] == pytest.approx(np.mean(np.array(truth) == wrong), abs=1e-4)
    assert measures["sensitivity"]["mean"] == pytest.approx(1 / 3, abs=1e-4)
    assert measures["specificity"]["mean"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["kinds"]["ct"]["macro F1"]["mean"] == measures["F1"]["mean"]
    alone = [closed(0, "yes", "yes"), closed(1, "no", None), closed(2, "no", None)]
    assert score(alone)["conditions"]["ct: bleeding"]["F1"]["mean"] == 0.5  # not 1: two are said to be there


def test_runaway_and_cut_answers_are_counted_beside_the_unparsable() -> None:
    loop = "the lungs are clear and " * 40
    answers = [
        closed(0, "yes", "yes", finished=True, runaway=False),
        closed(1, "yes", None, finished=False, runaway=True, text=loop),
        closed(2, "yes", None, finished=False, text=loop),  # of an earlier version, which did not look
        closed(3, "yes", "yes"),  # nor kept whether it was cut
    ]
    found = score(answers)
    assert (found["unparsable"], found["runaway"], found["cut"]) == (0.5, 0.5, 0.5)
    line, named, *_ = summary({"model": "m", **found}).splitlines()
    assert (
        named == "  These replies were cut off: c1, c2. Give them more room with a larger --max-new-tokens "
        "(max_new_tokens)."
    )
    assert line == "m: 4 answers, 0 failed, 50.0% unparsable, 50.0% ran away, 50.0% cut at the token limit"
    whole = summary({"model": "m", **score(answers[:1])})
    assert "ran away" not in whole and "were cut off" not in whole
    many = score([closed(k, "yes", None, finished=False) for k in reversed(range(100, 130))])
    assert many["cut ids"] == [f"c{k}" for k in range(100, 120)]  # in whatever order they were answered
    assert "c119 and 10 more." in summary({"model": "m", **many})


def test_numbers_are_scored_by_condition_and_their_errors_by_unit() -> None:
    answers = [
        number(0, 10, 12, tolerance=1),
        number(1, 10, 11, tolerance=1),
        number(2, 10, None, tolerance=1),
        number(3, 20, 26, condition="nodule"),
        number(4, 5, 5, condition="nodule", unit="count"),
        closed(5, "yes", "yes", condition="lesion"),
    ]
    found = score(answers)
    of_kind = found["kinds"]["ct"]
    assert of_kind["accuracy"]["mean"] == 1  # of the choice alone
    assert (of_kind["accuracy of numbers"]["mean"], of_kind["accuracy of numbers"]["n"]) == (0.4167, 5)  # 1/3, 1/2
    error = of_kind["mean absolute error (mm)"]
    assert (error["mean"], error["n"], error["unparsable"]) == (3.75, 3, 1)  # of 1.5 and 6
    assert error["interval"][0] < 3.75 < error["interval"][1]
    assert of_kind["mean absolute error (count)"] == {
        "mean": 0,
        "n": 1,
        "unparsable": 0,
    }  # no interval of none wrong
    lesion = found["conditions"]["ct: lesion"]
    assert (lesion["accuracy"]["mean"], lesion["accuracy of numbers"]["mean"]) == (1, 0.3333)
    assert lesion["mean absolute error (mm)"]["mean"] == 1.5
    assert found["unparsable"] == 0.1667
    silent = score([number(k, 10, None) for k in range(3)])["kinds"]["ct"]
    assert list(silent) == ["accuracy of numbers"] and silent["accuracy of numbers"]["mean"] == 0
    exact = score([number(k, 10, 10) for k in range(3)])["kinds"]["ct"]["mean absolute error (mm)"]
    assert exact == {"mean": 0, "n": 3, "unparsable": 0}


def test_why_cases_failed_is_told_with_their_number():
    long = [{"id": f"a{k}", "error": "InputError: Too long."} for k in range(3)]
    scores = score([*long, {"id": "b", "error": "ValueError: odd"}])
    assert scores["failures"] == {"InputError: Too long.": 3, "ValueError: odd": 1}
    lines = summary({"model": "m", **scores}).splitlines()
    assert lines == ["m: 0 answers, 4 failed", "  3 failed: Too long.", "  1 failed: ValueError: odd"]
