"""The attention of Gemma 3's language model, which is chosen by the type of its mask.

transformers finds the function by a name in the model's configuration, which all users of the model share. In this
file, the name decides only how the masks of a prompt are made. So a prompt that is read by blocks, a session and a
training run do not disturb each other, because each uses its own mask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch.nn.attention.flex_attention import BlockMask, create_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from helpers.models.block_masks import block_mask
from helpers.models.faults import Faults, described

Way = Literal["flex_attention", "sdpa"]  # by blocks, or with dense masks (a byte a pair)
FAULTS = Faults("The model reads prompts with dense masks, because attention by blocks does not work")
NAMES: dict[Way, str] = {"flex_attention": "prompts_by_blocks", "sdpa": "prompts_dense"}


class SharedKeys:
    """A mask for few queries and many keys. Heads that share keys become rows of one matrix, so no key is copied.

    Args:
        seen: whether a query sees a key, of bools: (queries, keys).
    """

    def __init__(self, seen: torch.Tensor) -> None:
        self._seen, self._bias = seen, None

    def bias(self, groups: int, dtype: torch.dtype) -> torch.Tensor:
        """The bias of the scores, (1, 1, groups x queries, keys).

        It is made for the first layer, and all other layers use it again.
        """
        if self._bias is None:
            bias = torch.zeros_like(self._seen, dtype=dtype).masked_fill_(~self._seen, -torch.inf)
            self._bias = bias.repeat(groups, 1)[None, None]
        return self._bias


def attend(
    layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **settings: Any
) -> tuple[torch.Tensor, None]:
    """Attention for transformers: (1, heads, tokens, numbers) to (1, tokens, heads, numbers), and no weights."""
    if isinstance(mask, BlockMask):
        try:
            return by_blocks(query, key, value, mask, settings["scaling"]), None
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # the compiler may raise any error on a prompt of another kind
            FAULTS.note(query.device, described(error))
        mask = create_mask(mask.mask_mod, 1, 1, *mask.seq_lengths, device=query.device)
    if isinstance(mask, SharedKeys):
        _, heads, tokens, numbers = query.shape
        rows = query.reshape(1, key.shape[1], -1, numbers)
        bias = mask.bias(heads // key.shape[1], query.dtype)
        out = scaled_dot_product_attention(rows, key, value, attn_mask=bias, scale=settings["scaling"])
        return out.reshape(1, heads, tokens, numbers).transpose(1, 2).contiguous(), None
    return sdpa_attention_forward(layer, query, key, value, mask, **settings)


def by_blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: BlockMask, scaling: float
) -> torch.Tensor:
    """Attention by blocks, (1, tokens, heads, numbers). Errors of its compiler are passed on."""
    if query.device.type == "cuda" and (fault := FAULTS.on(query.device)):
        raise RuntimeError(fault)
    flex = _compiled() if query.device.type == "cuda" else flex_attention
    out = flex(query, key, value, block_mask=mask, scale=scaling, enable_gqa=True)
    return out.transpose(1, 2).contiguous()


@functools.cache
def _compiled() -> Callable[..., torch.Tensor]:
    # If it cannot be compiled, it must fail: without compiling, it would store a number for each head and pair of
    # tokens.
    return torch.compile(flex_attention, fullgraph=True)


def _prompt_masks(
    *,
    batch_size: int,
    q_length: int,
    kv_length: int,
    device: torch.device,
    mask_function: Callable,
    **settings: Any,
) -> BlockMask | torch.Tensor | None:
    """A mask by blocks for a prompt that is read as a whole, and the mask of sdpa for anything else."""
    padding = settings.get("attention_mask")
    if batch_size == 1 and 1 < q_length == kv_length and (padding is None or bool(padding.all())):
        return block_mask(mask_function, q_length, device)
    return _dense_masks(
        batch_size=batch_size,
        q_length=q_length,
        kv_length=kv_length,
        device=device,
        mask_function=mask_function,
        **settings,
    )


def _dense_masks(**settings: Any) -> torch.Tensor | None:
    """The mask that sdpa takes, all pairs of tokens at once.

    transformers would map the function over each pair (``vmap``), which takes longer than reading a short prompt.
    It does so for any function that it was given. Those of Gemma 3 compare indices, so they broadcast.
    """
    return sdpa_mask(**{**settings, "use_vmap": False})


for _name, _masks in ((NAMES["flex_attention"], _prompt_masks), (NAMES["sdpa"], _dense_masks)):
    AttentionInterface.register(_name, attend)
    AttentionMaskInterface.register(_name, _masks)


@contextmanager
def reading(model: Any, way: Way) -> Iterator[None]:
    """Make the masks of prompts in the given way within the ``with`` block, and densely again after it.

    Args:
        model: a Gemma 3 of transformers, with an adapter or without.
        way: how prompts are read.
    """
    use_masks(model, way)
    try:
        yield
    finally:
        use_masks(model, "sdpa")


def use_masks(model: Any, way: Way) -> None:
    """Make the masks of prompts in the given way from now on; ``model`` is as for `reading`.

    transformers walks through all modules to change this, so nothing is called that changes nothing.
    """
    full = without_adapter(model)
    if full.config.get_text_config()._attn_implementation != NAMES[way]:
        full.set_attn_implementation({"text_config": NAMES[way]})


def without_adapter(model: Any) -> Any:
    """The model of transformers inside an adapted model. The adapter's layers still act in it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
