"""The settings of learning from a reward, and that the guide tells them as they are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.finetuning import Reinforcement
from helpers.finetuning.reinforcement import RECIPES


def test_settings_that_cannot_be_are_refused_and_googles_are_theirs():
    with pytest.raises(InputError, match="not a multiple of at_once, 5"):
        Reinforcement(at_once=5)
    with pytest.raises(InputError, match="replies"):
        Reinforcement(replies=1)
    with pytest.raises(InputError, match="stepz is not a setting"):
        Reinforcement(stepz=3)
    theirs = Reinforcement(recipe="official")
    assert (theirs.rank, theirs.learning_rate, theirs.replies, theirs.steps) == (64, 5e-6, 4, 1700)
    assert theirs.step_replies == 12 and theirs.at_once == 3
    with pytest.raises(InputError, match="has no settings for learning"):
        replace(Reinforcement(), recipe="official")


def test_the_guide_lists_every_setting_in_which_googles_recipe_differs():
    guide = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \| [^|]+ \|$", guide, re.MULTILINE)
    ours, official = Reinforcement(), Reinforcement(recipe="official")
    assert sorted(name for name, *_ in rows) == sorted(RECIPES["official"])
    for name, *printed in rows:
        assert printed == [str(getattr(ours, name)), str(getattr(official, name))]
