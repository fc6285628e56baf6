"""The next item is made while the caller works with this one, and never more than one."""

from __future__ import annotations

import threading

import pytest

from helpers.parallel import one_ahead


def test_results_come_in_order_and_one_is_made_ahead() -> None:
    begun = {item: threading.Event() for item in range(5)}

    def made(item: int) -> int:
        begun[item].set()
        return 10 * item

    for place, result in enumerate(one_ahead(made, range(5))):
        assert result == 10 * place
        if place < 4:
            assert begun[place + 1].wait(20)  # while this one is worked with
        assert not any(begun[item].is_set() for item in range(place + 2, 5))


def test_an_error_comes_in_its_turn() -> None:
    def made(item: int) -> int:
        if item == 1:
            raise ValueError("the second")
        return item

    results = one_ahead(made, range(3))
    assert next(results) == 0
    with pytest.raises(ValueError, match="the second"):
        next(results)


def test_nothing_is_begun_after_the_caller_stopped() -> None:
    begun: list[int] = []
    results = one_ahead(begun.append, range(10))
    next(results)
    results.close()
    assert begun == [0, 1]


def test_no_items_give_no_results() -> None:
    assert list(one_ahead(str, [])) == []
