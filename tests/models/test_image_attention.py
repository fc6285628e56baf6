"""Whether a server's tokens of an image see each other is told by its log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from helpers.errors import InputError
from helpers.models import ChatModel, check_image_attention
from helpers.teaching import HELD_OUT, generate
from tests.endpoints.conftest import asking
from tests.endpoints.fake_endpoint import FakeServer, fake_server


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


def first_token(model: ChatModel, messages: Any, causal: bool) -> torch.Tensor:
    """Log-probabilities of the first token with one of the two masks."""
    inputs = model.inputs(messages)
    if causal:
        inputs["token_type_ids"] = torch.zeros_like(inputs["token_type_ids"])
    with torch.inference_mode():
        return model.model(**inputs).logits[0, -1].log_softmax(-1)


def divergence(model: ChatModel, messages: Any) -> float:
    """How far the two masks are apart: the Kullback-Leibler divergence of the first token."""
    whole, causal = (first_token(model, messages, mask) for mask in (False, True))
    return float((whole.exp() * (whole - causal)).sum())


def telling(fake: FakeServer, model: ChatModel, messages: Any, *, causal: bool, noise: float = 0.0) -> None:
    """Let the server tell the twenty likeliest first tokens that the model has with one of the two masks."""
    values, ids = first_token(model, messages, causal).topk(20)
    values = values.numpy() + np.random.default_rng(0).normal(0, noise, 20)
    tokens = [model.processor.tokenizer.decode([i]) for i in ids.tolist()]
    top = [
        {"token": t, "logprob": float(min(0, v)), "bytes": list(t.encode())}
        for t, v in zip(tokens, values, strict=True)
    ]
    choice = {"index": 0, "message": {"content": tokens[0]}, "finish_reason": "length"}
    choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    fake.fault = lambda handler, number: handler.send(200, {"choices": [choice]}) or True


def test_the_attention_of_a_server_is_told_by_the_first_token(standin: ChatModel, fake: FakeServer) -> None:
    asked = [case.messages for case in generate("effusion", 12, HELD_OUT + 3)]
    messages = max(asked, key=lambda one: divergence(standin, one))  # where the mask matters most
    telling(fake, standin, messages, causal=False, noise=1e-4)
    found = check_image_attention(asking(fake), standin, messages)
    assert found.from_whole < 1e-3 < found.from_causal and found.tokens >= 2
    telling(fake, standin, messages, causal=True, noise=1e-4)
    with pytest.raises(InputError, match=r"see only earlier tokens.*Update vLLM"):
        check_image_attention(asking(fake), standin, messages)
    telling(fake, standin, messages, causal=False, noise=2.0)
    with pytest.raises(InputError, match="has no clear result"):
        check_image_attention(asking(fake), standin, messages)
    fake.fault = lambda handler, number: False  # an answer without log-probabilities
    with pytest.raises(InputError, match="sends no log-probabilities"):
        check_image_attention(asking(fake), standin, messages)
