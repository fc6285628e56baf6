"""``map`` over processes: all results, over the death of a process, and its exceptions."""

from __future__ import annotations

import os
import signal

import pytest

from helpers.errors import InputError
from helpers.parallel import Killed, in_processes


def square_or_die(number: int) -> int:
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == -1:
        raise InputError("A negative number.")
    return number * number


def test_a_process_that_dies_takes_nothing_else_with_it() -> None:
    results = list(in_processes(2)(square_or_die, range(10)))
    assert [r.item for r in results if isinstance(r, Killed)] == [7]
    assert sorted(r for r in results if isinstance(r, int)) == [k * k for k in range(10) if k != 7]
    with pytest.raises(InputError, match="negative"):
        list(in_processes(1)(square_or_die, [-1]))
    with pytest.raises(InputError, match="number of workers is 0"):
        in_processes(0)
