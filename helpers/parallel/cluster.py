"""Connect to Ray, on this machine or on a cluster, and map a function over many sources with it.

``ray`` is imported only when a cluster is asked for. Ray's usage statistics and dashboard are switched off. A
cluster on this machine takes work only from a program that has the token of this process.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from helpers.errors import InputError

TRIES = 4  # tries of a piece of work whose worker dies; one that kills four workers would kill every worker
STARTS = 3  # tries to start a cluster
TIMED_OUT = "timed out during startup"  # in the error that Ray raises, which has no type of its own
Source, Made = TypeVar("Source"), TypeVar("Made")


@contextmanager
def ray_cluster(address: str | None = None, **local: Any) -> Iterator[Any]:
    """Give the module ``ray``, connected to a new cluster of this machine, or to one that is running.

    A new cluster ends with the block. If this process is already connected to a cluster, that one is used, and it
    stays.

    Args:
        address: the address of a running cluster, ``"auto"`` on one of its nodes, or ``"HOST:PORT"``; by default,
            a new cluster starts on this machine. `helpers` must be installed on every node.
        local: settings of a new cluster, as ``ray.init`` takes them, e.g. ``num_cpus``.

    Raises:
        InputError: Ray is not installed, the cluster does not exist, the address is one of Ray Client, or this
            machine is too busy to start a cluster (`STARTS` tries).
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reads it when a cluster starts
    if address is None:
        # Whoever reaches the ports of a cluster can run code on it. By default, Ray stores a token in the home
        # folder.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _ray()
    if address is not None and address.startswith("ray://"):
        raise InputError(
            "This program does not work through Ray Client (ray://).",
            path=address,
            remedy='Start the program on a node of the cluster (ray job submit), and give the address "auto".',
        )
    if ray.is_initialized():
        yield ray
        return
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address is None:
            _start(lambda: ray.init(address="local", include_dashboard=False, **quiet, **local), ray.shutdown)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"The Ray cluster cannot be reached ({error}).",
            path=address,
            remedy="Run `ray status` on a node of the cluster to see whether the cluster runs, and at which "
            "address.",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _start(start: Callable[[], Any], stop: Callable[[], Any]) -> None:
    """Start a cluster of this machine, and try again if it was not ready in time.

    Ray waits 30 seconds for its own processes, which is not enough on a machine that is busy with other work.
    """
    for tries_left in reversed(range(STARTS)):
        try:
            start()
            return
        except Exception as error:
            stop()
            if TIMED_OUT not in str(error):
                raise
            if not tries_left:
                raise InputError(
                    f"Ray did not start on this machine in {STARTS} tries ({error}).",
                    remedy="Close other programs that use the processor, or start fewer workers.",
                ) from None


def ray_map(
    address: str | None = None, workers: int | None = None, lost: Callable[[Source], Made] | None = None
) -> Callable[[Callable[[Source], Made], Iterable[Source]], Iterator[Made]]:
    """A ``map`` whose function runs on a cluster and whose results come in the order in which they are ready.

    At most ``workers`` sources are in work at a time, so memory stays bounded for any number of sources. A source
    whose worker dies is tried again, `TRIES` times in all. An error of the function itself is raised, as `map`
    raises it.

    Args:
        address: see `ray_cluster`.
        workers: how many sources are in work at once, one core each; by default, the number of cores.
        lost: gives the result for a source that killed each of its workers; by default, the error of Ray is
            raised.

    Raises:
        InputError: as `ray_cluster` raises it, when the first result is asked for; immediately for fewer than one
            worker.
    """
    if workers is not None and workers < 1:
        raise InputError(
            f"The number of workers is {workers}, which is less than 1.", remedy="Give 1 worker or more."
        )

    def mapped(function: Callable[[Source], Made], sources: Iterable[Source]) -> Iterator[Made]:
        with ray_cluster(address) as ray:
            at_once = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            task = ray.remote(num_cpus=1, max_retries=TRIES - 1)(function)
            waiting = iter(sources)
            going = {task.remote(source): source for source in itertools.islice(waiting, at_once)}
            try:
                while going:
                    (done, *_), _ = ray.wait(list(going), num_returns=1)
                    source = going.pop(done)
                    going |= {task.remote(another): another for another in itertools.islice(waiting, 1)}
                    yield _result(ray, done, source, lost)
            finally:  # the caller did not want all results, or one failed
                for one in going:
                    ray.cancel(one)

    return mapped


def _result(ray: Any, done: Any, source: Source, lost: Callable[[Source], Made] | None) -> Made:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None  # the function's own error
    except ray.exceptions.RayError:
        if lost is None:
            raise
        return lost(source)


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            f"Ray is not installed ({error}).", remedy="Run: pip install 'medgemma-tutorials[ray]'"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # its errors are raised here, or counted as lost work
    return ray
