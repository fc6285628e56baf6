"""Likelihoods of yes: what ranks them is the AUROC of scikit-learn, and what is not a likelihood ends nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import roc_auc_score

from helpers.evaluation import score, summary
from helpers.evaluation.likelihood_scores import auroc
from helpers.reports import write_report
from tests.evaluation.made_answers import closed


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])), min_size=2, max_size=30).filter(
        lambda pairs: len({truth for truth, _ in pairs}) == 2
    )
)
def test_auroc_is_that_of_scikit_learn_ties_too(pairs: list[tuple[bool, float]]) -> None:
    answers = [closed(k, "yes" if truth else "no", "yes", p_yes_direct=p) for k, (truth, p) in enumerate(pairs)]
    found = auroc(answers, "p_yes_direct", draws=2)
    assert found["mean"] == pytest.approx(roc_auc_score(*zip(*pairs, strict=True)), abs=1e-4)
    assert found["n"] == len(pairs)


def test_the_interval_of_auroc_is_that_of_drawing_groups_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(120) < 0.5
    shares = np.clip(0.5 + 0.2 * truth + rng.normal(0, 0.3, 120), 0, 1).round(2)
    answers = [
        closed(k, "yes" if t else "no", "yes", p_yes=float(p)) | {"group": f"v{k // 3}"}
        for k, (t, p) in enumerate(zip(truth, shares, strict=True))
    ]
    drawn = []
    for _ in range(2000):
        rows = (3 * rng.integers(40, size=40)[:, None] + np.arange(3)).ravel()
        drawn.append(roc_auc_score(truth[rows], shares[rows]))
    found = score(answers, draws=2)["conditions"]["ct: bleeding"]["AUROC"]
    assert found["interval"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=0.02)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -0.1, 1.5, "0.5", None, True])
def test_a_likelihood_that_is_none_counts_as_none_and_ends_nothing(broken: Any, tmp_path: Path) -> None:
    answers = [closed(k, "yes" if k % 2 else "no", "yes", p_yes=k / 10) for k in range(6)]
    answers += [closed(6, "no", "yes", p_yes=broken, yes_no_mass=broken)]
    found = score(answers, draws=20)
    measures = found["conditions"]["ct: bleeding"]
    assert measures["AUROC"]["n"] == 6 and measures["accuracy"]["n"] == 7
    assert "mass on yes and no" not in measures
    json.dumps(found, allow_nan=False)
    lines = [json.dumps(a | {"model": "m", "completion_tokens": 1, "seconds": 0.1}) for a in answers]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = write_report([tmp_path], tmp_path / "report")[0].read_text(encoding="utf-8")
    assert ", n 6 |" in page and "nan" not in page


def test_likelihoods_with_and_without_argument_are_ranked_apart_and_their_mass_is_summed_up() -> None:
    old = [closed(k, "yes", "yes", p_yes=0.1) for k in range(3)]  # of an earlier version: without argument
    likely = [("yes", 0.9, 1.0), ("no", 0.2, 0.9), ("yes", 0.4, 0.5), ("no", 0.3, 0.4)]
    new = [
        closed(3 + k, truth, "yes", p_yes=share, yes_no_mass=mass, p_yes_direct=0.5, yes_no_mass_direct=0.2)
        for k, (truth, share, mass) in enumerate(likely)
    ]
    measures = (found := score([*old, *new], draws=20))["conditions"]["ct: bleeding"]
    assert (measures["AUROC"]["mean"], measures["AUROC"]["n"]) == (1.0, 4)
    assert measures["AUROC without argument"]["mean"] == 0.5
    assert measures["mass on yes and no"] == {"mean": 0.7, "n": 4, "low": 1}
    assert measures["mass on yes and no without argument"]["low"] == 4
    assert "In 1 of 4 yes-or-no answers, yes and no had under 50%" in summary({"model": "m", **found})
    assert score([*old, closed(7, "no", "no", p_yes=0.0)])["conditions"]["ct: bleeding"]["AUROC"]["mean"] == 1.0
