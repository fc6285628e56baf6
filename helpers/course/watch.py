"""Follow one notebook while it runs: its kernel, its current cell, the time and the memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

from helpers.errors import InputError

CLOSELY_EVERY = 2.0  # seconds between looks at what several processes share


class Watch:
    """Follows one notebook.

    Attributes:
        path: the path of its file.
        notebook: the notebook with the outputs so far.
        cell: number and first line of the cell that runs; None before the first.
        seconds: the seconds that it ran, once it has ended.
        bytes: resident bytes of its kernel and the kernel's children at the last look.
        peak_bytes: the most of them at any look; pages that several of them share are counted once.
        killed: whether this process ended it.
        ending: the line that says how it ended.
    """

    def __init__(self, label: str, path: Path) -> None:
        self.label = label
        self.path = path
        self.notebook = nbformat.read(path, as_version=4)
        self.cells = len(self.notebook.cells)
        self.cell: tuple[int, str] | None = None
        self.seconds = 0.0
        self.bytes = self.peak_bytes = 0
        self._looked = 0.0
        self.killed = False
        self.ending: str | None = None
        self._start: float | None = None
        self._kernel: psutil.Process | None = None

    def __enter__(self) -> Watch:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start

    def kernel(self, threads: int | None) -> type[AsyncKernelManager]:
        """The manager that starts the kernel with the running interpreter, even if the kernelspec "python3" names
        another.

        It works in the notebook's folder (papermill would move this whole process there).

        Args:
            threads: the threads that it computes with; None leaves it to the libraries.
        """
        watch = self
        environment = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}

        class Kernel(AsyncKernelManager):
            @property
            def kernel_spec(self) -> KernelSpec:
                return KernelSpec(**get_kernel_dict(extra_arguments=["--log-level=CRITICAL"]), env=environment)

            async def start_kernel(self, **options: Any) -> None:
                await super().start_kernel(**options, cwd=str(watch.path.parent))
                with suppress(psutil.NoSuchProcess):
                    watch._kernel = psutil.Process(self.provisioner.pid)

        return Kernel

    def kill(self) -> None:
        """End the kernel, if it has started, and all its children."""
        self.killed = True
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def look(self) -> None:
        """Measure the memory of the kernel and its children."""
        processes = self._processes()
        self.bytes = sum(map(_resident, processes))
        if self.bytes <= self.peak_bytes:
            return  # pages that processes share are counted for each, so without that it is no more either
        if len(processes) == 1:
            self.peak_bytes = self.bytes
        elif time.perf_counter() - self._looked >= CLOSELY_EVERY:  # it takes up to 0.03 s a process
            self._looked = time.perf_counter()
            self.peak_bytes = max(self.peak_bytes, sum(map(_own, processes)))

    def notebook_started(self, notebook: Any) -> None:
        """Keep the executed notebook, because papermill returns it only if nothing fails."""
        self.notebook = notebook

    def cell_started(self, cell: Any, cell_index: int) -> None:
        """Note the cell's number as a reader of the notebook counts it, every kind of cell from 1."""
        before = self.notebook.cells[: cell_index + 1]
        number = sum("injected-parameters" not in c.metadata.get("tags", []) for c in before)
        lines = cell.source.strip().splitlines()
        self.cell = number, lines[0] if lines else ""

    def explain(self, error: Exception) -> str:
        """One line: the cell (its number and first line) and the error."""
        if isinstance(error, papermill.PapermillExecutionError):
            what = f"{error.ename}: {error.evalue}"
        elif isinstance(error, DeadKernelError):
            what = "the kernel died, most often because the machine ran out of memory"
        else:
            what = f"{type(error).__name__}: {error}"
        if isinstance(error, InputError) or self.cell is None:
            return str(error)
        number, line = self.cell
        return f"cell {number} of {self.cells} ({line}): {what}"

    def begins(self) -> str:
        """The line that says that the notebook begins."""
        return f"{self.label}: {self.cells} cells"

    def now(self) -> str:
        """The current cell and the time."""
        at = f"cell {self.cell[0]} of {self.cells}" if self.cell else "starting"
        return f"{self.label}: {at}, {time.perf_counter() - (self._start or time.perf_counter()):.0f} s"

    def close(self, record: Mapping[str, Any]) -> None:
        """Note how the notebook ended."""
        self.ending = f"{self.label}: {record['status']}, {record['seconds']:.1f} s, {record['peak_memory_mb']} MB"
        if record["error"] and record["status"] == "failed":
            self.ending += f"\n    {record['error']}"

    def _processes(self) -> list[psutil.Process]:
        if self._kernel is None:
            return []
        try:
            return [self._kernel, *self._kernel.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):  # it may end between the listing and the measurement
        return process.memory_info().rss
    return 0


def _own(process: psutil.Process) -> int:
    """Bytes of a process in memory, of shared pages its part (Linux) or none."""
    with suppress(psutil.Error):
        told = process.memory_full_info()
        return getattr(told, "pss", 0) or told.uss
    return _resident(process)
