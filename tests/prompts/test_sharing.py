"""The laws of sharing: all places used, nobody without, nobody with more than it has, the order kept."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from helpers.errors import InputError
from helpers.prompts import shares

SIZES = st.lists(st.integers(1, 20_000) | st.integers(1, 40), min_size=1, max_size=20)
LIMITS = st.integers(20, 126)


@given(SIZES, LIMITS)
def test_all_places_are_shared_and_nobody_is_left_out(sizes: list[int], limit: int) -> None:
    places = shares(sizes, limit)
    assert sum(places) == min(limit, sum(sizes))
    assert all(1 <= got <= size for got, size in zip(places, sizes, strict=True))


@given(SIZES, LIMITS)
def test_places_are_in_proportion(sizes: list[int], limit: int) -> None:
    """No place could go to another input that has a better claim to it (the law that defines the method)."""
    places = shares(sizes, limit)
    claims = [size / (2 * got + 1) for size, got in zip(sizes, places, strict=True) if got < size]
    served = [size / (2 * got - 1) for size, got in zip(sizes, places, strict=True) if got > 1]
    assert max(claims, default=0) <= min(served, default=float("inf"))


@given(SIZES, LIMITS)
def test_a_higher_limit_takes_nothing_from_anybody(sizes: list[int], limit: int) -> None:
    fewer, more = shares(sizes, limit), shares(sizes, limit + 1)
    assert all(a <= b for a, b in zip(fewer, more, strict=True))


@given(st.data(), SIZES, LIMITS)
def test_shares_go_with_the_inputs_in_whatever_order(data: st.DataObject, sizes: list[int], limit: int) -> None:
    order = data.draw(st.permutations(range(len(sizes))))
    before, after = shares(sizes, limit), shares([sizes[k] for k in order], limit)
    # Of two with the same claim to the last place the first gets it: one place more or less.
    assert all(abs(before[k] - got) <= 1 for k, got in zip(order, after, strict=True))


@given(st.lists(st.integers(1, 600), min_size=1, max_size=20), st.integers(40, 126))
def test_each_may_be_given_more_than_one_to_begin_with(sizes: list[int], limit: int) -> None:
    places = shares(sizes, limit, least=2)
    assert sum(places) == min(limit, sum(sizes))
    assert all(min(2, size) <= got <= size for got, size in zip(places, sizes, strict=True))


def test_known_shares() -> None:
    assert shares([1000], 126) == [126]
    assert shares([10, 20, 30], 126) == [10, 20, 30]
    assert shares([100, 100], 85) == [43, 42]  # the first of two equal ones
    assert shares([300, 100, 1], 126) == [94, 31, 1]
    assert shares([10**6, 1, 1], 5) == [3, 1, 1]


def test_more_inputs_than_places_is_an_error() -> None:
    with pytest.raises(InputError, match=r"126 images cannot be shared among 127 slides.*at most 126 slides"):
        shares([5] * 127, 126, what="slides")
    for sizes in ([], [3, 0]):
        with pytest.raises(InputError, match="empty"):
            shares(sizes, 126)
