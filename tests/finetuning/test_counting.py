"""What is counted from shapes, beside real models and figures that others publish."""

from __future__ import annotations

import pytest
import torch

from helpers.errors import InputError
from helpers.finetuning import Tuning
from helpers.finetuning.counting import (
    language_operations,
    model_config,
    nf4_bytes,
    tower_operations,
    trained_bytes,
    trained_parameters,
    weight_bytes,
)
from helpers.finetuning.tuning import lora_config
from tests.finetuning.conftest import QUICK

REAL = "google/medgemma-1.5-4b-it"


def test_weights_of_a_small_model_and_of_the_real_one(chat):
    from peft import get_peft_model

    small = model_config("standin")
    assert weight_bytes(small, quantized=False) == sum(p.numel() for p in chat.model.parameters()) * 2
    assert weight_bytes(model_config(REAL), False) == 2 * 4_300_079_472  # as published
    adapted = get_peft_model(chat.model, lora_config(QUICK))
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert trained_parameters(small, QUICK) == trained
    assert trained_bytes(small, QUICK, torch.bfloat16) == trained * (4 + 4 + 4 + 4)  # an adapter is float32
    with pytest.raises(InputError, match="cannot plan the training"):
        model_config("gemma")


def test_embeddings_trained_whole_are_two_copies_in_the_models_type():
    config, words = model_config(REAL), 262_208 * 2560
    more = trained_bytes(config, Tuning(train_embeddings=True), torch.bfloat16)
    assert more - trained_bytes(config, Tuning(), torch.bfloat16) == 2 * words * (2 + 2 + 2 + 2)


def test_four_bits_take_what_bitsandbytes_makes():
    # bitsandbytes 0.50.2 on a CPU: numbers, scales, their scales, tables; the same stored as uint8 and bfloat16.
    for shape, made in [((10240, 2560), 13_524_292), ((2560, 2048), 2_705_732), ((100, 96), 6046)]:
        assert nf4_bytes(shape[0] * shape[1]) == made


def test_operations_follow_from_shapes():
    config = model_config(REAL)
    products, attention = tower_operations(config)
    assert attention == 4 * 27 * 16 * 72 * 4096**2
    # A tower of 27 layers: queries, keys, values and results, two wide matrices, biases and norms.
    layer = 4 * (1152**2 + 1152) + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152
    assert products == 2 * 4096 * 27 * layer
    one, two = (language_operations(config, n, Tuning()) for n in (1000, 2000))
    assert two - 2 * one == pytest.approx(4.5 * 4 * 34 * 8 * 256 * 2 * 1000**2)
