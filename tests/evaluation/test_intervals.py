"""Intervals that hold what they promise, and none where nothing can be promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest, bootstrap

from helpers.evaluation import macro, score, wilson
from tests.evaluation.made_answers import closed


@settings(deadline=None)
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


def test_one_group_alone_has_no_interval() -> None:
    answers = [closed(k, "yes" if k % 2 else "no", "yes", p_yes=0.1 * k) | {"group": "v"} for k in range(10)]
    found = score(answers)
    everything = [*found["kinds"]["ct"].values(), *found["conditions"]["ct: bleeding"].values()]
    assert len(everything) >= 8
    assert not [measure for measure in everything if "interval" in measure or "method" in measure]
    assert "interval" not in macro([[("v", 1.0)] * 9])  # nor where all is right


def test_an_interval_names_its_method() -> None:
    mixed = macro([[(f"v{k}", float(k % 3 == 0)) for k in range(12)]])
    assert mixed["method"] == "bootstrap by group"
    right = macro([[(f"v{k // 2}", 1.0) for k in range(24)]])
    assert right["method"].startswith("Wilson")
    exact = binomtest(12, 12).proportion_ci(method="wilson")  # twelve groups, not 24 answers
    assert right["interval"] == pytest.approx([exact.low, exact.high], abs=1e-3)
    assert "interval" not in macro([[(f"v{k}", 0.5) for k in range(9)]])  # all alike tells nothing


@pytest.mark.parametrize("groups", [8, 300])
def test_the_interval_of_a_mean_is_that_of_scipy(groups: int) -> None:
    values = np.random.default_rng(groups).normal(size=groups)
    found = macro([[(f"v{k}", value) for k, value in enumerate(values)]], draws=20_000, shares=False)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    assert found["interval"] == pytest.approx([theirs.low, theirs.high], abs=0.03)
