"""Places on the plots are those of the scores, and of scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import auc, confusion_matrix, roc_auc_score

from helpers.reports.charts import forests, matrices, roc_panels
from helpers.reports.runs import read_runs
from tests.evaluation.made_answers import closed
from tests.reports.made_runs import write_run


def test_a_roc_curve_has_the_area_and_the_mark_that_the_scores_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.5
    share = np.clip(0.3 * truth + rng.random(60) * 0.7, 0, 1)
    answers = [
        closed(k, "yes" if t else "no", "yes" if p > 0.5 else "no", p_yes=float(p))
        for k, (t, p) in enumerate(zip(truth, share, strict=True))
    ]
    (panel,) = roc_panels(read_runs([write_run(tmp_path / "a", answers)]))
    (series,) = panel.series
    x, y = zip(*series.points, strict=True)
    assert auc(x, y) == pytest.approx(roc_auc_score(truth, share), abs=0.005)
    assert series.stated == pytest.approx((np.mean(share[~truth] > 0.5), np.mean(share[truth] > 0.5)), abs=1e-4)


def test_a_matrix_counts_as_scikit_learn_does_and_has_a_column_for_what_cannot_be_read(tmp_path: Path) -> None:
    said = ["yes", "no", "yes", None, "no", "yes"]
    truth = ["yes", "yes", "no", "no", "no", "yes"]
    answers = [closed(k, t, s) for k, (t, s) in enumerate(zip(truth, said, strict=True))]
    answers[0]["options"] = ["no", "yes"]  # the same options in another order
    ((_, (matrix,), each),) = matrices(read_runs([write_run(tmp_path / "a", answers)]))
    labels = [*matrix.rows, "unparsable"]
    assert list(matrix.columns) == labels and not each
    expected = confusion_matrix(truth, [word or "unparsable" for word in said], labels=labels)[:2]
    assert np.array_equal(matrix.counts, expected)
    assert [row.index(True) for row in matrix.right] == [0, 1]


def test_rare_options_share_a_column_in_which_nothing_counts_as_right(tmp_path: Path) -> None:
    options = [f"option {k}" for k in range(12)]
    answers = [closed(k, options[k % 12], options[k % 12]) | {"options": options} for k in range(30)]
    ((_, (matrix,), _),) = matrices(read_runs([write_run(tmp_path / "a", answers)]))
    assert len(matrix.rows) == 8 and sum(map(sum, matrix.counts)) == 30
    assert matrix.rows[-1] == "others" and not any(matrix.right[-1])


def test_a_forest_has_a_bar_for_each_run_that_was_scored(tmp_path: Path) -> None:
    first = [closed(k, "yes", "yes" if k else "no", condition=c) for k, c in enumerate("aabb")]
    second = [closed(k, "yes", "yes", condition="a") for k in range(2)]
    runs = read_runs([write_run(tmp_path / "x", first), write_run(tmp_path / "y", second)])
    ((kind, rows),) = forests(runs)
    shown = {row.label: [bar and bar.mean for bar in row.bars] for row in rows}
    assert kind == "ct" and shown["accuracy"] == [0.75, 1.0]
    assert (shown["a"], shown["b"]) == ([0.5, 1.0], [1.0, None])
