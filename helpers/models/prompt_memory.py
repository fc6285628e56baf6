"""Compute the GPU memory that a prompt needs in addition to the weights, before anything is encoded.

The count follows a trace of the language model's first pass at the size of Gemma 3 4B on torch's meta device (6 of
its 34 layers, its own masks, an attention that allocates what torch's memory-efficient kernel does): 0.07, 0.78,
4.8 and 9.1 GB for 1, 16, 85 and 126 images in bfloat16. Read by blocks, without those masks, 85 and 126 images
take 3.0 and 4.3 GB. No GPU was measured.
"""

from __future__ import annotations

from typing import Any

import psutil
import torch

from helpers.errors import InputError
from helpers.models.attention import Way

# The most numbers a token that one layer holds at once, in its feed-forward part, and in its attention with
# copies.
_FEED_FORWARD, _HIDDEN, _ATTENTION = 4, 5, 27_500 / 2560


def prompt_bytes(text_config: Any, tokens: int, width: int = 2, way: Way = "sdpa") -> int:
    """The most bytes that a prompt takes while it is read, including its keys and values.

    Args:
        text_config: the configuration of Gemma 3's language model.
        tokens: the number of tokens in the prompt, with those of images.
        width: bytes of a number: 2 for bfloat16, 4 for float32.
        way: how the prompt is read (`helpers.models.prefill_attention`). By blocks, nothing grows with the square
            of the tokens.
    """
    one_layer = 2 * text_config.num_key_value_heads * text_config.head_dim * width
    full = text_config.layer_types.count("full_attention")
    sliding = len(text_config.layer_types) - full
    kept = one_layer * (full * tokens + sliding * min(tokens, text_config.sliding_window))
    hidden = text_config.hidden_size
    feed_forward = (_FEED_FORWARD * text_config.intermediate_size + _HIDDEN * hidden) * width * tokens
    # Two masks have a byte for each pair of tokens. Attention adds a mask of numbers, padded to multiples of
    # eight.
    pairs = tokens**2 if way == "sdpa" else 0
    masks = 2 * pairs
    attention = masks + 2 * width * pairs + round(_ATTENTION * hidden) * width * tokens
    return round(kept + max(masks + feed_forward, attention))


def slices_that_fit(text_config: Any, free: int, width: int = 2, most: int = 85, way: Way = "sdpa") -> int:
    """How many slices of about 264 tokens each fit into ``free`` bytes beside the model, at most ``most``."""
    fitting = (n for n in range(most, 0, -1) if prompt_bytes(text_config, 264 * n + 60, width, way) <= free)
    return next(fitting, 0)


def free_bytes(device: torch.device) -> int:
    """The free bytes on a device: on a CUDA GPU with the unused memory of torch, else of this machine's memory."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch keeps it for later
    return torch.cuda.mem_get_info(device)[0] + unused


def check_prompt_memory(model: Any, tokens: int, name: str, way: Way = "sdpa") -> None:
    """Raise `InputError` if a prompt of ``tokens`` would not fit into the free memory of the model's CUDA GPU."""
    device = model.device
    if device.type != "cuda":
        return
    text, width = model.config.get_text_config(), torch.finfo(model.dtype).bits // 8
    needed, free = prompt_bytes(text, tokens, width, way), free_bytes(device)
    if needed > free:
        raise InputError(
            f"A prompt of {tokens:,} tokens needs about {needed / 1e9:.1f} GB on {device} in addition "
            f"to the model, but only {free / 1e9:.1f} GB are free.",
            path=name,
            remedy=f"Use at most {slices_that_fit(text, free, width, way=way)} slices, close other programs "
            "that use the GPU, or use load_model(..., quantized=True).",
        )
