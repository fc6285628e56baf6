"""The best epoch is kept, a run that gets no better ends, and one that was broken off knows all that it knew."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
import torch
from transformers import TrainerCallback

from helpers.errors import InputError
from helpers.finetuning import checkpoints, finetune
from helpers.models import ADAPTER_RECORD, load_model
from helpers.prompts import Message, image_messages
from tests.finetuning.conftest import QUICK, images

EAGER = replace(QUICK, rank=4, alpha=16, learning_rate=1e-2, epochs=6, save_steps=100, patience=2)


@dataclass
class Example:
    """A question with an answer."""

    id: str
    answer: str
    messages: list[Message]
    options: tuple[str, ...] = ("yes", "no")

    @property
    def group(self) -> str:
        return self.id


def at_odds() -> tuple[list[Example], list[Example]]:
    """What is learned in training, each time anew, is wrong in validation of the same pictures: its loss rises."""
    pictures = [case.images[0] for case in images(8)]
    asked = [image_messages([picture], "Is this well?") for picture in pictures]
    train = [Example(f"t{k}", "Final Answer: yes", messages) for k, messages in enumerate(asked)]
    return train, [Example(f"v{k}", "Final Answer: no", messages) for k, messages in enumerate(asked[:4])]


class Snapshots(TrainerCallback):
    """The trained weights after each evaluation."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_evaluate(self, args, state, control, model, **others):
        self.weights.append({n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n})


class Break(TrainerCallback):
    """Ends a run as a crash would, after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **others):
        if state.global_step == self.step:
            raise RuntimeError("broken off")


def model():
    return load_model("standin", device="cpu")


def curve(adapter, name):
    return [e[name] for e in json.loads((adapter / ADAPTER_RECORD).read_text())["curve"] if name in e]


def test_the_best_epoch_is_kept_and_training_ends_when_it_gets_no_better(tmp_path, monkeypatch, capsys):
    seen = Snapshots()
    tuned = finetune(model(), *at_odds(), tmp_path / "adapter", EAGER, callbacks=[seen])
    losses = curve(tmp_path / "adapter", "eval_loss")
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + EAGER.patience < EAGER.epochs
    record = json.loads((tmp_path / "adapter" / ADAPTER_RECORD).read_text())
    assert record["best_step"] == 2 * (best + 1)  # eight examples are two steps
    kept = dict(tuned.model.named_parameters())
    assert all(torch.equal(kept[name], weight) for name, weight in seen.weights[best].items())

    # Broken off in the epoch in which it would have ended, it still ends there, with the same weights.
    last = 2 * len(losses)
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(model(), *at_odds(), tmp_path / "broken", EAGER, callbacks=[Break(last - 1)])
    # And broken off once more when all is done but the last files.
    with monkeypatch.context() as patch:
        patch.setattr("helpers.finetuning.train.finish", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            finetune(model(), *at_odds(), tmp_path / "broken", EAGER)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".broken.partial").rename(tmp_path / "elsewhere" / ".broken.partial")
    again = finetune(model(), *at_odds(), tmp_path / "elsewhere" / "broken", EAGER)
    assert f"Going on from step {last} of 12." in capsys.readouterr().out
    for name in ("loss", "eval_loss"):
        assert curve(tmp_path / "elsewhere" / "broken", name) == pytest.approx(
            curve(tmp_path / "adapter", name), rel=1e-4
        )
    found = dict(again.model.named_parameters())
    assert all(torch.allclose(found[name], weight, atol=1e-5) for name, weight in seen.weights[best].items())


def test_a_checkpoint_is_written_when_the_last_one_is_old(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "MINUTES", 0)
    train = images(12)  # three steps an epoch
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(model(), train, [], tmp_path / "adapter", replace(QUICK, save_steps=100), callbacks=[Break(3)])
    kept = {path.name for path in (tmp_path / ".adapter.partial" / "checkpoints").glob("checkpoint-*")}
    assert kept == {"checkpoint-1", "checkpoint-2"}


def test_an_unfinished_run_does_not_go_on_in_another_number_format(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(model(), images(4), [], tmp_path / "adapter", QUICK, callbacks=[Break(2)])
    other = load_model("standin", device="cpu", dtype=torch.bfloat16)
    with pytest.raises(InputError, match="number format: float32 before, bfloat16 now"):
        finetune(other, images(4), [], tmp_path / "adapter", QUICK)
    four = model()
    four.model.is_loaded_in_4bit = True  # as bitsandbytes marks a model
    with pytest.raises(InputError, match="4-bit weights: False before, True now"):
        finetune(four, images(4), [], tmp_path / "adapter", QUICK)
    (tmp_path / ".adapter.partial" / ADAPTER_RECORD).write_text("{")
    with pytest.raises(InputError, match="record cannot be read"):
        finetune(model(), images(4), [], tmp_path / "adapter", QUICK)


@pytest.mark.parametrize("warmup", [0.03, 0.99])
def test_a_run_of_one_step_learns(warmup, tmp_path):
    tuning = replace(QUICK, epochs=1, warmup=warmup)
    tuned = finetune(model(), images(4), [], tmp_path / "adapter", tuning)
    assert curve(tmp_path / "adapter", "learning_rate") == [tuning.learning_rate]
    largest = max(float(p.detach().abs().max()) for n, p in tuned.model.named_parameters() if "lora_B" in n)
    assert largest > 0


def test_a_run_that_learns_nothing_is_an_error(tmp_path):
    with pytest.raises(InputError, match="Nothing was learned"):
        finetune(model(), images(4), [], tmp_path / "model", replace(QUICK, rank=0, learning_rate=1e-30))
    assert not (tmp_path / "model").exists()


def test_a_loss_that_is_no_number_ends_the_run_at_once(tmp_path):
    broken = model()
    with torch.no_grad():
        broken.model.model.language_model.norm.weight[0] = float("nan")
    with pytest.raises(InputError, match="not a number at step 1"):
        finetune(broken, images(4), [], tmp_path / "adapter", QUICK)


DAMAGE = {
    "its optimizer cut": lambda folder: (folder / "optimizer.pt").write_bytes(b"PK"),
    "its optimizer gone": lambda folder: (folder / "optimizer.pt").unlink(),
    "its lots cut": lambda folder: (folder / "rng_state.pth").write_bytes(b""),
    "its adapter cut": lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"0" * 99),
    "its adapter gone": lambda folder: (folder / "adapter_model.safetensors").unlink(),
    "its state a list": lambda folder: (folder / "trainer_state.json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_checkpoint_that_is_not_whole_is_not_gone_on_from(damage, tmp_path, capsys):
    tuning = replace(QUICK, epochs=2, save_steps=1)
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(model(), images(8), [], tmp_path / "adapter", tuning, callbacks=[Break(4)])
    kept = tmp_path / ".adapter.partial" / "checkpoints"
    assert sorted(path.name for path in kept.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-3"]
    damage(kept / "checkpoint-3")
    # Image tokens that were cut off are made again.
    for file in kept.with_name("features").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    finetune(model(), images(8), [], tmp_path / "adapter", tuning)
    said = capsys.readouterr().out
    assert "checkpoint-3 is incomplete" in said and "Going on from step 2 of 4." in said
    finetune(model(), images(8), [], tmp_path / "whole", tuning)
    assert curve(tmp_path / "adapter", "loss") == pytest.approx(curve(tmp_path / "whole", "loss"), rel=1e-4)


def test_full_tuning_goes_on_from_its_own_weights_and_ends_with_its_best(tmp_path):
    full = replace(EAGER, rank=0, learning_rate=1e-3)
    train, validation = at_odds()
    whole = finetune(model(), train, validation, tmp_path / "whole", full)
    losses = curve(tmp_path / "whole", "eval_loss")
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(model(), train, validation, tmp_path / "broken", full, callbacks=[Break(3)])
    finetune(model(), train, validation, tmp_path / "broken", full)
    assert curve(tmp_path / "broken", "loss") == pytest.approx(curve(tmp_path / "whole", "loss"), rel=1e-4)
    record = json.loads((tmp_path / "whole" / ADAPTER_RECORD).read_text())
    best = losses.index(min(losses)) + 1
    assert record["best_step"] == 2 * best < 2 * len(losses)
    ended = finetune(model(), train, [], tmp_path / "last", replace(full, epochs=len(losses)))
    loaded = load_model(str(tmp_path / "whole"), device="cpu").model.state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in whole.model.state_dict().items())
    assert not all(torch.equal(weight, loaded[name]) for name, weight in ended.model.state_dict().items())


def test_a_run_without_its_record_is_not_gone_on_with(tmp_path):
    with pytest.raises(RuntimeError, match="broken off"):
        finetune(model(), images(4), [], tmp_path / "adapter", QUICK, callbacks=[Break(2)])
    (tmp_path / ".adapter.partial" / ADAPTER_RECORD).unlink()
    with pytest.raises(InputError, match="record cannot be read"):
        finetune(model(), images(4), [], tmp_path / "adapter", QUICK)
