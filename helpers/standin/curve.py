"""The learning curve of the stand-in's training, with checkpoints to go on from, and its optimizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm
from transformers import get_cosine_schedule_with_warmup

from helpers.storage import whole_file

CHECKPOINT_EVERY = 200  # steps


@dataclass
class Curve:
    """The learning curve as JSON lines, with a checkpoint of each stage beside it."""

    path: Path

    def add(self, **values: Any) -> None:
        """Append a line."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")

    def keep(
        self, stage: str, step: int, steps: int, parameters: list[Any], optimizer: Any, schedule: Any
    ) -> None:
        """Write the checkpoint of a stage after ``step`` of ``steps`` steps, if one is due."""
        if step % CHECKPOINT_EVERY and step < steps:
            return
        state = {
            "step": step,
            "parameters": [p.detach() for p in parameters],
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        }
        with whole_file(self.path.with_name(f"{stage}.checkpoint")) as partial:
            torch.save(state, partial)

    def average(self, stages: Sequence[str], parameters: list[Any]) -> None:
        """Set parameters to their mean over the ends of stages.

        What each stage learned lies close enough together that the mean answers better than any of them
        (https://arxiv.org/abs/2203.05482).
        """
        ends = [torch.load(self.path.with_name(f"{s}.checkpoint"), weights_only=True) for s in stages]
        for number, parameter in enumerate(parameters):
            parameter.data.copy_(torch.stack([end["parameters"][number] for end in ends]).mean(0))

    def resume(self, stage: str, parameters: list[Any], optimizer: Any, schedule: Any) -> int:
        """Put everything back to the checkpoint of a stage and say how many steps it had made (0: none)."""
        path = self.path.with_name(f"{stage}.checkpoint")
        if not path.is_file():
            return 0
        state = torch.load(path, weights_only=True)
        for parameter, kept in zip(parameters, state["parameters"], strict=True):
            parameter.data.copy_(kept)
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.is_file() else []
        entries = [(line, json.loads(line)) for line in lines]
        kept_lines = [line for line, e in entries if e["stage"] != stage or e["step"] <= state["step"]]
        self.path.write_text("".join(kept_lines), encoding="utf-8")
        tqdm.write(f"{stage}: going on after step {state['step']} ({path})")
        return state["step"]


def optimizer_of(parameters: list[Any], rate: float, steps: int) -> tuple[Any, Any]:
    """AdamW with a warm-up and a cosine."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, betas=(0.9, 0.98))
    return optimizer, get_cosine_schedule_with_warmup(optimizer, min(60, steps // 5), steps)


def update(loss: torch.Tensor, parameters: list[Any], optimizer: Any, schedule: Any) -> None:
    """Take one step of the optimizer for ``loss``."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()
