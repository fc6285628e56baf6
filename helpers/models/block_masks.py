"""Describe which tokens each token of a prompt sees by blocks of 128 x 128 tokens, not by pairs of tokens.

With 22,420 tokens (85 slices), half of the blocks are empty, and 94 % in layers with a sliding window. A kernel
that knows the empty blocks leaves them out. Most other blocks are full, and need no mask either.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask

SIDE = 128  # tokens of a block, which torch's kernels take by default
_BAND = 8 * SIDE  # rows that are computed together, with a byte for each pair


def block_mask(sees: Callable[..., torch.Tensor], tokens: int, device: torch.device | str) -> BlockMask:
    """The blocks of a prompt of one row.

    Args:
        sees: a function that tells whether a query sees a key, from tensors that broadcast: batch, head, query,
            key.
        tokens: the number of tokens in the prompt.
        device: the device where the mask is made and used.
    """
    zero = torch.zeros((), dtype=torch.long, device=device)
    keys = torch.arange(tokens, device=device)
    blocks = -(-tokens // SIDE)
    some, every = [], []
    for start in range(0, tokens, _BAND):
        queries = torch.arange(start, min(start + _BAND, tokens), device=device)
        seen = sees(zero, zero, queries[:, None], keys).expand(len(queries), tokens)
        rows = -(-len(queries) // SIDE)
        # Places beyond the end are not seen, so a block over the edge never counts as full.
        padding = (0, blocks * SIDE - tokens, 0, rows * SIDE - len(queries))
        squares = torch.nn.functional.pad(seen, padding).view(rows, SIDE, blocks, SIDE)
        some.append(squares.any(3).any(1))
        every.append(squares.all(3).all(1))
    full = torch.cat(every)
    part = torch.cat(some) & ~full
    return BlockMask.from_kv_blocks(
        *_listed(part), *_listed(full), BLOCK_SIZE=SIDE, mask_mod=sees, seq_lengths=(tokens, tokens)
    )


def _listed(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The number of blocks in each row, (1, 1, rows), and their columns at the front, (1, 1, rows, columns)."""
    order = torch.argsort(blocks.int(), dim=-1, descending=True, stable=True)
    return blocks.sum(-1, dtype=torch.int32)[None, None], order.int()[None, None].contiguous()
