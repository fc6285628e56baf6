"""Blocks of slices, what is asked about again, and how often even steps miss a finding."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from helpers.coarse_to_fine import missed_share, slice_blocks, slices_around
from helpers.errors import InputError
from helpers.volumes import select_slices


@given(st.integers(5, 700), st.integers(5, 90))
def test_each_slice_is_in_one_block_of_at_least_five(n, size):
    blocks = slice_blocks(n, size)
    assert [k for block in blocks for k in block] == list(range(n))
    lengths = [len(block) for block in blocks]
    assert min(lengths) >= 5 and max(lengths) - min(lengths) <= 1
    assert max(lengths) <= size or len(blocks) == n // 5  # one block more would leave fewer than five in one


def test_blocks_by_hand():
    assert slice_blocks(12, 8) == [range(0, 6), range(6, 12)]
    assert slice_blocks(9, 8) == [range(0, 9)]
    assert slice_blocks(108, 8)[-1] == range(100, 108) and len(slice_blocks(108, 8)) == 14


@pytest.mark.parametrize(("n", "size"), [(4, 8), (20, 4), (20, 0), (20, 8.0), (20, True)])
def test_blocks_that_are_no_volume_are_refused(n, size):
    with pytest.raises(InputError, match="slices"):
        slice_blocks(n, size)


def test_the_best_blocks_are_asked_again_with_what_is_around_them():
    blocks = slice_blocks(40, 8)
    assert slices_around(blocks, [0, 0, 1, 0, 0], 12) == list(range(14, 26))
    assert slices_around(blocks, [0, 0, 0, 0, 1], 12) == list(range(28, 40)), "less room at the end, more before"
    assert slices_around(blocks, [1, 0, 0, 0, 1], 20, best=2) == [*range(10), *range(30, 40)]
    assert slices_around(blocks, [0.5] * 5, 8) == list(range(8)), "of equal ones the first"
    assert slices_around(blocks, [0, 1, 1, 0, 0], 24, best=2) == list(range(6, 26)), "what both want is there once"
    assert slices_around(blocks, [0, 0, 1, 0, 0], 85) == list(range(12, 28)), "not more than twice the block"
    assert slices_around(blocks, [0] * 5, 85, best=9) == list(range(40))


@given(st.data(), st.integers(5, 200), st.integers(5, 20), st.integers(1, 3))
def test_what_is_asked_again_holds_the_best_block_and_keeps_the_limit(data, n, size, best):
    blocks = slice_blocks(n, size)
    scores = data.draw(st.lists(st.floats(0, 1), min_size=len(blocks), max_size=len(blocks)))
    limit = data.draw(st.integers(best * max(map(len, blocks)), 300))
    again = slices_around(blocks, scores, limit, best)
    assert again == sorted(set(again)) and len(again) <= limit and set(again) <= set(range(n))
    assert set(blocks[scores.index(max(scores))]) <= set(again)


@pytest.mark.parametrize(
    ("scores", "limit", "best"), [([1, 0], 12, 1), ([0] * 5, 7, 1), ([0] * 5, 15, 2), ([0] * 5, 12, 0)]
)
def test_a_limit_without_room_is_refused(scores, limit, best):
    with pytest.raises(InputError):
        slices_around(slice_blocks(40, 8), scores, limit, best)


def test_the_missed_share_by_hand():
    # Slices 0, 5 and 10 of 11 are shown, with four hidden ones between each two.
    assert missed_share(11, 3, 1) == 8 / 11
    assert missed_share(11, 3, 4) == 2 / 8
    assert missed_share(11, 3, 5) == 0
    assert missed_share(11, 85, 1) == 0


@given(st.integers(5, 300), st.integers(2, 90), st.data())
def test_the_missed_share_is_what_trying_every_place_gives(n, limit, data):
    thickness = data.draw(st.integers(1, n))
    shown = set(select_slices(n, limit))
    places = [range(first, first + thickness) for first in range(n - thickness + 1)]
    assert missed_share(n, limit, thickness) == sum(not shown & set(p) for p in places) / len(places)


@pytest.mark.parametrize("thickness", [0, 12, 1.5])
def test_a_thickness_that_cannot_be_is_refused(thickness):
    with pytest.raises(InputError, match="finding"):
        missed_share(11, 3, thickness)
