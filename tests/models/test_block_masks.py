"""Blocks of what a prompt's tokens see: those that a mask of every pair shows, and no other."""

from __future__ import annotations

import torch
from hypothesis import given, settings, strategies as st

from helpers.models.block_masks import SIDE, block_mask


@settings(deadline=None, max_examples=25)
@given(
    tokens=st.integers(1, 1300), window=st.integers(1, 1200), period=st.integers(2, 400), seed=st.integers(0, 99)
)
def test_a_block_is_full_part_or_empty_as_its_pairs_are(tokens: int, window: int, period: int, seed: int) -> None:
    place = torch.arange(tokens)
    image = torch.where(place % period < period // 2, (place + seed) // period, -1)

    def sees(_: torch.Tensor, __: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        same = (image[query] == image[key]) & (image[query] >= 0)
        return ((key <= query) | same) & (key > query - window)

    zero = torch.zeros((), dtype=torch.long)
    pairs = sees(zero, zero, place[:, None], place)
    blocks = block_mask(sees, tokens, "cpu")
    n = -(-tokens // SIDE)
    expected = torch.zeros(n, n, dtype=torch.int)  # 2 is full, 1 part, 0 empty
    for row in range(n):
        for column in range(n):
            part = pairs[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            expected[row, column] = 2 if part.shape == (SIDE, SIDE) and part.all() else int(part.any())
    found = torch.zeros(n, n, dtype=torch.int)
    listed = (
        (1, blocks.kv_num_blocks, blocks.kv_indices),
        (2, blocks.full_kv_num_blocks, blocks.full_kv_indices),
    )
    for value, numbers, columns in listed:
        for row in range(n):
            found[row, columns[0, 0, row, : numbers[0, 0, row]].long()] = value
    assert torch.equal(found, expected)
    assert blocks.seq_lengths == (tokens, tokens)
