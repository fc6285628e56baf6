"""The stand-in's configuration with a language model of middle size, for benchmarks on random weights."""

from __future__ import annotations

import copy
from typing import Any


def mid_size_config(standin: Any, layers: int) -> Any:
    """A copy of it whose language model has ``layers`` layers of width 640, every sixth with full attention."""
    config = copy.deepcopy(standin)
    text = config.text_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 640, 3072, layers
    text.num_attention_heads, text.num_key_value_heads, text.head_dim, text.query_pre_attn_scalar = 8, 4, 80, 80
    text.layer_types = ["full_attention" if k % 6 == 5 else "sliding_attention" for k in range(layers)]
    return config
