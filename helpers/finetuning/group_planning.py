"""Estimate the GPU memory for learning from a reward: the larger of drawing the replies and learning from them.

The numbers are computed, not measured, by the same counts as in `helpers.finetuning.plan`. TRL reads the prompts
of all replies of a step at once, each with its own copy of the images, and then learns from
`Reinforcement.at_once` of them at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from helpers.errors import InputError
from helpers.finetuning.counting import model_config
from helpers.finetuning.gpus import USABLE, find_gpu
from helpers.finetuning.planning import memory_parts
from helpers.finetuning.reinforcement import Reinforcement
from helpers.finetuning.tracing import tower_peak
from helpers.finetuning.tuning import Tuning
from helpers.models import prompt_bytes
from helpers.prompts import CONTEXT_BUDGET

ALWAYS = ("weights", "trained: weights, gradients, Adam", "runtime")


@dataclass(frozen=True)
class GroupPlan:
    """The bytes by part on a GPU that computes in bfloat16."""

    model: str
    tokens: int  # tokens of a prompt and the longest reply together
    always: dict[str, int]
    drawing: dict[str, int]
    learning: dict[str, int]

    @property
    def total(self) -> int:
        """The bytes at the fullest moment."""
        return sum(self.always.values()) + max(sum(self.drawing.values()), sum(self.learning.values()))

    def fits(self, gpu: str) -> bool:
        """Whether a GPU of `GPUS` has enough memory. False for a GPU without bfloat16, which is not counted."""
        found = find_gpu(gpu)
        return found.dtype is torch.bfloat16 and self.total <= USABLE * found.memory * 1e9

    def __str__(self) -> str:
        """A table for a notebook."""
        lines = [f"{self.model}: {self.tokens:,} tokens with the longest reply. Computed, not measured."]
        for title, parts in (
            ("always there", self.always),
            ("while replies are drawn", self.drawing),
            ("while it learns", self.learning),
        ):
            lines.append(f"  {title:36s} {sum(parts.values()) / 1e9:7.2f} GB")
            lines += [f"    {part:34s} {n / 1e9:7.2f} GB" for part, n in parts.items()]
        return "\n".join([*lines, f"  {'at the fullest moment':36s} {self.total / 1e9:7.2f} GB"])


def plan_groups(
    model: str,
    images: int,
    settings: Reinforcement | None = None,
    *,
    quantized: bool = False,
    text_tokens: int = 300,
) -> GroupPlan:
    """Estimate the memory of a run of `helpers.finetuning.reinforce` on one GPU.

    Args:
        model: a name that `helpers.models.load_model` knows, but no folder.
        images: images in a prompt.
        settings: by default `Reinforcement()`.
        quantized: whether the weights are 4-bit NF4.
        text_tokens: tokens of the text in a prompt.

    Raises:
        InputError: a number is too small, the prompt is over the budget, or the model is not known.
    """
    settings, config, dtype = settings or Reinforcement(), model_config(model), torch.bfloat16
    tokens = images * config.mm_tokens_per_image + text_tokens + settings.max_new_tokens
    if images < 0 or text_tokens < 0 or tokens > CONTEXT_BUDGET:
        raise InputError(
            f"A prompt with {images} images and {text_tokens} text tokens is not possible.",
            remedy=f"Give no number below 0, and at most {CONTEXT_BUDGET:,} tokens together with the reply.",
        )
    tuning = settings.tuning
    parts = memory_parts(config, tuning, images, tokens, settings.max_new_tokens, dtype, quantized)
    always = {name: parts.pop(name) for name in ALWAYS}
    drawn = settings.step_replies
    drawing = {f"{drawn} prompts read at once": drawn * prompt_bytes(config.text_config, tokens)}
    if images:  # whole batches pass the tower, which frees its memory before the language model begins
        tower = tower_peak(config, drawn * images, Tuning(), dtype)  # without a backward pass
        drawing["images beside them"] = max(0, tower - sum(drawing.values()))
        tower = tower_peak(config, tuning.at_once * images, tuning, dtype)
        others = sum(n for name, n in parts.items() if name != "images")
        parts["images"] = max(parts["images"], tower - others)
    return GroupPlan(model, tokens, always, drawing, parts)
