"""Compute how much the tokens of a prompt look at each other, which fast kernels for attention never store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from helpers.errors import InputError
from helpers.models.attention import NAMES, without_adapter
from helpers.models.chat import ChatModel
from helpers.models.number_formats import check_numbers
from helpers.models.prompt_memory import free_bytes
from helpers.models.sessions import SHARE
from helpers.prompts import Message, images_of


@torch.inference_mode()
def attention_weights(chat: ChatModel, messages: Sequence[Message], begun: Sequence[int] = ()) -> torch.Tensor:
    """The weights of attention of a prompt, mean over the heads: float32 (layers, tokens, tokens), on the CPU.

    Each row is a token that looks, and each column is a token that it looks at. Each row adds up to 1. ``begun``
    holds the token ids of the answer's first words. The prompt is read in transformers' "eager" way, which stores
    a number for each head and each pair of tokens. So this is only for short prompts.

    Raises:
        InputError: memory is too small, or the prompt is over the budget.
    """
    full = without_adapter(chat.model)
    text, tokens = full.config.get_text_config(), chat.count_tokens(messages).total + len(begun)
    _check_memory(chat, text, tokens, len(images_of(messages)))
    inputs = chat.inputs(messages)
    more = torch.tensor([list(begun)], dtype=torch.long, device=full.device)
    for name, added in (
        ("input_ids", more),
        ("attention_mask", torch.ones_like(more)),
        ("token_type_ids", torch.zeros_like(more)),
    ):
        inputs[name] = torch.cat([inputs[name], added], dim=1)
    means: list[torch.Tensor] = []

    def keep(_: Any, __: Any, output: Any) -> None:
        means.append(output[1][0].float().mean(0).cpu())

    hooks = [layer.self_attn.register_forward_hook(keep) for layer in full.model.language_model.layers]
    full.set_attn_implementation({"text_config": "eager"})
    try:
        full.model(**inputs, use_cache=False)
    except torch.OutOfMemoryError as error:
        raise _too_large(chat, tokens, "too much") from error
    finally:
        full.set_attn_implementation({"text_config": NAMES["sdpa"]})
        for hook in hooks:
            hook.remove()
    return check_numbers(torch.stack(means), chat.name)


def _check_memory(chat: ChatModel, text: Any, tokens: int, images: int) -> None:
    """Raise `InputError` if one layer's weights do not fit on the device, or all means not into main memory."""
    for device, needed in (
        (torch.device("cpu"), 2 * 4 * text.num_hidden_layers * tokens**2),  # two copies while they are joined
        (chat.model.device, 4 * 4 * text.num_attention_heads * tokens**2),  # scores, softmax in float32, masks
    ):
        free = SHARE * free_bytes(device)
        if needed > free:
            fits = max(1, int(images * (free / needed) ** 0.5))
            raise _too_large(chat, tokens, f"{needed / 1e9:.1f} GB; {free / 1e9:.1f} GB can be used", fits)


def _too_large(chat: ChatModel, tokens: int, takes: str, fits: int | None = None) -> InputError:
    return InputError(
        f"The weights of attention between {tokens:,} tokens take {takes}.",
        path=chat.name,
        remedy=f"Ask about {'fewer' if fits is None else f'at most {fits}'} images, or use occlusion, which does "
        "not need them.",
    )
