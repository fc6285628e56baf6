"""Choose how a prompt is read: by blocks if the GPU has a kernel for them, else with masks of a byte for each
pair.

Both give the same logits up to rounding. With blocks, 85 slices do not need masks of 22,420 x 22,420 tokens, nor
most of the work of attention. The few tokens after a prompt do not need blocks.
"""

from __future__ import annotations

import copy
import functools
from typing import Any, get_args

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import Gemma3TextConfig
from transformers.models.gemma3.modeling_gemma3 import (
    create_masks_for_vision_model,
    get_block_sequence_ids_for_mask,
)

from helpers.errors import InputError
from helpers.models.attention import FAULTS, NAMES, Way, by_blocks
from helpers.models.faults import described
from helpers.models.number_formats import BFLOAT16_CAPABILITY

# The masks of a shorter prompt take less than 17 MB each, so it is not worth the seconds to compile the kernel.
FROM = 4_096  # tokens, about 16 images


def prefill_attention(model: Any, tokens: int, asked: str | None = None) -> Way:
    """The way in which a prompt with this many tokens is read.

    Args:
        model: a Gemma 3 of transformers, with an adapter or without.
        tokens: the number of tokens in the prompt, with those of images.
        asked: "flex_attention" for blocks or "sdpa" for dense masks; None takes the best that works.

    Raises:
        InputError: the way does not exist, or blocks were asked for but their kernel does not work.
    """
    if asked is not None and asked not in get_args(Way):
        raise InputError(f"{asked!r} is not a way to read a prompt.", remedy=f"Use one of {get_args(Way)}.")
    if asked == "sdpa" or (asked is None and expected_attention(model.device, tokens) == "sdpa"):
        return "sdpa"
    fault = FAULTS.on(model.device) or kernel_fault(
        str(model.device), model.dtype, _shape(model.config.get_text_config())
    )
    if fault and asked is not None:
        raise InputError(
            f"Attention by blocks does not work on {model.device}: {fault}",
            remedy="Use prefill=None, the default.",
        )
    return "sdpa" if fault else "flex_attention"


def expected_attention(device: torch.device, tokens: int) -> Way:
    """The way in which a prompt will be read if the kernel works, as far as this is known without a model."""
    by_default = tokens >= FROM and _is_new_gpu(device) and not FAULTS.on(device)
    return "flex_attention" if by_default else "sdpa"


def _is_new_gpu(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY


def _shape(text_config: Any) -> tuple[int, int, int, int]:
    """The numbers for which a kernel is compiled: heads, heads of keys, numbers in each head, and the window."""
    heads, keys = text_config.num_attention_heads, text_config.num_key_value_heads
    return heads, keys, text_config.head_dim, text_config.sliding_window


@functools.cache
def kernel_fault(device: str, dtype: torch.dtype, shape: tuple[int, int, int, int]) -> str:
    """Why attention by blocks cannot be used, in one line, which is printed once; "" if it works.

    The kernel is tested on random numbers of several lengths that are not multiples of a block's side, because
    torch then compiles kernels for any length. The results are compared with those of dense masks. Many things can
    fail: a missing compiler, a missing Triton, or a GPU with too little shared memory.
    """
    place = torch.device(device)
    fault = ""
    try:
        for tokens in (300, 500, FROM + 500) if place.type == "cuda" else (300, 500):
            apart = _difference(tokens, place, dtype, shape)
            if not apart < 0.05:  # of the largest number, for bfloat16; "not <" also catches NaN
                fault = f"its results differ by {apart:.0%} from the results with dense masks."
                break
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        fault = described(error)
    if fault:
        FAULTS.note(place, fault)
    return fault


@torch.inference_mode()
def _difference(tokens: int, device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int, int]) -> float:
    """The largest difference between both ways on random numbers, over the largest number."""
    heads, keys, numbers, window = shape
    config = Gemma3TextConfig(
        num_attention_heads=heads,
        num_key_value_heads=keys,
        head_dim=numbers,
        sliding_window=min(window, tokens // 2),
    )
    random = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(1, n, tokens, numbers, generator=random).to(device, dtype) for n in (heads, keys, keys)
    )
    blocks, dense = (_masks(config, tokens, device, dtype, NAMES[way]) for way in ("flex_attention", "sdpa"))
    shared = [one.repeat_interleave(heads // keys, dim=1) for one in (key, value)]
    apart = []
    for kind in ("full_attention", "sliding_attention"):
        got = by_blocks(query, key, value, blocks[kind], numbers**-0.5)
        wanted = scaled_dot_product_attention(query, *shared, attn_mask=dense[kind]).transpose(1, 2)
        apart.append((got - wanted).abs().max() / wanted.abs().max())
    return float(torch.stack(apart).max())  # NaN if one of them is NaN


def _masks(config: Any, tokens: int, device: torch.device, dtype: torch.dtype, name: str) -> dict[str, Any]:
    """Masks of a prompt with images of 100 tokens and words between them, as the model makes them."""
    named = copy.deepcopy(config)
    named._attn_implementation = name
    types = (torch.arange(tokens, device=device) % 120 < 100).long()[None]
    return create_masks_for_vision_model(
        config=named,
        inputs_embeds=torch.empty(1, tokens, 1, device=device, dtype=dtype),
        attention_mask=None,
        past_key_values=None,
        position_ids=None,
        block_sequence_ids=get_block_sequence_ids_for_mask(types),
    )
