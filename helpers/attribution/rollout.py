"""Follow attention through all layers (attention rollout, Abnar and Zuidema, arXiv:2005.00928).

This is a contrast to occlusion. A rollout tells from which tokens the model could have taken information, but not
what the information did to the answer. One can change attention without changing the answer (Jain and Wallace,
arXiv:1902.10186). A map may also look right on a model with shuffled weights (Adebayo et al., arXiv:1810.03292).
In a model whose tokens see only those before them, the first tokens gather much attention whatever they hold.
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
    """The share of the last token that comes from each token, (tokens,), from weights (layers, tokens, tokens).

    The shares add up to 1. Each layer passes on half of the token itself and half of the tokens that it looks at,
    0.5 I + 0.5 A. These matrices of all layers are multiplied, but only the last row of the product is computed.
    """
    row = torch.zeros(weights.shape[-1], dtype=weights.dtype)
    row[-1] = 1
    for layer in reversed(weights):
        row = 0.5 * (row @ layer) + 0.5 * row
    return row


def attention_rollout(chat: Any, messages: Sequence[Message], begun: str = ANSWER_BEGUN) -> np.ndarray:
    """The share of the last token before the answer that comes from each image, float32 (images,).

    The rest, up to 1, comes from words. Raises `InputError` if the model is not loaded here, the prompt has no
    images, or memory is too small. The weights of attention need much memory: one number for each pair of tokens
    in each layer.
    """
    if not images_of(messages):
        raise InputError("There is no image to look at.", remedy="Give a prompt with images.")
    said = check_here(chat).processor.tokenizer(begun, add_special_tokens=False)["input_ids"]
    row = roll_out(attention_weights(chat, messages, said)).numpy()
    is_image = np.array(prompt_ids(messages, chat.processor) + said) == chat.model.config.image_token_id
    return row[is_image].reshape(len(images_of(messages)), -1).sum(1)
