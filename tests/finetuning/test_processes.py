"""Two processes train as one does: broken off and gone on with, with a tower that learns, with weights shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from accelerate import DistributedType, PartialState
from safetensors.torch import load_file
from transformers import TrainerCallback

from helpers.finetuning import Tuning, finetune, finetune_from, read_config
from helpers.models import load_model
from helpers.teaching import generate
from tests.finetuning.conftest import images
from tests.finetuning.test_checkpoints import Break, curve, model

ROOT = Path(__file__).parents[2]
SETTINGS = {"rank": 2, "alpha": 4, "dropout": 0.0, "learning_rate": 1e-3, "epochs": 2, "batch_size": 4}


class Wrapped(TrainerCallback):
    """Tells what the model has become."""

    def on_train_end(self, args, state, control, model, **others):
        print(type(model).__name__)


class Checkpointed(TrainerCallback):
    """Layers run again in the backward pass, as they do on a GPU."""

    def on_train_begin(self, args, state, control, model, **others):
        model.gradient_checkpointing_enable()


def adapters(folder: Path, broken: bool) -> None:
    """Images encoded once, with validation, by the file of settings; and a tower that learns."""
    folder.mkdir(exist_ok=True)  # the other process may have
    config = {
        "train": [{"cases": "teaching:image", "n": 8}],
        "validation": [{"cases": "teaching:image", "n": 3, "seed": 100}],  # one process has one more
        "output": str(folder / "encoded"),
        "tuning": SETTINGS,
    }
    (folder / f"{broken}.yaml").write_text(yaml.safe_dump(config))
    tuning = Tuning(**SETTINGS)
    if broken:
        with pytest.raises(RuntimeError, match="broken off"):
            finetune(model(), images(8), images(3, 100), folder / "encoded", tuning, callbacks=[Break(3)])
    finetune_from(read_config(folder / f"{broken}.yaml"))
    # One process has a row without an image, for which its tower's adapter gets no gradient.
    rows = [*images(3), *generate("text", 1, 0)]
    adapted = replace(tuning, adapt_vision=True, cached=False)
    finetune(model(), rows, [], folder / "adapted", adapted, callbacks=[Checkpointed()])


def whole_models(folder: Path, broken: bool) -> None:
    """Full tuning, images encoded once."""
    folder.mkdir(exist_ok=True)
    tuning = Tuning(rank=0, learning_rate=1e-4, epochs=2, batch_size=4)
    if broken:
        share_weights_without_gpus()
        with pytest.raises(RuntimeError, match="broken off"):
            finetune(model(), images(8), images(2, 100), folder / "whole", tuning, callbacks=[Break(3)])
    finetune(model(), images(8), images(2, 100), folder / "whole", tuning, callbacks=[Wrapped()])


def share_weights_without_gpus() -> None:
    """Have accelerate share weights as on GPUs, by the project's own settings; on CPUs it leaves FSDP out."""
    settings = yaml.safe_load((ROOT / "helpers" / "configs" / "fsdp.yaml").read_text())["fsdp_config"]
    settings["fsdp_transformer_cls_to_wrap"] = settings.pop("fsdp_transformer_layer_cls_to_wrap")
    os.environ.update({name.upper(): str(value) for name, value in settings.items()})
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    begin = PartialState.__init__

    def begin_as_on_gpus(self, cpu: bool = False, **settings) -> None:
        begin(self, cpu, **settings)
        if self.distributed_type is DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = begin_as_on_gpus


def in_two_processes(made: Callable[[Path, bool], None], folder: Path) -> str:
    """What they print."""
    # Not by accelerate launch: without GPUs it starts one process, however many are asked for.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run = [*launch, "-m", __name__, made.__name__, str(folder)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("one of 2 processes") == 2
    assert done.stdout.count("Going on from step 2 of 4.") == 1
    assert not list(folder.glob(".*"))  # one of them cleared each working folder away
    return done.stdout


def assert_same(one: Path, two: Path, file: str) -> None:
    for name in ("loss", "eval_loss"):
        assert curve(two, name) == pytest.approx(curve(one, name), rel=1e-3)
    expected, found = load_file(one / file), load_file(two / file)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-5, msg=name)


def test_two_processes_train_adapters_as_one_does(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    adapters(one, broken=False)
    in_two_processes(adapters, two)
    for run in ("encoded", "adapted"):
        assert_same(one / run, two / run, "adapter_model.safetensors")


def test_two_processes_that_share_the_weights_train_a_model_as_one_does(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    whole_models(one, broken=False)
    assert "FSDPGemma3ForConditionalGeneration" in in_two_processes(whole_models, two)
    assert_same(one / "whole", two / "whole", "model.safetensors")
    load_model(str(two / "whole"), device="cpu")


if __name__ == "__main__":
    {"adapters": adapters, "whole_models": whole_models}[sys.argv[1]](Path(sys.argv[2]), True)
    print(f"one of {PartialState().num_processes} processes")
