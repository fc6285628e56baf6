"""A run as a YAML file, and its settings in Python: every mistake is told before a model is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from helpers.cli import main
from helpers.errors import InputError
from helpers.finetuning import Tuning, read_config
from helpers.finetuning.tuning import RECIPES, VISION_LAYERS

RUN = """\
model: standin
train: [{ cases: "teaching:image", n: 4 }]
validation: []
output: adapter
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the command is run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(text: str, folder) -> list[str]:
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_config(folder / "run.yaml")
    assert caught.value.path.endswith("run.yaml")
    return [line.strip() for line in str(caught.value).splitlines() if line.strip().startswith("line ")]


def test_all_mistakes_of_a_file_are_told_with_their_lines(folder, capsys):
    (folder / "there").mkdir()
    text = """\
model: google/medgemma-1.5-4b-it
quantized: "yes"
rank: 8
train:
  - { cases: missing.csv }
  - { cases: "teaching:foo" }
  - cases: teaching:ct
    sead: 1
validation: []
output: there
tuning:
  epochs: 3
  rank: 8.0
  cached: 'no'
  seed: -1
  epochs: 4
  warmup: 100
  learning_rate: high
  clip: .nan
"""
    lines = [2, 3, 5, 6, 8, 10, 13, 14, 15, 16, 17, 18, 19]
    told = problems(text, folder)
    assert [int(problem.split()[1].rstrip(":")) for problem in told] == lines
    assert "tuning.rank" in told[1] and "the nearest is seed" in told[4] and "lines 12, 16" in told[9]
    assert main(["finetune", "--config", str(folder / "run.yaml")]) == 2
    assert "line 13: tuning.rank is 8.0; it should be a valid integer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            RUN.replace("model: standin", "model: google/medgemma-4b-it"),
            "line 2: train: teaching:image is for the",
        ),
        (RUN.replace("model: standin", "model: 'endpoint:http://localhost#x'"), "line 1: model: a served model"),
        (RUN.replace("output: adapter", ""), "line 1: output is missing"),
        (RUN.replace("n: 4", "n: 0"), "line 2: train.0.n is 0; it should be greater"),
        (RUN.replace('[{ cases: "teaching:image", n: 4 }]', "[]"), "line 2: train is []"),
        (RUN + "quantized: true\ntuning: { rank: 0 }\n", "line 6: tuning: 4-bit weights"),
        (
            RUN + "tuning: { recipe: official, cached: true }\n",
            "line 5: tuning: image tokens cannot be kept while",
        ),
        (RUN + "tuning: { rank: 0, train_embeddings: true }\n", "line 5: tuning: rank 0 trains no adapter"),
        ("", "line 1: the file is None"),
        ("- 1", "line 1: the file is [1]"),
    ],
)
def test_what_cannot_go_together_is_told_too(text, told, folder):
    assert any(problem.startswith(told) for problem in problems(text, folder))


@pytest.mark.parametrize("text", ["train: [1", "a:\n\t- b", "? [a]\n: 3", "a: *b", "a: 1\n---\nb: 2"])
def test_what_is_no_yaml_is_one_error(text, folder):
    (folder / "run.yaml").write_text(text)
    with pytest.raises(InputError, match="This is not YAML"):
        read_config(folder / "run.yaml")


def test_n_of_a_table_would_do_nothing(folder):
    (folder / "own.csv").write_text("path,modality,question,answer\n")
    assert "a table is always used completely" in problems(RUN.replace('"teaching:image"', "own.csv"), folder)[0]


def test_numbers_are_read_as_yaml_now_writes_them(folder):
    (folder / "run.yaml").write_text(RUN + "tuning: { learning_rate: 1e-4, clip: 1, epochs: 2, cached: no }\n")
    tuning = read_config(folder / "run.yaml").tuning
    assert tuning == Tuning(learning_rate=1e-4, clip=1.0, epochs=2, cached=False)


@pytest.mark.parametrize("number", ["010", "0o20", "1:30", "2024-01-02", "1e-4", "'8'"])
def test_a_number_that_nobody_wrote_is_never_read(number, folder):
    assert problems(RUN + f"tuning: {{ rank: {number} }}\n", folder)[0].startswith("line 5: tuning.rank is ")


def test_merged_settings_stand_where_they_are_merged_and_give_way(folder):
    text = RUN + "tuning:\n  <<: [{ epochs: 2, clip: .5 }, { alpha: 1_000, epochs: 9 }]\n  epochs: 4\n"
    (folder / "run.yaml").write_text(text)
    assert read_config(folder / "run.yaml").tuning == Tuning(epochs=4, clip=0.5, alpha=1000)
    told = problems(text.replace("1_000", "0") + "  3: 4\n  yes: 1\n", folder)
    assert [problem.split(" is ")[0] for problem in told] == [
        "line 6: tuning.alpha",
        "line 8: tuning.3",
        "line 9: tuning.yes",
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("output: sub/..", "line 4: output"),
        ('output: "a\\0b"', "line 4: output"),
        (f"output: {'a' * 300}", "line 4: output"),
        ("output: broken/link", "line 4: output"),
        ("output: adapter\nfeatures: adapter/tokens", "line 5: features"),
        ("output: adapter\nfeatures: run.yaml/tokens", "line 5: features"),
        ("output: adapter\nmodel: nowhere", "line 5: model"),
        ("output: adapter\nmodel: link", "line 5: model"),
    ],
)
def test_places_that_cannot_be_are_told_before_a_model_is_loaded(given, wanted, folder):
    (folder / "broken").mkdir()
    (folder / "broken" / "link").symlink_to(folder / "nothing")
    (folder / "link").symlink_to(folder / "broken")  # a folder, but no model
    told = problems(RUN.replace("model: standin\n", "# \n").replace("output: adapter", given), folder)
    assert len(told) == 1 and told[0].startswith(wanted)
    assert not (folder / "adapter").exists()


def test_the_file_to_start_from_has_all_settings_and_is_never_written_over(folder, capsys):
    assert main(["finetune", "--init"]) == 0
    written = (folder / "finetune.yaml").read_text(encoding="utf-8")
    config = read_config(folder / "finetune.yaml")
    assert config.tuning == Tuning() and config.model == "standin" and len(config.train) == 4
    # A setting that is commented out is its default.
    uncommented = written.replace("  # The recipe gives", "").replace("\n  # ", "\n  ")
    names = [name for name in Tuning.__dataclass_fields__ if f"\n  {name}: " in uncommented]
    assert names == list(Tuning.__dataclass_fields__)
    for name, field in Tuning.__pydantic_fields__.items():
        assert field.description, f"{name} has no docstring"
        default = next(line for line in written.splitlines() if line.strip(" #").startswith(f"{name}: "))
        assert yaml.safe_load(default.strip(" #"))[name] == field.default
    (folder / "finetune.yaml").write_text("mine")
    assert main(["finetune", "--init"]) == 2 and "already" in capsys.readouterr().err
    assert (folder / "finetune.yaml").read_text() == "mine"


def test_the_file_in_the_package_is_the_one_to_start_from():
    from importlib.resources import files

    from helpers.finetuning.starting_file import starting_text

    assert files("helpers").joinpath("configs/finetune.yaml").read_text(encoding="utf-8") == starting_text()


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 8.0},
        {"rank": True},
        {"rank": -1},
        {"cached": "no"},
        {"seed": -1},
        {"learning_rate": "1e-4"},
        {"learning_rate": float("inf")},
        {"warmup": 1},
        {"alpha": 0},
        {"rnak": 8},
        {"recipe": "theirs"},
        {"adapt_vision": True},
        {"batch_size": 6, "at_once": 4},
    ],
)
def test_settings_in_python_get_the_same_checks(wrong):
    with pytest.raises(InputError, match="settings are wrong"):
        Tuning(**wrong)
    if "rnak" not in wrong:
        with pytest.raises(InputError, match="settings are wrong"):
            replace(Tuning(), **wrong)


def test_a_recipe_gives_defaults_and_what_is_given_wins():
    official = Tuning(recipe="official", rank=8)
    assert {name: getattr(official, name) for name in RECIPES["official"]} == RECIPES["official"]
    assert official.rank == 8 and official.learning_rate == 2e-4 and official.warmup == 0.03
    assert replace(official, clip=0.5).schedule == "linear"
    with pytest.raises(InputError, match="begin with"):  # else our settings would run under its name
        replace(Tuning(), recipe="official")


def test_help_explains_each_setting():
    assert all(f"{name}: " in Tuning.__doc__ for name in Tuning.__dataclass_fields__)


def test_our_layers_are_all_linear_ones():
    """With the tower adapted these are the layers that PEFT's "all-linear" takes, as in the official recipe."""
    import re

    import torch
    from transformers import Gemma3ForConditionalGeneration

    from helpers.finetuning.planning import model_config
    from helpers.finetuning.tuning import LANGUAGE_LAYERS

    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(model_config("standin"))
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    ours = {name for name in linear if re.fullmatch(f"({LANGUAGE_LAYERS})|({VISION_LAYERS})", name)}
    assert linear - ours == {"lm_head"}


def test_what_the_file_asks_of_a_model_and_what_is_told_before_there_is_one(folder, monkeypatch):
    import torch

    import helpers.models
    from helpers.finetuning import finetune_from

    asked = []

    def load(name, **settings):
        asked.append(settings["dtype"])
        raise InputError("enough")

    monkeypatch.setattr(helpers.models, "load_model", load)
    for more in ("", "tuning: { rank: 0 }\n"):  # full tuning loses small updates in bfloat16
        (folder / "run.yaml").write_text(RUN + more)
        with pytest.raises(InputError, match="enough"):
            finetune_from(read_config(folder / "run.yaml"))
    assert asked == [None, torch.float32]
    (folder / "run.yaml").write_text(RUN.replace("[]", '[{ cases: "teaching:image", n: 2 }]'))
    with pytest.raises(InputError, match="share 2 groups"):
        finetune_from(read_config(folder / "run.yaml"))
    assert len(asked) == 2
