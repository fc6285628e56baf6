"""Models are told apart by what answers: weights wherever they changed, adapters, addresses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.evaluation.asked_model import asked_model, folder_hash, model_to_load, weights_hash
from helpers.models import STANDIN_FOLDER, ChatModel
from tests.evaluation.parrot import Parrot


def test_weights_are_told_apart_and_formats_are_not() -> None:
    torch.manual_seed(0)
    weights = {"small.norm": torch.rand(7), "large.weight": torch.rand(1500, 1000)}
    whole = weights_hash(weights.items())
    assert whole == weights_hash(reversed(weights.items()))
    assert whole == weights_hash((name, weight.to(torch.bfloat16)) for name, weight in weights.items())
    changes = [
        weights | {"small.norm": weights["small.norm"] * 1.01},
        weights | {"large.weight": weights["large.weight"] + torch.rand(1500, 2) @ torch.rand(2, 1000) * 0.05},
        weights | {"large.weight": weights["large.weight"].T},
        weights | {"lora_A.weight": torch.zeros(2, 3)},
        {"small.norm": weights["small.norm"], "large": weights["large.weight"]},
    ]
    assert len({whole, *(weights_hash(changed.items()) for changed in changes)}) == 1 + len(changes)
    weights_hash([("elsewhere", torch.empty(3, device="meta"))])


def test_a_loaded_model_is_told_by_its_weights_and_settings(standin: ChatModel) -> None:
    told = asked_model(standin)
    assert told == asked_model(standin) and {"name", "weights", "generation"} <= told.keys()
    norm = standin.model.model.language_model.norm.weight
    with torch.no_grad():
        norm *= 2
        assert asked_model(standin)["weights"] != told["weights"]
        norm /= 2
    assert asked_model(standin) == told
    standin.model.generation_config.repetition_penalty = 1.5
    assert asked_model(standin) != told
    standin.model.generation_config.repetition_penalty = None
    assert asked_model(Parrot(url="https://a/v1")) != asked_model(Parrot(url="https://b/v1"))


def test_a_folder_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(STANDIN_FOLDER, copy)
    assert folder_hash(copy) == folder_hash(STANDIN_FOLDER)
    large = {"weight": torch.rand(2000, 1000)}
    save_file(large, copy / "model.safetensors")
    first = folder_hash(copy)
    save_file({"weight": large["weight"] * 1.01}, copy / "model.safetensors")
    assert folder_hash(copy) != first
    (tmp_path / "a" / "adapter").mkdir(parents=True)
    (tmp_path / "b" / "adapter").mkdir(parents=True)
    for k, name in enumerate("ab"):
        save_file(
            {"lora_A": torch.full((2,), float(k))}, tmp_path / name / "adapter" / "adapter_model.safetensors"
        )
    told = [model_to_load("standin", tmp_path / name / "adapter") for name in "ab"]
    assert told[0]["name"] == told[1]["name"] and told[0] != told[1]
    assert model_to_load("google/medgemma-1.5-4b-it") == {"name": "google/medgemma-1.5-4b-it"}


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_files_of_any_size_are_told_by_their_last_byte_block(size: int, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(size))
    before = folder_hash(tmp_path)
    file.write_bytes(bytes(size) + b"1")
    assert folder_hash(tmp_path) != before
