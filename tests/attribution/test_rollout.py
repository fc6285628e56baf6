"""Attention roll-out: by hand, and the last row of the product of all layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st

from helpers.attribution import attention_rollout, roll_out
from helpers.errors import InputError
from helpers.prompts import image_messages, volume_messages
from tests.models.test_exchanging import pictures


def test_two_tokens_by_hand():
    # One layer: the last token is half itself, and half 0.6 of the first and 0.4 of itself.
    layer = torch.tensor([[1.0, 0.0], [0.6, 0.4]])
    assert roll_out(layer[None]).tolist() == pytest.approx([0.3, 0.7])
    # Two: 0.7 of the last, each time; 1 - 0.7 * 0.7 has gone to the first.
    assert roll_out(torch.stack([layer, layer])).tolist() == pytest.approx([0.51, 0.49])


@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 99))
def test_it_is_the_last_row_of_the_product(layers, tokens, seed):
    weights = torch.rand(layers, tokens, tokens, generator=torch.Generator().manual_seed(seed)).tril() + 1e-3
    weights = weights / weights.sum(-1, keepdim=True)
    product = torch.eye(tokens)
    for layer in weights:  # the first layer acts first
        product = (0.5 * layer + 0.5 * torch.eye(tokens)) @ product
    torch.testing.assert_close(roll_out(weights), product[-1], rtol=1e-4, atol=1e-6)
    assert float(roll_out(weights).sum()) == pytest.approx(1, abs=1e-5)


def test_each_image_has_a_share(standin):
    shares = attention_rollout(standin, volume_messages(pictures(4), "Is there blood?"))
    assert shares.shape == (4,)
    assert (shares > 0).all() and shares.sum() < 1


def test_a_prompt_without_images_is_refused(standin):
    with pytest.raises(InputError, match="no image"):
        attention_rollout(standin, image_messages([], "What?"))
