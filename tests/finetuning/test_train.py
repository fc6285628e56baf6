"""Fine-tuning: examples are checked, the cached path is the plain one, a killed run goes on as if it never was."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
import yaml
from transformers import TrainerCallback

from helpers.errors import InputError
from helpers.finetuning import Collator, Tuning, finetune, plan, prepare, read_config
from helpers.finetuning.planning import (
    SavedBytes,
    activation_bytes,
    model_config,
    trained_parameters,
    weight_bytes,
)
from helpers.finetuning.training_data import Kept
from helpers.models import ADAPTER_RECORD, ChatModel, load_model
from helpers.prompts import Message, image_messages
from helpers.teaching import generate

QUICK = Tuning(rank=2, alpha=4, learning_rate=1e-3, epochs=3, batch_size=4, at_once=2, save_steps=2)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """So small a model gains nothing from a second thread, and on a busy machine waits for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # for processes that tests start
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def chat() -> ChatModel:
    """A stand-in of the test's own: tuning changes it."""
    return load_model("standin", device="cpu")


@dataclass
class Example:
    """An example as a user would write it."""

    id: str
    answer: str
    messages: list[Message]
    group: str = ""
    options: tuple[str, ...] = ()


@dataclass
class Curve(TrainerCallback):
    """The losses of a run; it ends as ``stop`` says after so many steps."""

    stop_after: int = 0
    stop: object = None
    losses: list[float] = field(default_factory=list)

    def on_log(self, args, state, control, logs, **others):
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))

    def on_step_end(self, args, state, control, **others):
        if self.stop and state.global_step == self.stop_after:
            self.stop()


def images(n: int = 8, seed: int = 0):
    return generate("image", n, seed)


def losses(adapter: Path) -> list[float]:
    return [e["loss"] for e in json.loads((adapter / ADAPTER_RECORD).read_text())["curve"] if "loss" in e]


def test_every_bad_example_is_named_before_anything_is_trained(chat, tmp_path):
    picture = images(1)[0].images[0]
    asked = image_messages([picture], "Is this a head CT?")
    lost = image_messages([picture], "Is this a head CT?")
    lost[0]["content"][1]["text"] += " <start_of_image>"
    bad = [
        Example("empty", "  ", asked),
        Example("other", "Final Answer: perhaps", asked, options=("yes", "no")),
        Example("places", "Yes.", lost),
        Example("long", "word " * 40_000, asked),
    ]
    with pytest.raises(InputError) as caught:
        finetune(chat, [*images(4), *bad], [], tmp_path / "adapter")
    assert "4 of 8" in str(caught.value)
    assert all(example.id in str(caught.value) for example in bad)
    assert not list(tmp_path.iterdir())


def test_validation_of_the_same_patients_is_refused(chat, tmp_path):
    with pytest.raises(InputError, match="share 1 groups"):
        finetune(chat, images(4), images(1, seed=3), tmp_path / "adapter")


def test_a_batch_holds_the_prompt_that_the_model_is_asked_with(chat):
    cases = generate("ct-staining", 2, 0) + generate("text", 1, 0)
    rows = prepare(cases, chat.processor)
    batch = Collator(rows, cases, chat.model, chat.processor, None)([{"row": k} for k in range(3)])
    for k, case in enumerate(cases):
        asked = chat.inputs(case.messages)["input_ids"][0]
        assert torch.equal(batch["input_ids"][k, : len(asked)], asked)
        said = batch["labels"][k][batch["labels"][k] >= 0]
        assert chat.processor.tokenizer.decode(said) == f"{case.answer}<end_of_turn>"
        assert (batch["labels"][k, : len(asked)] == -100).all()
    assert len(batch["pixel_values"]) == sum(len(case.images) for case in cases)


def test_prompts_stay_in_memory_while_there_is_room(chat):
    drawn = []

    class Counted(Example):
        @property
        def messages(self):
            drawn.append(self.id)
            return image_messages([images(1)[0].images[0]], "?")

        @messages.setter
        def messages(self, _):
            pass

    room = [Counted("x", "yes", []).messages[0]["content"][0]["image"].width ** 2 * 3]
    drawn.clear()
    kept = [Kept(Counted(name, "yes", []), room) for name in ("first", "second")]
    rows = prepare(kept, chat.processor) + prepare(kept, chat.processor)
    assert drawn == ["first", "second", "second"] and rows[:2] == rows[2:]


def test_images_encoded_once_give_the_losses_of_the_plain_path(tmp_path):
    cases = generate("ct-staining", 4, 0) + images(4)
    curves = []
    for cached in (True, False):
        output = tmp_path / f"{cached}"
        tuning = replace(QUICK, cached=cached, epochs=1)
        finetune(load_model("standin", device="cpu"), cases, [], output, tuning, features=tmp_path / "features")
        curves.append(losses(output))
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)
    kept = sorted(path.stat().st_mtime_ns for path in (tmp_path / "features").rglob("*.safetensors"))
    finetune(
        load_model("standin", device="cpu"), cases, [], tmp_path / "again", QUICK, features=tmp_path / "features"
    )
    assert kept == sorted(path.stat().st_mtime_ns for path in (tmp_path / "features").rglob("*.safetensors"))


def test_a_killed_run_goes_on_with_the_same_curve(chat, tmp_path):
    train, validation = images(8), images(4, seed=100)
    finetune(load_model("standin", device="cpu"), train, validation, tmp_path / "whole", QUICK)
    code = (
        "import os, signal\n"
        "from tests.finetuning.test_train import *\n"
        "die = Curve(3, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        f"finetune(load_model('standin', device='cpu'), images(8), images(4, seed=100), "
        f"{str(tmp_path / 'broken')!r}, QUICK, callbacks=[die])"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=Path(__file__).parents[2])
    assert killed.returncode == -9, killed.stderr.decode()
    assert not (tmp_path / "broken").exists()
    torn = tmp_path / ".broken.partial" / "checkpoints" / "checkpoint-99"
    torn.mkdir()  # killed while it wrote a checkpoint
    with pytest.raises(InputError, match="unfinished run"):
        finetune(chat, train, validation, tmp_path / "broken", replace(QUICK, rank=4))
    rest = Curve()
    tuned = finetune(chat, train, validation, tmp_path / "broken", QUICK, callbacks=[rest])
    assert len(rest.losses) == 4  # of six steps the first two were kept
    assert losses(tmp_path / "broken") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)
    assert not list(tmp_path.glob(".*partial"))
    loaded = load_model("standin", adapter=tmp_path / "broken", device="cpu")
    asked = validation[0].messages
    assert loaded.generate(asked, max_new_tokens=12).text == tuned.generate(asked, max_new_tokens=12).text


def test_a_full_disk_ends_with_advice_and_no_half_adapter(chat, tmp_path, monkeypatch):
    def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="disk is full"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK, callbacks=[Curve(2, fill)])
    assert not (tmp_path / "adapter").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 10))
    with pytest.raises(InputError, match="image tokens take"):
        finetune(load_model("standin", device="cpu"), images(4), [], tmp_path / "other", QUICK)


def test_an_adapter_is_refused_by_another_model_of_the_same_shapes(chat, tmp_path):
    finetune(chat, images(4), [], tmp_path / "adapter", replace(QUICK, epochs=1))
    other = load_model("standin", device="cpu")
    with torch.no_grad():
        other.model.model.language_model.norm.weight += 0.1
    other.model.save_pretrained(tmp_path / "other")
    other.processor.save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="does not fit"):
        load_model(str(tmp_path / "other"), adapter=tmp_path / "adapter", device="cpu")
    record = json.loads((tmp_path / "adapter" / ADAPTER_RECORD).read_text())
    assert record["base"] == "standin"
    assert not list((tmp_path / "adapter").glob("*.bin"))  # nothing pickled


def test_full_tuning_gives_a_whole_model(chat, tmp_path):
    finetune(chat, images(4), [], tmp_path / "model", replace(QUICK, rank=0, epochs=2, learning_rate=1e-4))
    tuned = load_model(str(tmp_path / "model"), device="cpu").model.state_dict()
    base = load_model("standin", device="cpu").model.state_dict()
    changed = {name for name in base if not torch.equal(base[name], tuned[name])}
    assert any("language_model" in name for name in changed)
    assert not any("vision" in name or "projector" in name for name in changed)


def test_two_processes_train_as_one_does(tmp_path):
    sources = {"train": [{"cases": "teaching:image", "n": 8}]}
    sources["validation"] = [{"cases": "teaching:image", "n": 4, "seed": 100}]
    tuning = {"rank": 2, "dropout": 0.0, "learning_rate": 1e-3, "epochs": 2, "batch_size": 4}
    for processes in (1, 2):
        config = {**sources, "output": str(tmp_path / f"adapter{processes}"), "tuning": tuning}
        file = tmp_path / f"{processes}.yaml"
        file.write_text(yaml.safe_dump(config))
        launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", str(processes)]
        run = [*launch, "-m", "helpers", "finetune", "--config", str(file)]
        done = subprocess.run(run, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2])
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = (losses(tmp_path / f"adapter{n}") for n in (1, 2))
    assert two == pytest.approx(one, rel=1e-3)


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


def test_the_plan_counts_what_a_small_model_really_keeps(chat):
    from peft import get_peft_model

    from helpers.finetuning.train import lora_config

    config = model_config("standin")
    assert weight_bytes(config, quantized=False) == sum(p.numel() for p in chat.model.parameters()) * 2
    layers = config.text_config.num_hidden_layers
    adapted = get_peft_model(chat.model, lora_config(QUICK)).train()
    assert trained_parameters(config, QUICK) == sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    embedded = torch.randn(1, 300, config.text_config.hidden_size)
    with SavedBytes(adapted) as saved:
        adapted.get_base_model().model.language_model(inputs_embeds=embedded)
    layer, rest = activation_bytes(config, 300, QUICK, torch.float32)
    assert layers * layer + rest == pytest.approx(saved.bytes, rel=0.1)


def test_the_plan_of_the_real_model():
    four_bit = plan("google/medgemma-1.5-4b-it", examples=500, slices=16, quantized=True)
    assert weight_bytes(model_config("google/medgemma-1.5-4b-it"), False) == 2 * 4_300_079_472  # as published
    assert four_bit.fits("L4")
    assert not plan("google/medgemma-1.5-4b-it", examples=500, slices=85).fits("L4")
    assert four_bit.steps == 32 * 3
    with pytest.raises(InputError, match="over the budget"):
        plan("google/medgemma-1.5-4b-it", examples=500, slices=200)
