"""Time and peak memory of ways to do the same work, side by side.

A variant is named "module:function" with keyword arguments. The function does the set-up and returns the work: a
callable without arguments that gives something JSON can hold, e.g. a checksum of the pixels. Only the work is
measured. Each run is a process of its own, so that no variant profits from another's memory or caches, and the
variants take turns, so that a slower minute of the machine falls on all of them; before each, the machine gets
a while to become idle.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from helpers.files import write_json

REPOSITORY = Path(__file__).parents[2]
BUILD = REPOSITORY / "build"  # where generated inputs and results go; not kept in git


@dataclass(frozen=True)
class Variant:
    """What to measure: "module:function" and its keyword arguments (plain JSON values)."""

    function: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Measurement:
    """All runs of one variant. Memory is the peak above what the process held when the work began."""

    seconds: float  # median
    cpu_seconds: float  # median, of all threads
    peak_mb: float  # median
    all_seconds: list[float]
    all_peak_mb: list[float]
    result: Any  # what the work gave, the same in every run


def measure(variants: Mapping[str, Variant], repeats: int = 5) -> dict[str, Measurement]:
    """Run each variant ``repeats`` times in turns, after one run of each that is not counted (it warms the disk).

    Raises:
        RuntimeError: a run failed, or a variant's runs gave different results.
    """
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    with tqdm(total=(repeats + 1) * len(variants), unit="run") as bar:
        for turn in range(repeats + 1):
            for name, variant in variants.items():
                bar.set_description(name)
                _wait_for_idle()
                run = _run_in_own_process(name, variant)
                if turn:
                    runs[name].append(run)
                bar.update()
    measurements = {}
    for name, done in runs.items():
        if any(run["result"] != done[0]["result"] for run in done):
            raise RuntimeError(f"{name}: its runs gave different results")
        seconds, cpu_seconds, peaks = ([run[key] for run in done] for key in ("seconds", "cpu_seconds", "peak_mb"))
        measurements[name] = Measurement(
            seconds=statistics.median(seconds),
            cpu_seconds=statistics.median(cpu_seconds),
            peak_mb=statistics.median(peaks),
            all_seconds=seconds,
            all_peak_mb=peaks,
            result=done[0]["result"],
        )
    return measurements


def table(measurements: Mapping[str, Measurement], baseline: str) -> str:
    """Return the measurements as a Markdown table, each beside ``baseline``."""
    base = measurements[baseline]
    lines = ["| way | seconds | faster | CPU seconds | peak MB | memory |", "|---|---:|---:|---:|---:|---:|"]
    for name, row in measurements.items():
        faster = f"{base.seconds / row.seconds:.2f}x"
        memory = f"{row.peak_mb / base.peak_mb:.2f}x" if base.peak_mb else "-"
        lines.append(
            f"| {name} | {row.seconds:.2f} | {faster} | {row.cpu_seconds:.2f} | {row.peak_mb:.0f} | {memory} |"
        )
    return "\n".join(lines)


def save(path: Path, measurements: Mapping[str, Measurement], **about: Any) -> None:
    """Write the measurements as JSON, with what is needed to read them: the machine and ``about``."""
    machine = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }
    rows = {name: asdict(row) for name, row in measurements.items()}
    write_json(path, {"machine": machine, **about, "measurements": rows})


def _wait_for_idle(patience: float = 6) -> None:
    """Wait until other programs leave the processor alone, but no longer than ``patience`` seconds."""
    end = time.monotonic() + patience
    while psutil.cpu_percent(interval=0.5) > 10 and time.monotonic() < end:
        pass


def _run_in_own_process(name: str, variant: Variant) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.measure", variant.function, json.dumps(variant.arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class _PeakMemory:
    """The most resident memory while the block runs, above that at its start, in MB.

    Linux keeps the peak itself, exactly (VmHWM, set back through clear_refs); elsewhere it is sampled every 5 ms.
    """

    def __enter__(self) -> _PeakMemory:
        self._process = psutil.Process()
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._kernel = True
        except OSError:
            self._kernel = False
        self._start = self._most = self._process.memory_info().rss
        self._stop = threading.Event()
        if not self._kernel:
            threading.Thread(target=self._sample, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._kernel:
            status = Path("/proc/self/status").read_text()
            self._most = int(status.split("VmHWM:")[1].split()[0]) * 1024
        self.mb = max(0, self._most - self._start) / 1e6

    def _sample(self) -> None:
        while not self._stop.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)


def _main() -> None:
    name, arguments = sys.argv[1:]
    module, function = name.split(":")
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    with _PeakMemory() as peak:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = work()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak.mb, "result": result}))


if __name__ == "__main__":
    _main()
