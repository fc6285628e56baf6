"""Many series to Parquet shards of prompt-ready images, in one process, in several, and on Ray."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.storage import whole_folder
from tests.benchmarks.measure import BUILD


def make_studies(series: Path, n: int) -> Path:
    """Copy a series ``n`` times, unless they are there; the folder of the copies."""
    folder = BUILD / f"{n}-series"
    if not folder.exists():
        with whole_folder(folder) as partial:
            for k in range(n):
                shutil.copytree(series, partial / f"series-{k}")
    return folder


def one_process(folder: str) -> Callable[[], str]:
    """One series after the other."""
    return lambda: _prepared(folder, map)


def processes(folder: str, workers: int) -> Callable[[], str]:
    """Processes of this machine."""

    def work() -> str:
        from helpers.parallel import in_processes

        return _prepared(folder, in_processes(workers))

    return work


def on_ray(folder: str, workers: int) -> Callable[[], str]:
    """Tasks on Ray, whose start is counted."""

    def work() -> str:
        from helpers.parallel import ray_map

        return _prepared(folder, ray_map(workers=workers))

    return work


def _prepared(folder: str, mapped: Any) -> str:
    from helpers.preparing import prepare

    with tempfile.TemporaryDirectory() as output:
        return str(prepare(folder, output, mapped=mapped)).replace(output, "")
