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
from peft.utils import SAFETENSORS_WEIGHTS_NAME as ADAPTER_WEIGHTS
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback

from helpers.errors import InputError
from helpers.evaluation import only_run
from helpers.finetuning import Tuning, finetune
from helpers.models import ADAPTER_RECORD, load_model
from helpers.teaching import generate
from tests.finetuning.conftest import QUICK, images


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


def losses(adapter: Path) -> list[float]:
    return [e["loss"] for e in json.loads((adapter / ADAPTER_RECORD).read_text())["curve"] if "loss" in e]


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


def test_a_killed_run_goes_on_with_the_same_curve(chat, tmp_path, capsys):
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
    with pytest.raises(InputError, match="rank: 2 before, 4 now"):
        finetune(chat, train, validation, tmp_path / "broken", replace(QUICK, rank=4))
    rest = Curve()
    tuned = finetune(chat, train, validation, tmp_path / "broken", QUICK, callbacks=[rest])
    assert len(rest.losses) == 4  # of six steps the first two were kept
    assert "Going on from step 2 of 6." in capsys.readouterr().out
    assert losses(tmp_path / "broken") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)
    assert not list(tmp_path.glob(".*partial"))
    loaded = load_model("standin", adapter=tmp_path / "broken", device="cpu")
    asked = validation[0].messages
    assert loaded.generate(asked, max_new_tokens=12).text == tuned.generate(asked, max_new_tokens=12).text


def test_two_runs_at_once_do_not_write_the_same_folder(chat, tmp_path):
    work = tmp_path / ".adapter.partial"
    work.mkdir()
    with only_run(work), pytest.raises(InputError, match="Another run is writing into this folder"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK)
    assert not (tmp_path / "adapter").exists() and not list(work.glob("checkpoints/*"))


def test_a_full_disk_ends_with_advice_and_no_half_adapter(chat, tmp_path, monkeypatch):
    def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="disk is full"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK, callbacks=[Curve(2, fill)])
    assert not (tmp_path / "adapter").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 10))
    with pytest.raises(InputError, match="image tokens need"):
        finetune(load_model("standin", device="cpu"), images(4), [], tmp_path / "other", QUICK)


class Formats(TrainerCallback):
    """The number formats of what is trained, after each step."""

    def __init__(self) -> None:
        self.seen: set[torch.dtype] = set()

    def on_step_end(self, args, state, control, model, **others):
        self.seen |= {weight.dtype for weight in model.parameters() if weight.requires_grad}


def test_beside_4_bit_weights_an_adapter_is_float32_from_its_first_step_to_its_last(chat, tmp_path, monkeypatch):
    """TRL rounds it to bfloat16, which older GPUs emulate; PEFT loads it as float32 where a run goes on."""

    def fail() -> None:
        raise RuntimeError("broken off")

    monkeypatch.setattr(Trainer, "floating_point_ops", lambda *_: 0)  # asks bitsandbytes for the size of weights
    tuning = replace(QUICK, epochs=1, save_steps=1)
    finetune(load_model("standin", device="cpu"), images(8), [], tmp_path / "plain", tuning)
    chat.model.is_loaded_in_4bit = True
    formats = Formats()
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(chat, images(8), [], tmp_path / "adapter", tuning, callbacks=[formats, Curve(2, fail)])
    # The same call with the same model, as the advice of errors says: the adapter was taken off again.
    finetune(chat, images(8), [], tmp_path / "adapter", tuning, callbacks=[formats])
    assert formats.seen == {torch.float32}
    assert losses(tmp_path / "adapter") == pytest.approx(losses(tmp_path / "plain"), rel=1e-5)
    weights = load_file(tmp_path / "adapter" / ADAPTER_WEIGHTS)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


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


def test_the_official_recipe_runs_and_its_adapter_loads_again(chat, tmp_path):
    base = chat.model.get_input_embeddings().weight.detach().clone()
    official = Tuning(recipe="official", batch_size=4, learning_rate=1e-3)  # two steps
    tuned = finetune(chat, images(8), [], tmp_path / "adapter", official)
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    # The head and the words' embeddings are one matrix in the base, and two that are trained here.
    assert len([name for name in weights if "lora_" not in name]) == 2
    for name, weight in weights.items():
        if "lora_" not in name:
            assert not torch.equal(weight, base), name
        elif "lora_B" in name:
            assert weight.abs().max() > 0, name  # those of the vision tower too
    assert any("vision_tower" in name for name in weights)
    loaded = load_model("standin", adapter=tmp_path / "adapter", device="cpu")
    inputs = tuned.inputs(images(1, seed=200)[0].messages)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(**inputs).logits, tuned.model(**inputs).logits, atol=1e-3, rtol=0)


def test_teaching_cases_are_for_the_standin_unless_asked_for(chat, tmp_path):
    other = replace(chat, name="another", is_standin=False)
    cases = generate("ct", 4, 0) + generate("slide", 1, 0)
    assert sum(case.is_declined for case in cases) == 1
    with pytest.raises(InputError, match=r"5 teaching cases .* are for the stand-in"):
        finetune(other, cases, [], tmp_path / "adapter", QUICK)
    finetune(other, cases, [], tmp_path / "adapter", replace(QUICK, epochs=1, cached=False), allow_teaching=True)
    record = json.loads((tmp_path / "adapter" / ADAPTER_RECORD).read_text())
    assert record["examples"]["training"] == 4  # the one to decline is left out
    with pytest.raises(InputError, match="served model"):
        finetune(Served(), [], [], tmp_path / "none")


class Served:
    """What `load_model` gives for an address, as far as tuning sees it."""

    name = "endpoint:http://localhost#x"
