"""Pack questions after one prefix into one row, so that no padding is computed and the prefix is stored once.

Each token has an owner, its question, and a position. It sees the prefix and its owner's tokens up to its own
position; in layers with a sliding window, only the tokens within the window. The place of a token in the row has
no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from helpers.models.attention import SharedKeys
from helpers.models.kept_keys import KeptKeys

AT_ONCE = 512  # tokens of questions that are read together; this is the number of rows of their mask


class PackedQuestions:
    """A batch of questions that go on from the prefix whose keys and values are kept.

    Args:
        language_model: Gemma 3's language model, whose attention is in `helpers.models.attention`.
        head: the layer that turns hidden states into logits.
        kept: keys and values of the prefix, with room for all tokens of the batch, also for those to come.
        prefix: the number of tokens of the prefix.
    """

    def __init__(self, language_model: Any, head: Any, kept: KeptKeys, prefix: int) -> None:
        self._model, self._head, self._kept, self._prefix = language_model, head, kept, prefix
        self._window, self._device = language_model.config.sliding_window, head.weight.device
        # Owner and position of each token behind the prefix, then the questions that go on and the positions of
        # their newest tokens.
        self._owner, self._position = torch.full((2, kept.room), -1, device=self._device)
        self._going = self._newest = torch.empty(0, dtype=torch.long, device=self._device)
        self._used = 0

    def read(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits after each row of token ids: (rows, vocabulary)."""
        ids, owners, places = (self.to_device(numbers) for numbers in zip(*_flat(rows), strict=True))
        ends = torch.tensor([len(row) for row in rows]).cumsum(0) - 1
        hidden = []
        for start in range(0, len(ids), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            states = self._forward(ids[part], owners[part], self._prefix + places[part])
            here = ends[(ends >= start) & (ends < start + AT_ONCE)] - start
            hidden.append(states[self.to_device(here.tolist())])
        self._going = self.to_device(range(len(rows)))
        self._newest = self.to_device([self._prefix + len(row) - 1 for row in rows])
        return self._head(torch.cat(hidden))

    def read_once(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """The same logits as from `read`, but words with which several rows begin are read once.

        After it, `go_on` can no longer be used.
        """
        ids, depths, ends, above = _tree(rows)
        ids, depths, above = self.to_device(ids), self.to_device(depths), above.to(self._device)
        positions, hidden = self._prefix + depths, []
        for start in range(0, len(ids), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            read = min(start + AT_ONCE, len(ids))
            hidden.append(self._attend(ids[part], positions[part], above[part, :read], positions[:read]))
        return self._head(torch.cat(hidden)[self.to_device(ends)])

    def go_on(self, chosen: torch.Tensor, keep: Sequence[int] | None = None) -> torch.Tensor:
        """Logits after one more token of each row: (rows, vocabulary).

        Args:
            chosen: the token that each row of the last logits got, on the device.
            keep: the numbers of the rows that go on, if not all do. Only these rows are computed from here on.
        """
        if keep is not None:
            index = self.to_device(keep)
            chosen, self._going, self._newest = chosen[index], self._going[index], self._newest[index]
        self._newest = self._newest + 1
        return self._head(self._forward(chosen, self._going, self._newest))

    def fixed(self, chosen: torch.Tensor, rows: torch.Tensor, steps: int) -> FixedStep:
        """The next ``steps`` steps as one step with fixed shapes. After it, `go_on` can no longer be used.

        Args:
            chosen: the new token of each row that goes on, on the device.
            rows: the numbers of these rows among those of the last step, also on the device.
            steps: the number of tokens to come in each row.
        """
        self._going, self._newest = self._going[rows], self._newest[rows]
        return FixedStep(self, chosen, steps)

    def _forward(self, ids: torch.Tensor, owners: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Hidden states of the newest tokens, (tokens, numbers)."""
        start, self._used = self._used, self._used + len(ids)
        self._owner[start : self._used], self._position[start : self._used] = owners, positions
        return self._look_back(ids, owners, positions, self._used)

    def _look_back(
        self, ids: torch.Tensor, owners: torch.Tensor, positions: torch.Tensor, places: int
    ) -> torch.Tensor:
        """Hidden states of tokens that stand in the first ``places`` places behind the prefix."""
        behind = self._position[:places]
        own = (self._owner[:places] == owners[:, None]) & (behind <= positions[:, None])
        return self._attend(ids, positions, own, behind)

    def _attend(
        self, ids: torch.Tensor, positions: torch.Tensor, own: torch.Tensor, behind: torch.Tensor
    ) -> torch.Tensor:
        """Hidden states of tokens that see the prefix, and of the places behind it those that are their ``own``.

        ``behind`` holds the positions of these places.
        """
        places = len(behind)
        back = positions[:, None] - self._window  # the newest position that a sliding layer no longer sees
        masks = {}
        for kind, layer in zip(self._model.config.layer_types, self._kept.layers, strict=True):
            if kind in masks:
                continue
            first, end = self._prefix - layer.prefix, layer.prefix + places
            seen = torch.zeros(len(ids), layer.length_with(places), dtype=torch.bool, device=self._device)
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

    def to_device(self, numbers: Sequence[int]) -> torch.Tensor:
        """Copy whole numbers to the device without waiting for its current work."""
        return torch.tensor(list(numbers), dtype=torch.long).to(self._device, non_blocking=True)


class FixedStep:
    """A step that writes one token of each row, with fixed shapes, so that it can be recorded and run again.

    From step to step, only the numbers in tensors change, and the tensors stay at their places in memory. These
    are the tensors of this step, and the keys, values, owners and positions of the packed row. A row that has
    ended is still computed. No other row sees its tokens, and there is room for them.
    """

    def __init__(self, packed: PackedQuestions, chosen: torch.Tensor, steps: int) -> None:
        self._packed, self.left = packed, steps - 1  # the number of steps after this one
        self.ids, self.owners, self.positions = chosen.clone(), packed._going, packed._newest + 1
        self.slots = packed._used + torch.arange(len(chosen), device=chosen.device)
        self._places = min(packed._used + len(chosen) * steps, packed._kept.room)
        packed._kept.write_at(self.slots, self._places)
        packed._newest, packed._used = self.positions, packed._used + len(chosen)

    def __call__(self) -> torch.Tensor:
        """Logits after the tokens ``ids``: (rows, vocabulary)."""
        packed = self._packed
        packed._owner.index_copy_(0, self.slots, self.owners)
        packed._position.index_copy_(0, self.slots, self.positions)
        return packed._head(packed._look_back(self.ids, self.owners, self.positions, self._places))

    def advance(self, chosen: torch.Tensor, rows: torch.Tensor) -> None:
        """Go to the next step, with the token ``chosen`` for each of the numbered ``rows``."""
        self.ids.index_copy_(0, rows, chosen)
        self.positions += 1
        self.slots += len(self.ids)
        self._packed._used += len(self.ids)
        self.left -= 1


def _flat(rows: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """The ids of all tokens, the row of each, and its place in the row."""
    return [(token, k, place) for k, row in enumerate(rows) for place, token in enumerate(row)]


def _tree(rows: Sequence[Sequence[int]]) -> tuple[list[int], list[int], list[int], torch.Tensor]:
    """The rows as a tree, in which rows that begin alike share tokens.

    Returns the id and the depth of each token, the number of each row's last token, and a matrix of bools that
    tells which tokens lie above each one, itself included.
    """
    numbers: dict[tuple[int, int], int] = {}  # by the number of the token above, and the id
    ends = []
    for row in rows:
        last = -1
        for token in row:
            last = numbers.setdefault((last, token), len(numbers))
        ends.append(last)
    depths, above = [], np.zeros((len(numbers), len(numbers)), bool)
    for k, (parent, _) in enumerate(numbers):
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
        if parent >= 0:
            above[k] = above[parent]
        above[k, k] = True
    return [token for _, token in numbers], depths, ends, torch.from_numpy(above)
