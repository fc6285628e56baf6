"""What a rehearsal measures: a line of JSON for each figure as soon as it is there, and a table at the end."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


@dataclass
class Records:
    """A rehearsal under way, on one device, with an end."""

    output: Path
    device: str
    minutes: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def on_gpu(self) -> bool:
        """Whether memory and kernels can be told."""
        return self.device.startswith("cuda")

    @property
    def seconds_left(self) -> float:
        """Until the minutes are over."""
        return self.minutes * 60 - (time.monotonic() - self.began)

    def note(self, step: str, what: str, **figures: Any) -> None:
        """Keep and print one line; figures that could not be taken are None."""
        row = {"step": step, "what": what, **figures}
        self.rows.append(row)
        line = json.dumps(row)
        print(line, flush=True)
        with (self.output / "rehearsal.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def run(self, step: Callable[[Records, Any], None], chat: Any, seconds: float) -> None:
        """Run a step that needs about so many ``seconds``, if they are left; what goes wrong is a line too."""
        name = step.__name__
        if self.seconds_left < seconds:
            self.note(name, "left out", reason=f"{self.seconds_left:.0f} s are left, it needs about {seconds:g}")
            return
        start = time.monotonic()
        try:
            step(self, chat)
        except Exception as error:  # the other steps shall still be measured
            self.note(name, "failed", reason=f"{type(error).__name__}: {str(error)[:300]}")
        release()
        self.note(name, "whole step", seconds=round(time.monotonic() - start, 1))

    def measured(self, work: Callable[[], Result]) -> tuple[Result, float, float | None]:
        """What ``work`` gives, its seconds, and the most memory in GB beside what was taken before."""
        release()
        if self.on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        start = time.perf_counter()
        result = work()
        if not self.on_gpu:
            return result, time.perf_counter() - start, None
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        return result, seconds, (torch.cuda.max_memory_allocated() - before) / 1e9

    def table(self) -> str:
        """All rows as Markdown, labelled."""
        name = torch.cuda.get_device_name() if self.on_gpu else "a CPU, two layers"
        lines = [f"Random weights of the full size on {name}; the answers mean nothing.", ""]
        lines += ["| step | what | figures |", "| --- | --- | --- |"]
        for row in self.rows:
            figures = ", ".join(f"{k} {_short(v)}" for k, v in row.items() if k not in ("step", "what"))
            lines.append(f"| {row['step']} | {row['what']} | {figures} |")
        return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "not told" if value is None else str(value)


def release() -> None:
    """Let go of what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
