"""Attention rolled out over the layers, after Abnar and Zuidema (arXiv:2005.00928): a contrast to occlusion.

It tells where numbers could have come from, and not what they did to the answer. Attention can be changed without
changing an answer (Jain and Wallace, arXiv:1902.10186), and a map may look right on a model whose weights were
shuffled (Adebayo et al., arXiv:1810.03292). Where a token sees only those before it, the first tokens also gather
attention for no reason of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from helpers.attribution.answers import check_here
from helpers.errors import InputError
from helpers.evaluation import ANSWER_BEGUN
from helpers.models import attention_weights
from helpers.prompts import Message, images_of, prompt_ids


def roll_out(weights: torch.Tensor) -> torch.Tensor:
    """How much of the last token stems from each token: (tokens,), adding up to 1, of (layers, tokens, tokens).

    Each layer hands on half of a token itself and half of what it looks at, 0.5 A + 0.5 I; the layers are
    multiplied. Only the last row of the product is computed.
    """
    row = torch.zeros(weights.shape[-1], dtype=weights.dtype)
    row[-1] = 1
    for layer in reversed(weights):
        row = 0.5 * (row @ layer) + 0.5 * row
    return row


def attention_rollout(chat: Any, messages: Sequence[Message], begun: str = ANSWER_BEGUN) -> np.ndarray:
    """The share of the token that comes before the answer that stems from each image, float32 (images,).

    The rest, up to 1, stems from words. Raises `InputError` for a model that is not loaded here, for a prompt
    without images, and where memory does not suffice: the weights of attention take a number for each pair of
    tokens in each layer.
    """
    if not images_of(messages):
        raise InputError("There is no image to look at.", remedy="Give a prompt with images.")
    said = check_here(chat).processor.tokenizer(begun, add_special_tokens=False)["input_ids"]
    row = roll_out(attention_weights(chat, messages, said)).numpy()
    is_image = np.array(prompt_ids(messages, chat.processor) + said) == chat.model.config.image_token_id
    return row[is_image].reshape(len(images_of(messages)), -1).sum(1)
