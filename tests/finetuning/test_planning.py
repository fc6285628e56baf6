"""The plan: what a small model really keeps, and the real one."""

from __future__ import annotations

import pytest
import torch

from helpers.errors import InputError
from helpers.finetuning import plan
from helpers.finetuning.planning import (
    SavedBytes,
    activation_bytes,
    model_config,
    trained_parameters,
    weight_bytes,
)
from tests.finetuning.conftest import QUICK


def test_the_plan_counts_what_a_small_model_really_keeps(chat):
    from peft import get_peft_model

    from helpers.finetuning.tuning import lora_config

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
