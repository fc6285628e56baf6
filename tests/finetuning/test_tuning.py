"""The guide's table of ours and Google's settings is that of the recipes."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.finetuning import Tuning
from helpers.finetuning.tuning import RECIPES

GUIDE = Path(__file__).parents[2] / "docs" / "tune.md"


def test_the_guide_lists_every_setting_in_which_googles_recipe_differs():
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    ours, official = Tuning(), Tuning(recipe="official")
    assert [name for name, *_ in rows] == list(RECIPES["official"])
    for name, *printed in rows:
        assert printed == [str(getattr(ours, name)), str(getattr(official, name))]
