"""Keep keys and values once for many questions, with room behind them into which each batch writes."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

ALIGNED = 8  # CUDA's kernels read masks in groups of this size; places after the end are never seen


class KeptLayer(CacheLayerMixin):
    """The keys and values of one layer: first those of the prefix, then those of a batch.

    The first update brings the prefix. Attention gets it unchanged, and the layer keeps a copy of all of it, or of
    the part that ``window`` lets later tokens see. Each later update is written behind the earlier ones, and
    attention gets a view of everything so far, up to a multiple of `ALIGNED`. Once there are ``slots``, an update
    is written into these places, and attention always gets the same number of places. So no shape depends on how
    much is written.
    """

    slots: torch.Tensor | None = None  # places behind the prefix, one for each token of an update
    shown = 0  # the number of keys and values that attention gets with slots

    def __init__(self, window: int | None = None) -> None:
        super().__init__()
        self.window, self.is_sliding = window, window is not None
        self.prefix = self.used = 0  # tokens of the prefix, and of all
        self._read = 0  # tokens of the prefix, with those that were dropped

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Keep the prefix, without room."""
        self._read = key_states.shape[-2]
        self.prefix = self.used = self._read if self.window is None else min(self._read, self.window - 1)
        first = self._read - self.prefix
        self.keys, self.values = (
            states[:, :, first:].clone(memory_format=torch.contiguous_format)
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep the newest keys and values, (1, heads, tokens, numbers), and return all that attention looks at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            return key_states, value_states
        if self.slots is not None:
            places = self.prefix + self.slots
            self.keys.index_copy_(2, places, key_states)
            self.values.index_copy_(2, places, value_states)
            return self.keys[:, :, : self.shown], self.values[:, :, : self.shown]
        start, self.used = self.used, self.used + key_states.shape[-2]
        self.keys[:, :, start : self.used] = key_states
        self.values[:, :, start : self.used] = value_states
        end = self.length_with(self.used - self.prefix)
        return self.keys[:, :, :end], self.values[:, :, :end]

    def length_with(self, tokens: int) -> int:
        """The length of the view for attention with this many tokens behind the prefix."""
        return aligned(self.prefix + tokens)

    def resize(self, room: int) -> None:
        """Make room for exactly this many tokens behind the prefix. The tokens of the last batch are dropped."""
        self.used, self.slots = self.prefix, None
        size = aligned(self.prefix + room)
        if size == self.keys.shape[-2]:
            return
        for name in ("keys", "values"):  # one after the other, so that only one is in memory twice
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], size, old.shape[3])  # unwritten places must not be NaN
            new[:, :, : self.prefix] = old[:, :, : self.prefix]
            setattr(self, name, new)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The number of keys and the first of them, for the prefix's own masks, which transformers makes."""
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens read so far."""
        return self._read + self.used - self.prefix

    def get_max_length(self) -> int:
        """-1, because this cache sets no limit."""
        return -1


class KeptKeys(Cache):
    """The keys and values of all layers of a Gemma 3 language model, for a batch of one row."""

    def __init__(self, text_config: Any) -> None:
        kinds = text_config.layer_types
        super().__init__(
            layers=[
                KeptLayer(text_config.sliding_window if kind == "sliding_attention" else None) for kind in kinds
            ]
        )
        self.room = 0  # tokens behind the prefix

    def make_room(self, tokens: int, *, exactly: bool = False) -> None:
        """Drop a batch, and make room for the next. Larger room from earlier stays, unless ``exactly`` is true."""
        room = tokens if exactly else max(tokens, self.room)
        for layer in self.layers:
            layer.resize(room)
        self.room = room

    def write_at(self, slots: torch.Tensor, places: int) -> None:
        """Until the next batch, write into ``slots``, and show ``places`` places behind the prefix."""
        for layer in self.layers:
            layer.slots, layer.shown = slots, layer.length_with(places)

    @property
    def nbytes(self) -> int:
        """The bytes of all keys and values, with the room behind them."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.layers if layer.is_initialized)


def kept_bytes(text_config: Any, width: int, prefix: int, room: int = 0) -> int:
    """What `KeptKeys` take for a prefix and the room behind it, with numbers of ``width`` bytes."""
    each = 2 * text_config.num_key_value_heads * text_config.head_dim * width
    full = text_config.layer_types.count("full_attention")
    sliding = len(text_config.layer_types) - full
    near = min(prefix, text_config.sliding_window - 1)
    return each * (full * aligned(prefix + room) + sliding * aligned(near + room))


def aligned(tokens: int) -> int:
    """The next multiple of `ALIGNED`."""
    return -(-tokens // ALIGNED) * ALIGNED
