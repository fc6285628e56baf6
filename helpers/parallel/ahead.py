"""``map`` that prepares the next item in a thread while its caller works with this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item, Made = TypeVar("Item"), TypeVar("Made")


def one_ahead(function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yield ``function(item)`` of each item in order, while a thread already makes the next result.

    So files are read and pictures drawn while a model computes, which does not hold Python's lock. At most two
    results are in memory: the one that the caller works with, and the next. An exception of the function is raised
    in the turn of its item. A caller who stops waits until the thread has finished what it had begun.
    """
    made: Future[Made] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="one-ahead") as thread:
        for item in items:
            coming = thread.submit(function, item)
            if made is not None:
                yield made.result()
            made = coming
        if made is not None:
            yield made.result()
