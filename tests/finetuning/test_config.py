"""A run as a YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from helpers.errors import InputError
from helpers.finetuning import Tuning, read_config


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"trian": []}, "trian"), ({"train": "my.csv"}, "train"), ({"output": None}, "output")],
)
def test_a_config_says_what_is_wrong_with_it(change, problem, tmp_path):
    config = {"train": [{"cases": "teaching:image"}], "validation": [], "output": "x"} | change
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=problem):
        read_config(tmp_path / "config.yaml")


def test_the_config_to_start_from_can_be_read():
    config = read_config(Path(__file__).parents[2] / "helpers" / "configs" / "finetune.yaml")
    assert Tuning(**config.tuning) == Tuning(batch_size=config.tuning["batch_size"])
