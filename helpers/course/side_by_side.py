"""Run several notebooks at a time: begin them in order, while memory allows, and leave no process behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import psutil

from helpers.course.watch import Watch

NEED = 3e9  # bytes that a notebook may need; with the stand-in, the largest takes 2.5e9
_EVERY = 0.2  # seconds between two checks of the running notebooks
_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def side_by_side(run: Callable[[Watch], None], notebooks: Sequence[Watch], jobs: int) -> Iterator[Watch]:
    """Call ``run`` for each notebook, ``jobs`` at a time in separate threads; yield each notebook when it ends.

    They begin in order. Another one begins beside those that run only while there is memory for it (`NEED`), so on
    a small machine they run one by one. If this ends early (by an interrupt, or by an error of ``run``), the
    kernels that still run are killed with all their children.
    """
    waiting, going = deque(notebooks), dict[Future, Watch]()
    with _kills_raise(), ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or going:
                while waiting and len(going) < jobs and (not going or _is_room(going.values())):
                    watch = waiting.popleft()
                    _say(None if sys.stdout.isatty() else watch.begins())
                    going[pool.submit(run, watch)] = watch
                done, _ = wait(going, _EVERY, FIRST_COMPLETED)
                for watch in going.values():
                    watch.look()
                if sys.stdout.isatty():
                    _show([watch.now() for watch in going.values()])
                for future in [one for one in going if one in done]:
                    watch = going.pop(future)
                    future.result()
                    _say(watch.ending)
                    yield watch
        finally:
            while going:  # a kernel that is about to start has no process to kill yet
                for watch in going.values():
                    watch.kill()
                for future in wait(going, _EVERY).done:
                    _say(going.pop(future).ending)


def threads_for_each(jobs: int) -> int | None:
    """The number of threads for a kernel beside this many others; None leaves it to the libraries."""
    if jobs == 1 or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, (os.cpu_count() or 1) // jobs)


def _is_room(running: Iterable[Watch]) -> bool:
    """Whether memory is left for one more notebook, after all running notebooks have taken what they may need."""
    yet_to_take = sum(max(0, NEED - watch.bytes) for watch in running)
    return psutil.virtual_memory().available - yet_to_take >= NEED


@contextmanager
def _kills_raise() -> Iterator[None]:
    """Turn a signal to end into `SystemExit`, as an interrupt becomes `KeyboardInterrupt`."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    ours = threading.current_thread() is threading.main_thread()  # only this thread receives signals
    # Without those that nohup ignores.
    mine = [number for number in _ENDINGS if ours and signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _show(parts: Sequence[str]) -> None:
    """Write the running notebooks on one line, which is overwritten each time.

    A wrapped line cannot be overwritten.
    """
    columns = shutil.get_terminal_size().columns - 1
    print(f"\r\x1b[K{' | '.join(parts)[:columns]}", end="", flush=True)


def _say(line: str | None) -> None:
    if line is not None:
        print(f"\r\x1b[K{line}" if sys.stdout.isatty() else line, flush=True)
