"""Keys and values: the prefix is there once and stays where it is, and what follows is written in place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings, strategies as st

from helpers.models.kept_keys import KeptKeys, KeptLayer, kept_bytes

TEXT = SimpleNamespace(
    layer_types=["sliding_attention", "full_attention"], sliding_window=10, num_key_value_heads=2, head_dim=4
)


def numbers(tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 2, tokens, 4, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(
    prefix=st.integers(1, 40),
    window=st.one_of(st.none(), st.integers(1, 50)),
    pieces=st.lists(st.integers(1, 5), min_size=1, max_size=6),
)
def test_a_layer_holds_what_was_given_to_it(prefix: int, window: int | None, pieces: list[int]) -> None:
    layer, first = KeptLayer(window), numbers(prefix)
    given_back = layer.update(first, -first)
    assert given_back[0] is first  # the prefix itself is attended to as it is
    seen = first if window is None else first[:, :, prefix - min(prefix, window - 1) :]
    layer.resize(sum(pieces))
    for k, tokens in enumerate(pieces):
        new = numbers(tokens, seed=k + 1)
        place = layer.keys.data_ptr()
        keys, values = layer.update(new, -new)
        seen = torch.cat([seen, new], dim=2)
        assert keys.data_ptr() == place == layer.keys.data_ptr()  # a view of what is held
        assert torch.equal(keys[:, :, : seen.shape[2]], seen)
        assert torch.equal(values, -keys) and keys.isfinite().all() and keys.shape[2] % 8 == 0
    assert layer.get_seq_length() == prefix + sum(pieces)
    layer.resize(sum(pieces))
    assert layer.get_seq_length() == prefix


def test_room_is_made_once_and_given_back_where_asked() -> None:
    kept = KeptKeys(TEXT)
    for k in range(2):
        kept.update(numbers(33), numbers(33), k)
    kept.make_room(20)
    places = [layer.keys.data_ptr() for layer in kept.layers]
    for tokens in (20, 5, 0):  # smaller batches write into the same room
        kept.make_room(tokens)
        assert [layer.keys.data_ptr() for layer in kept.layers] == places
        assert kept.nbytes == kept_bytes(TEXT, 4, 33, room=20)
    kept.make_room(5, exactly=True)
    assert kept.nbytes == kept_bytes(TEXT, 4, 33, room=5) < kept_bytes(TEXT, 4, 33, room=20)
    for layer in kept.layers:
        assert torch.equal(layer.keys[:, :, : layer.prefix], numbers(33)[:, :, 33 - layer.prefix :])


@pytest.mark.parametrize(("prefix", "room", "tokens"), [(33, 0, 16 + 40), (33, 20, 32 + 56), (4, 1, 8 + 8)])
def test_bytes_are_those_of_the_window_and_the_whole(prefix: int, room: int, tokens: int) -> None:
    # Each token takes keys and values of 2 heads of 4 numbers of 2 bytes; lengths go up to multiples of 8.
    assert kept_bytes(TEXT, 2, prefix, room) == 32 * tokens
