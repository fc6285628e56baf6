"""The plan of learning from a reward: which of its two halves counts, and what makes it larger."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.finetuning import Reinforcement, plan_groups

REAL = "google/medgemma-1.5-4b-it"


def test_the_larger_half_counts_and_every_part_is_named():
    made = plan_groups(REAL, 1, quantized=True)
    halves = [sum(part.values()) for part in (made.drawing, made.learning)]
    assert made.total == sum(made.always.values()) + max(halves)
    text = str(made)
    assert "Computed, not measured" in text
    assert all(part in text for parts in (made.always, made.drawing, made.learning) for part in parts)
    assert made.fits("L4") and not made.fits("T4")


def test_what_makes_it_larger():
    settings = Reinforcement()
    made = plan_groups(REAL, 1, settings)
    # keys and values alone: 34 layers of 4 heads of 256 numbers of 2 bytes, twice, for every token of every reply
    assert sum(made.drawing.values()) > settings.step_replies * made.tokens * 34 * 2 * 4 * 256 * 2
    more = plan_groups(REAL, 1, replace(settings, replies=16))
    assert sum(more.drawing.values()) == pytest.approx(2 * sum(made.drawing.values()), rel=0.05)
    assert more.learning == made.learning  # as many at once
    assert plan_groups(REAL, 1, replace(settings, at_once=8)).total >= made.total
    assert plan_groups(REAL, 1, settings, quantized=True).always["weights"] < made.always["weights"] / 2
    assert plan_groups(REAL, 8, settings).total > made.total
    assert "images beside them" not in plan_groups(REAL, 0, settings).drawing


@pytest.mark.parametrize("wrong", [{"images": -1}, {"images": 1, "text_tokens": -1}, {"images": 200}])
def test_what_cannot_be_planned(wrong):
    with pytest.raises(InputError, match="is not possible"):
        plan_groups(REAL, **wrong)
    with pytest.raises(InputError, match="cannot plan the training of"):
        plan_groups("gpt", 1)


def test_the_figures_of_the_guide_are_those_of_the_plan():
    guide = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) GB \| ([\d.]+) GB \| ([\d.]+) GB \|$", guide, re.MULTILINE)
    assert len(rows) == 3
    for images, *printed in rows:
        plans = [
            plan_groups(REAL, int(images), Reinforcement(prompts=prompts), quantized=quantized)
            for prompts, quantized in ((4, False), (4, True), (1, True))
        ]
        assert printed == [f"{planned.total / 1e9:.1f}" for planned in plans]
