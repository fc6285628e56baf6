"""The weights of attention: rows that add up, by hand for one layer, and a model that answers on as before."""

from __future__ import annotations

import pytest
import torch

from helpers.errors import InputError
from helpers.models import attention_weights, eager
from helpers.prompts import volume_messages
from tests.models.test_exchanging import pictures


def test_rows_add_up_and_show_what_a_token_may_look_at(standin):
    messages = volume_messages(pictures(3), "Is there blood?")
    before = standin.generate(messages, max_new_tokens=4).text
    weights = attention_weights(standin, messages, [40, 41])
    ids = standin.inputs(messages)["input_ids"][0]
    n = len(ids) + 2
    assert weights.shape == (standin.model.config.get_text_config().num_hidden_layers, n, n)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:2]), rtol=0, atol=1e-5)
    (at,) = (ids == standin.model.config.image_token_id).nonzero(as_tuple=True)
    assert weights[:, at[0], at[1]].min() > 0, "tokens of one image see each other in both directions"
    words = torch.tensor([k for k in range(n) if k not in set(at.tolist())])
    after = torch.ones(n, n).triu(1)[words]
    assert (weights[:, words] * after).sum() == 0, "words see what stands before them"
    assert standin.generate(messages, max_new_tokens=4).text == before


def test_a_prompt_that_is_too_long_is_refused_with_how_much_fits(standin, monkeypatch):
    monkeypatch.setattr(eager, "free_bytes", lambda device: 1e5)
    with pytest.raises(InputError, match=r"at most \d+ images, or use occlusion"):
        attention_weights(standin, volume_messages(pictures(3), "Is there blood?"))
