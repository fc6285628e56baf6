"""Time and peak memory of ways to do the same work, side by side.

A variant is named "module:function" with keyword arguments. The function does the set-up and returns the work: a
callable without arguments that gives something JSON can hold, e.g. a checksum of the pixels; or a pair of this and
of further numbers by name, e.g. the bytes that were written. Only the work is measured. Each run is a process of
its own, so that no variant profits from another's memory or caches, and the variants take turns, so that a slower
minute of the machine falls on all of them; before each, the machine gets a while to become idle.

``python -m tests.benchmarks`` measures all works of `tests.benchmarks.works` and writes one report.
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
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from helpers.storage import write_json

REPOSITORY = Path(__file__).parents[2]
BUILD = REPOSITORY / "build"  # where generated inputs and results go; not kept in git
PATIENCE = 1800  # seconds that one run may take
LONG = 5  # seconds; the times of a run that takes longer differ so little that `FEW` runs suffice
FEW = 3


@dataclass(frozen=True)
class Variant:
    """What to measure: "module:function" and its keyword arguments (plain JSON values)."""

    function: str
    arguments: Mapping[str, Any]
    processes: bool = False  # whether the work starts processes, whose time and memory then count too


@dataclass(frozen=True)
class Measurement:
    """All runs of one variant. Memory is the peak above what the process held when the work began."""

    seconds: float  # median
    cpu_seconds: float  # median, of all threads
    peak_mb: float  # median
    all_seconds: list[float]
    all_peak_mb: list[float]
    result: Any  # what the work gave, the same in every run
    facts: dict[str, float] = field(default_factory=dict)  # medians of further numbers that the work gave


def measure(
    variants: Mapping[str, Variant], repeats: int = 5, failures: dict[str, str] | None = None
) -> dict[str, Measurement]:
    """Run each variant ``repeats`` times in turns, after one run of each that is not counted (it warms the disk).

    A variant whose first run took longer than `LONG` seconds is run `FEW` times, if that is less. The first run is
    one of them, because the disk is then the least part of it.

    With ``failures`` a variant that fails is noted there with its reason, and the others go on without it.

    Raises:
        RuntimeError: a run failed, or a variant's runs gave different results.
    """
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    wanted = dict.fromkeys(variants, repeats)
    with tqdm(total=(repeats + 1) * len(variants), unit="run") as bar:
        for turn in range(repeats + 1):
            for name in [name for name in runs if turn <= wanted[name]]:
                bar.set_description(name)
                _wait_for_idle()
                try:
                    run = _run_in_own_process(name, variants[name])
                    if turn and runs[name] and run["result"] != runs[name][0]["result"]:
                        raise RuntimeError(f"{name}: its runs gave different results")
                except RuntimeError as error:
                    if failures is None:
                        raise
                    failures[name] = str(error).strip().splitlines()[-1]
                    del runs[name]
                    continue
                long = run["seconds"] > LONG
                if long and not turn:
                    wanted[name] = min(repeats, FEW) - 1
                if long or turn:
                    runs[name].append(run)
                bar.update()
    measurements = {}
    for name, done in runs.items():
        seconds, cpu_seconds, peaks = ([run[key] for run in done] for key in ("seconds", "cpu_seconds", "peak_mb"))
        measurements[name] = Measurement(
            seconds=statistics.median(seconds),
            cpu_seconds=statistics.median(cpu_seconds),
            peak_mb=statistics.median(peaks),
            all_seconds=seconds,
            all_peak_mb=peaks,
            result=done[0]["result"],
            facts={name: statistics.median(run["facts"][name] for run in done) for name in done[0]["facts"]},
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
    rows = {name: asdict(row) for name, row in measurements.items()}
    write_json(path, {"machine": machine(), **about, "measurements": rows})


def machine() -> dict[str, Any]:
    """What the figures depend on: system, Python, cores, memory in GB, and the load when this was called."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "load_average": os.getloadavg()[0],
    }


def _wait_for_idle(patience: float = 6) -> None:
    """Wait until other programs leave the processor alone, but no longer than ``patience`` seconds."""
    end = time.monotonic() + patience
    while psutil.cpu_percent(interval=0.5) > 10 and time.monotonic() < end:
        pass


def _run_in_own_process(name: str, variant: Variant) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.measure", variant.function, json.dumps(variant.arguments)]
    command += ["processes"] if variant.processes else []
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{name} took more than {PATIENCE:,} s") from error
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


class _Children:
    """Processor seconds, and the most memory, of all processes that descend from this one.

    Both are sampled, as often as costs a tenth of a core. Memory that processes share is divided among them.
    """

    def __enter__(self) -> _Children:
        self._process, self._stop, self._seconds, self._most = psutil.Process(), threading.Event(), {}, 0
        self._before = self._waited_for()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.mb = self._most / 1e6
        self.cpu_seconds = max(sum(self._seconds.values()), self._waited_for() - self._before)

    def _sample(self) -> None:
        pause = 0.0
        while not self._stop.wait(max(0.005, pause)):
            start, held = time.perf_counter(), 0
            for child in self._process.children(recursive=True):
                with suppress(psutil.Error):  # it has ended meanwhile
                    memory = child.memory_full_info()
                    held += getattr(memory, "pss", memory.uss)
                    self._seconds[child.pid] = sum(child.cpu_times()[:2])
            self._most = max(self._most, held)
            pause = 10 * (time.perf_counter() - start)

    def _waited_for(self) -> float:
        """Processor seconds of children that have ended; exact where sampling may miss one."""
        return sum(self._process.cpu_times()[2:4])


def _main() -> None:
    name, arguments, *flags = sys.argv[1:]
    module, function = name.split(":")
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    with _Children() if flags else nullcontext() as children, _PeakMemory() as peak:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = work()
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    result, facts = result if isinstance(result, tuple) else (result, {})
    run = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak.mb, "result": result, "facts": facts}
    if children:
        run["cpu_seconds"] += children.cpu_seconds
        run["peak_mb"] += children.mb
    print(json.dumps(run))


if __name__ == "__main__":
    _main()
