"""The plan's memory beside a trace of whole steps, at the model's true width and without a number in it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from trl.kernels import ChunkedLogProbFunction, chunked_logprob

from helpers.finetuning import Tuning
from helpers.finetuning.counting import model_config, trained_bytes
from helpers.finetuning.planning import RUNTIME, memory_parts
from helpers.finetuning.tower import ADAPTED_AT_ONCE, ImageTokens, through_tower
from helpers.finetuning.tracing import LiveBytes, as_on_gpu, fakes, shortened

ANSWER, HEAD_TILE = 60, 32_768
CACHED, FROZEN = Tuning(), Tuning(cached=False)
ADAPTED = Tuning(cached=False, adapt_vision=True)


@pytest.fixture(autouse=True)
def triton_kernels(monkeypatch):
    """On a GPU the loss works in place, where on a CPU it makes copies in float32."""
    for name in ("_forward_tile", "_backward_tile", "_addmm_fp32"):
        monkeypatch.setattr(chunked_logprob, name, lambda *_, **__: None)


def traced(config, tuning: Tuning, slices: int, tokens: int) -> int:
    """The most bytes that a step holds beside weights: the model's own forward, TRL's loss, and the way back."""
    AttentionMaskInterface.register("fused", sdpa_mask)
    with fakes(config, tuning, torch.bfloat16) as model:
        inner, side = model.model, config.vision_config.image_size
        inner.get_placeholder_mask = lambda ids, inputs_embeds, image_features: (ids > 0).unsqueeze(-1)
        waiting = torch.empty(slices, 3, side, side)  # on the CPU

        def features(_):
            if tuning.cached:
                shape = slices, config.mm_tokens_per_image, config.text_config.hidden_size
                return torch.empty(shape, dtype=torch.bfloat16)
            return through_tower(inner, waiting.split(ADAPTED_AT_ONCE if tuning.adapt_vision else 8))

        # As PEFT and TRL do with activation checkpointing: what goes into the first layer has a gradient.
        inner.language_model.embed_tokens.register_forward_hook(lambda _, args, out: out.requires_grad_())
        images = ImageTokens([SimpleNamespace(image_key="")], [], SimpleNamespace(model=model), features)
        inputs = {
            name: torch.empty(tuning.at_once, tokens, dtype=torch.long) for name in ("input_ids", "attention_mask")
        }
        inputs["token_type_ids"] = torch.empty_like(inputs["input_ids"])
        if slices:
            inputs["image_rows"] = Numbers([0] * tuning.at_once)
        labels = torch.empty(ANSWER * tuning.at_once, dtype=torch.long)
        with images.given_to_forward(), LiveBytes() as counted:
            with as_on_gpu(torch.bfloat16):
                hidden = inner(**inputs, use_cache=False).last_hidden_state[:, -ANSWER - 1 : -1]
                head = model.lm_head.weight
                loss = ChunkedLogProbFunction.apply(
                    hidden.reshape(len(labels), -1), head, None, labels, 1.0, HEAD_TILE
                )[0]
            del hidden
            loss.sum().backward()
    return counted.peak


class Numbers(list):
    """Row numbers that are no tensor, whose numbers could not be looked at."""

    tolist = list.copy


RUNS = [(CACHED, slices, four_bits) for slices in (0, 1, 16, 85) for four_bits in (False, True)]
RUNS += [(FROZEN, 1, False), (FROZEN, 16, False), (FROZEN, 85, True)]
RUNS += [(ADAPTED, 1, False), (ADAPTED, 1, True), (ADAPTED, 4, False)]  # image by image: 85 take a minute
RUNS += [(Tuning(rank=0), 1, False), (Tuning(rank=0), 85, False), (Tuning(train_embeddings=True), 16, False)]
RUNS += [(Tuning(at_once=2), 16, False)]


def named(run):
    tuning, slices, quantized = run
    return f"{'cached' if tuning.cached else 'adapted' if tuning.adapt_vision else 'frozen'}-{slices}-{quantized}"


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_the_plan_is_at_least_what_a_step_holds_and_within_20_percent(run):
    tuning, slices, quantized = run
    config = shortened(model_config("google/medgemma-1.5-4b-it"), 2)
    tokens = slices * 256 + 600 + ANSWER
    parts = memory_parts(config, tuning, slices, tokens, ANSWER, torch.bfloat16, quantized)
    beside = sum(parts.values()) - parts["weights"] - parts["trained: weights, gradients, Adam"] - RUNTIME
    gradients = trained_bytes(config, tuning, torch.bfloat16) // (4 if tuning.rank else 3)
    peak = traced(config, tuning, slices, tokens)
    assert peak <= beside + gradients <= 1.2 * peak
