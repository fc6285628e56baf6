"""Questions after one prefix, packed in one row: none is computed beside gaps, and the prefix is there once.

Each token has an owner, its question, and a position. It sees the prefix and its owner's tokens up to its own
position; in layers with a sliding window, those of so many positions back. Where a token stands in the row says
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from helpers.models.attention import SharedKeys
from helpers.models.kept_keys import KeptKeys

AT_ONCE = 512  # tokens of questions that are read together: their mask has so many rows


class PackedQuestions:
    """A batch of questions that go on from the prefix whose keys and values are kept.

    Args:
        language_model: Gemma 3's, which attends by `helpers.models.attention`.
        head: hidden states to logits.
        kept: keys and values of the prefix, with room for all tokens of the batch, those to come included.
        prefix: tokens of the prefix.
    """

    def __init__(self, language_model: Any, head: Any, kept: KeptKeys, prefix: int) -> None:
        self._model, self._head, self._kept, self._prefix = language_model, head, kept, prefix
        self._window, self._device = language_model.config.sliding_window, head.weight.device
        # Of each token behind the prefix; and who goes on, with the position of each one's newest token.
        self._owner, self._position = torch.full((2, kept.room), -1, device=self._device)
        self._going = self._newest = torch.empty(0, dtype=torch.long, device=self._device)
        self._used = 0

    def read(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits after each row of token ids: (rows, vocabulary)."""
        ids, owners, places = (self._to_device(list(numbers)) for numbers in zip(*_flat(rows), strict=True))
        ends = torch.tensor([len(row) for row in rows]).cumsum(0) - 1
        hidden = []
        for start in range(0, len(ids), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            states = self._forward(ids[part], owners[part], self._prefix + places[part])
            here = ends[(ends >= start) & (ends < start + AT_ONCE)] - start
            hidden.append(states[self._to_device(here.tolist())])
        self._going = self._to_device(list(range(len(rows))))
        self._newest = self._to_device([self._prefix + len(row) - 1 for row in rows])
        return self._head(torch.cat(hidden))

    def go_on(self, chosen: torch.Tensor, keep: Sequence[int] | None = None) -> torch.Tensor:
        """Logits after one more token of each row: (rows, vocabulary).

        Args:
            chosen: the token that each row of the last logits got, on the device.
            keep: numbers of the rows that go on, where not all do; only they are computed from here on.
        """
        if keep is not None:
            index = self._to_device(list(keep))
            chosen, self._going, self._newest = chosen[index], self._going[index], self._newest[index]
        self._newest = self._newest + 1
        return self._head(self._forward(chosen, self._going, self._newest))

    def _forward(self, ids: torch.Tensor, owners: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Hidden states of the newest tokens, (tokens, numbers)."""
        start, self._used = self._used, self._used + len(ids)
        self._owner[start : self._used], self._position[start : self._used] = owners, positions
        behind = self._position[: self._used]
        own = (self._owner[: self._used] == owners[:, None]) & (behind <= positions[:, None])
        back = positions[:, None] - self._window  # the newest position that a sliding layer no longer sees
        masks = {}
        for kind, layer in zip(self._model.config.layer_types, self._kept.layers, strict=True):
            if kind in masks:
                continue
            first, end = self._prefix - layer.prefix, layer.prefix + self._used
            seen = torch.zeros(len(ids), layer.length_with(self._used), dtype=torch.bool, device=self._device)
            seen[:, : layer.prefix], seen[:, layer.prefix : end] = True, own
            if layer.is_sliding:
                seen[:, : layer.prefix] = torch.arange(first, self._prefix, device=self._device) > back
                seen[:, layer.prefix : end] &= behind > back
            masks[kind] = SharedKeys(seen)
        out = self._model(
            input_ids=ids[None],
            attention_mask=masks,
            position_ids=positions[None],
            past_key_values=self._kept,
            use_cache=True,
        )
        return out.last_hidden_state[0]

    def _to_device(self, numbers: list[int]) -> torch.Tensor:
        # Without waiting for the device: what it is busy with does not concern these numbers.
        return torch.tensor(numbers, dtype=torch.long).to(self._device, non_blocking=True)


def _flat(rows: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Each token with its row and its place in it."""
    return [(token, k, place) for k, row in enumerate(rows) for place, token in enumerate(row)]
