"""``map`` over processes of this machine. Results come in any order, and it goes on if a process dies."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any

from helpers.errors import InputError


@dataclass(frozen=True)
class Killed:
    """The result for an ``item`` whose process died twice."""

    item: Any


def in_processes(workers: int) -> Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]:
    """A function like ``map`` that works in this many processes and yields results as they come.

    At most two items for each process are taken ahead. When a process dies (a decoder crashes on a damaged file,
    or memory runs out), the items in work are tried again, one at a time. An item that kills its process again
    gives `Killed`. An exception of the function is raised. Function and items must be picklable.

    Raises `InputError` for fewer than one worker.
    """
    if workers < 1:
        raise InputError(
            f"The number of workers is {workers}, which is less than 1.", remedy="Use 1 worker or more."
        )

    def mapped(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        items, pool = iter(items), _pool(workers)
        waiting: dict[Future, Any] = {}
        try:
            while True:
                for item in itertools.islice(items, 2 * workers - len(waiting)):
                    waiting[_submitted(pool, function, item)] = item
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    pool.shutdown()
                    lost = list(waiting.values())
                    waiting.clear()
                    for item in lost:
                        yield _alone(function, item)
                    pool = _pool(workers)
                for future in done & waiting.keys():
                    del waiting[future]
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    return mapped


def _submitted(pool: ProcessPoolExecutor, function: Callable[[Any], Any], item: Any) -> Future:
    try:
        return pool.submit(function, item)
    except BrokenProcessPool as error:  # a process died since the last result
        future: Future = Future()
        future.set_exception(error)
        return future


def _alone(function: Callable[[Any], Any], item: Any) -> Any:
    with _pool(1) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool:
            return Killed(item)


def _pool(workers: int) -> ProcessPoolExecutor:
    # A forked process would inherit the locks of threads that do not exist in it.
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_follow_parent)


def _follow_parent() -> None:
    """End this process when its parent ends. Otherwise it would wait for work for ever.

    Only the parent handles an interrupt.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
