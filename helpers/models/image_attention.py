"""Test whether a server lets the tokens of an image see each other, as in MedGemma's training.

The same weights in transformers tell how likely each first token of an answer should be, in two ways: if the
tokens of an image see each other, and if each sees only the tokens before it. The server's log-probabilities are
near those of one of the two ways.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from helpers.errors import InputError
from helpers.prompts import Message

if TYPE_CHECKING:
    from helpers.endpoints import EndpointModel
    from helpers.models.chat import ChatModel

APART = 4  # the difference between the two ways must be this many times the server's distance to the nearer one


@dataclass(frozen=True)
class ImageAttention:
    """The distance of a server's log-probabilities from both ways, in nats, mean over the tokens that it sent."""

    from_whole: float  # if the tokens of an image see each other
    from_causal: float  # if they see only the tokens before them
    tokens: int


def check_image_attention(served: EndpointModel, local: ChatModel, messages: Sequence[Message]) -> ImageAttention:
    """Ask a server for the first token of an answer about images, and compare it with the same weights here.

    Args:
        served: a server that sends log-probabilities, as vLLM does.
        local: the same weights in transformers.
        messages: a prompt with images.

    Raises:
        InputError: the server lets the tokens of an image see only earlier tokens, it sends no log-probabilities,
            or the result is not clear. This happens if its weights are others or rounded, or if the images matter
            little for this prompt.
    """
    _, steps = served.generate_with_likelihoods(messages, 1)
    if not steps:
        raise InputError(
            "The server sends no log-probabilities, so its attention cannot be checked.",
            path=served.url,
            remedy="Compare a few answers with those of transformers by hand.",
        )
    inputs = local.inputs(messages)
    whole, causal = (_first_token(local, {**inputs, **types}) for types in ({}, _causal(inputs)))
    told = {
        name: math.log(share) for name, share in steps[0].likely if share > 1e-4 and name in whole.keys() & causal
    }
    if not told:
        raise InputError(
            "None of the server's first tokens is likely here, so its weights or its prompt differ.",
            path=served.url,
            remedy="Serve the model that is loaded here.",
        )
    far = [sum(abs(told[name] - here[name]) for name in told) / len(told) for here in (whole, causal)]
    found = ImageAttention(*far, len(told))
    if max(far) < APART * min(far):
        raise InputError(
            f"The test has no clear result: the server's distance is {far[0]:.3f} nats from the right way, and "
            f"{far[1]:.3f} from the wrong way.",
            path=served.url,
            remedy="Load the same weights that the server has, in bfloat16 or float32, and ask about other "
            "images.",
        )
    if far[1] < far[0]:
        raise InputError(
            "The server lets the tokens of an image see only earlier tokens. Its log-probabilities are "
            f"{far[1]:.3f} nats from this way, and {far[0]:.3f} from the right way.",
            path=served.url,
            remedy="Update vLLM to 0.12 or newer, or serve the model with transformers.",
        )
    return found


def _causal(inputs: dict) -> dict[str, torch.Tensor]:
    return {"token_type_ids": torch.zeros_like(inputs["token_type_ids"])}


def _first_token(local: ChatModel, inputs: dict) -> dict[str, float]:
    """The log-probability of each likely first token, by its text. Tokens with equal texts are left out."""
    with torch.inference_mode():
        logits = local.model(**inputs, logits_to_keep=1).logits[0, -1].float()
    values, ids = logits.log_softmax(-1).topk(min(50, len(logits)))
    texts = [local.processor.tokenizer.decode([i]) for i in ids.tolist()]
    return {text: value for text, value in zip(texts, values.tolist(), strict=True) if texts.count(text) == 1}
