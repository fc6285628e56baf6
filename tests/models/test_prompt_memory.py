"""What a prompt takes of memory, beside a trace of the language model at its true size, without a number in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AttentionInterface, DynamicCache, Gemma3ForConditionalGeneration

from helpers.errors import InputError
from helpers.finetuning.planning import model_config, weight_bytes
from helpers.finetuning.tracing import LiveBytes
from helpers.models import attention, memory_for
from helpers.models.kept_keys import kept_bytes
from helpers.models.prompt_memory import check_prompt_memory, free_bytes, prompt_bytes
from helpers.models.sessions import SHARE
from helpers.prompts import MAX_NEW_TOKENS

LAYERS = 6  # five with a sliding window and one without; the others come after, and take only keys and values
WEIGHTS = 8.6e9  # bytes in bfloat16


def efficient(layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **_: Any) -> Any:
    """Allocates as the memory-efficient kernel does: keys of all heads, a bias padded to eights, the result."""
    key, value = (one.repeat_interleave(layer.num_key_value_groups, dim=1) for one in (key, value))
    zero = torch.zeros((), device=query.device, dtype=query.dtype)
    bias = torch.where(mask, zero, zero)
    if bias.shape[-1] % 8:
        bias = torch.nn.functional.pad(bias, (0, 8 - bias.shape[-1] % 8))
    return torch.empty_like(query).transpose(1, 2).contiguous(), None


def by_blocks(layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **_: Any) -> Any:
    """Allocates as the kernel by blocks does: the result, and a number of each row's sum."""
    assert mask is None
    sums = query.new_empty(query.shape[:3], dtype=torch.float32)
    return (torch.empty_like(query) + sums[..., None].to(query.dtype)).transpose(1, 2).contiguous(), None


def traced(tokens: int, way: str = "sdpa") -> int:
    """The most bytes beside the weights while ``tokens`` are read, with the keys and values of all layers."""
    config = model_config("google/medgemma-1.5-4b-it")
    text = config.text_config
    text.num_hidden_layers, text.layer_types = LAYERS, text.layer_types[:LAYERS]
    config.vision_config.num_hidden_layers = 1
    AttentionInterface.register("traced", efficient if way == "sdpa" else by_blocks)
    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(config).to(torch.bfloat16).eval()
    model.set_attn_implementation("traced")

    def mask() -> torch.Tensor | None:
        if way != "sdpa":  # a list of blocks, a few bytes for each 128 x 128 pairs
            return None
        return torch.zeros(1, 1, tokens, tokens, dtype=torch.bool, device="meta")

    with LiveBytes() as counted, torch.no_grad():
        model.model.language_model(
            inputs_embeds=torch.empty(1, tokens, text.hidden_size, dtype=torch.bfloat16, device="meta"),
            attention_mask={"full_attention": mask(), "sliding_attention": mask()},
            position_ids=torch.zeros(1, tokens, dtype=torch.long, device="meta"),
            past_key_values=DynamicCache(config=text),
            use_cache=True,
        )
    each = 2 * text.num_key_value_heads * text.head_dim * 2
    window = min(tokens, text.sliding_window)
    return counted.peak + each * (4 * tokens + 24 * window)  # of the 28 layers that were left out


@pytest.mark.parametrize("tokens", [290, 4756, 22420, 22424, 32916], ids="{} tokens".format)
def test_the_count_is_at_least_the_traced_peak_and_within_15_percent(tokens: int) -> None:
    text = model_config("google/medgemma-1.5-4b-it").text_config
    peak, counted = traced(tokens), prompt_bytes(text, tokens)
    assert counted >= peak
    if tokens % 8 or tokens < 10_000:  # else no copy for eights is made, which is not counted on
        assert counted <= 1.15 * peak
    if tokens == 22420:  # 85 slices, which is what the check before loading counts
        for quantized in (False, True):
            weights = weight_bytes(model_config("google/medgemma-1.5-4b-it"), quantized)
            needed = memory_for(int(WEIGHTS), "cpu", quantized).needed_gb * 1e9
            assert 0.999 * (weights + peak + 0.6e9) <= needed <= 1.15 * (weights + peak + 0.6e9)


@pytest.mark.parametrize("tokens", [290, 4756, 22420, 32916], ids="{} tokens".format)
def test_by_blocks_the_count_is_the_traced_peak_too(tokens: int) -> None:
    text = model_config("google/medgemma-1.5-4b-it").text_config
    peak, counted = traced(tokens, "flex_attention"), prompt_bytes(text, tokens, way="flex_attention")
    assert peak <= counted <= 1.15 * peak


@pytest.mark.parametrize(
    ("capability", "fault", "way"),
    [((8, 0), "", "flex_attention"), ((8, 9), "no shared memory", "sdpa"), ((7, 5), "", "sdpa")],
)
def test_before_loading_85_slices_are_counted_as_the_gpu_reads_them(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fault: str, way: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (13e9, 16e9))
    monkeypatch.setattr(attention.FAULTS, "known", {("cuda", 0): fault} if fault else {})
    needed = memory_for(int(WEIGHTS), "cuda", quantized=False)
    whole = weight_bytes(model_config("google/medgemma-1.5-4b-it"), False) + traced(22_420, way) + 0.6e9
    assert 0.999 * whole <= needed.needed_gb * 1e9 <= 1.15 * whole
    assert needed.fits == (way == "flex_attention")  # in 13 GB that are free


def test_by_blocks_no_pair_of_tokens_is_counted() -> None:
    text = model_config("google/medgemma-1.5-4b-it").text_config
    once, twice = (prompt_bytes(text, n, way="flex_attention") for n in (20_000, 40_000))
    assert once < twice <= 2 * once
    assert prompt_bytes(text, 40_000) > 2 * prompt_bytes(text, 20_000) > 2 * once


def test_a_prompt_that_does_not_fit_is_refused_before_it_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    config = model_config("google/medgemma-1.5-4b-it")
    model = SimpleNamespace(device=torch.device("cuda"), dtype=torch.bfloat16, config=config)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *_: 10_000_000_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda *_: 9_000_000_000)
    for free, fits in ((4.2e9, True), (3.2e9, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_, free=free: (free, 24e9))
        assert free_bytes(model.device) == free + 1e9  # with what torch holds unused
        check_prompt_memory(model, 22_420, "m", "flex_attention")  # which needs less
        if fits:
            check_prompt_memory(model, 22_420, "m")
            continue
        with pytest.raises(
            InputError, match=r"m: A prompt of 22,420 tokens needs about 4\.8 GB.*4\.2 GB.*at most 7\d slices"
        ):
            check_prompt_memory(model, 22_420, "m")
    model.device = torch.device("cpu")
    check_prompt_memory(model, 10**6, "m")


@pytest.mark.parametrize("way", ["sdpa", "flex_attention"])
@pytest.mark.parametrize("slices", [16, 24, 40, 85, 126])
def test_where_a_volume_fits_a_session_has_room_for_the_longest_answer_by_default(slices: int, way: str) -> None:
    text, tokens = model_config("google/medgemma-1.5-4b-it").text_config, 260 * slices + 60
    fits, prefix = prompt_bytes(text, tokens, way=way), kept_bytes(text, 2, tokens)
    assert kept_bytes(text, 2, tokens, 60 + MAX_NEW_TOKENS) <= prefix + SHARE * (fits - prefix)
