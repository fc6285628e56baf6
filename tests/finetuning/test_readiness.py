"""What is told before the work: an adapter under the new one, models and batches that processes cannot share."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from accelerate import DistributedType
from peft import get_peft_model

from helpers.errors import InputError
from helpers.finetuning import Tuning, finetune, readiness
from helpers.finetuning.tuning import lora_config
from tests.finetuning.conftest import QUICK, images


def processes(monkeypatch, number: int, device: str) -> None:
    kind = DistributedType.MULTI_GPU  # of several
    state = SimpleNamespace(num_processes=number, device=torch.device(device), distributed_type=kind)
    monkeypatch.setattr(readiness, "PartialState", lambda **_: state)


@pytest.mark.parametrize("tuning", [QUICK, Tuning(rank=0)], ids=["adapter", "full"])
def test_a_model_with_an_adapter_beside_it_is_refused_with_a_way_out(chat, tmp_path, tuning):
    beside = get_peft_model(chat.model, lora_config(QUICK))
    # The wrapper, as it is loaded with merge=False, and the model inside, which has the adapter's layers too.
    for model in (beside, chat.model):
        with pytest.raises(InputError, match=r"separate adapter.*merge=True\).*medgemma-tutorials merge"):
            finetune(replace(chat, model=model), images(4), [], tmp_path / "adapter", tuning)
    chat.model.is_loaded_in_4bit = True  # such weights cannot take an adapter in
    with pytest.raises(InputError, match=r"Write the two as one model \(medgemma-tutorials merge\)"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK)
    assert not list(tmp_path.iterdir())


def test_each_process_has_the_model_on_its_own_device(chat, tmp_path, monkeypatch):
    processes(monkeypatch, 2, "cuda:1")
    with pytest.raises(InputError, match=r"is on cpu, but this process trains on cuda:1.*device='cuda:1'"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK)
    for number, device in ((1, "cuda:0"), (2, "cpu")):  # on a machine with a GPU a model may still be on its CPU
        processes(monkeypatch, number, device)
        readiness.check_processes(chat, QUICK)


def test_a_batch_that_processes_cannot_share_is_told_before_examples_are_read(chat, tmp_path, monkeypatch):
    processes(monkeypatch, 3, "cpu")
    with pytest.raises(InputError, match=r"not a multiple of 2 at once on 3 processes.*multiple of 6"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK)
    assert not list(tmp_path.iterdir())


def test_ways_to_share_a_run_that_were_never_tried_are_refused(chat, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")  # as accelerate launch --use_deepspeed does
    with pytest.raises(InputError, match="never tested with DeepSpeed"):
        finetune(chat, images(4), [], tmp_path / "adapter", QUICK)
    assert not list(tmp_path.iterdir())


def test_weights_are_shared_as_they_were_tried(chat, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(InputError, match="among several GPUs, so it would have no effect"):
        readiness.check_processes(chat, QUICK)
    processes(monkeypatch, 2, "cpu")
    for name, value in readiness.SHARDED.items():
        monkeypatch.setenv(name, value)
    readiness.check_processes(chat, QUICK)
    with pytest.raises(InputError, match=r"once for each image of a row.*cached=True"):
        readiness.check_processes(chat, replace(QUICK, cached=False))
    monkeypatch.setenv("FSDP_STATE_DICT_TYPE", "SHARDED_STATE_DICT")  # nothing would be in the finished adapter
    with pytest.raises(InputError, match=r"FSDP_STATE_DICT_TYPE=SHARDED_STATE_DICT.*fsdp\.yaml"):
        readiness.check_processes(chat, QUICK)
    chat.model.is_loaded_in_4bit = True
    with pytest.raises(InputError, match="4-bit weights were never tested with FSDP"):
        readiness.check_processes(chat, QUICK)


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        ({"WORLD_SIZE": "2"}, "MASTER_ADDR"),  # half of what a launcher sets
        ({"WORLD_SIZE": "2", "RANK": "5", "LOCAL_RANK": "0"}, "RANK=5 is not the rank of one of 2 processes"),
        ({"WORLD_SIZE": "two"}, "'two'"),
        ({"WORLD_SIZE": ""}, "''"),
        ({"LOCAL_RANK": "0"}, "RANK expected, but not set"),
    ],
)
def test_a_process_that_finds_no_others_says_so(chat, launch, said):
    readiness.PartialState._reset_state()
    with (
        patch.dict(os.environ, launch),  # takes back what accelerate writes there too
        pytest.raises(InputError, match=rf"{said}.*accelerate launch or torchrun.*unset WORLD_SIZE"),
    ):
        readiness.check_processes(chat, QUICK)
    readiness.check_processes(chat, QUICK)  # nothing of the try is left


def test_a_process_that_would_train_alone_beside_others_is_refused(chat, monkeypatch):
    processes(monkeypatch, 1, "cuda:0")
    readiness.PartialState._reset_state = lambda: None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # where accelerate goes by LOCAL_RANK
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="WORLD_SIZE=2, but the process would train alone"):
        readiness.check_processes(chat, QUICK)


def test_a_switch_that_is_neither_true_nor_false_is_named(chat, monkeypatch):
    for flag in ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP"):
        monkeypatch.setenv(flag, "maybe")
        with pytest.raises(InputError, match=f"{flag} is 'maybe', which is neither true nor false"):
            readiness.check_processes(chat, QUICK)
        monkeypatch.delenv(flag)


def test_examples_that_are_shown_twice_are_counted(monkeypatch):
    processes(monkeypatch, 2, "cpu")
    assert [readiness.repeated(QUICK, examples) for examples in (8, 7, 5)] == [0, 1, 3]  # two at once on each
    processes(monkeypatch, 1, "cpu")
    assert readiness.repeated(QUICK, 7) == 0
