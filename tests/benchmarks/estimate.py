"""What MedGemma 1.5 would take on a GPU: arithmetic on published figures. An estimate, not a measurement.

Reading a prompt is bound by operations: two for each weight and token, and those of attention. Writing an answer
is bound by memory: all weights, and the keys and values of the prompt, are read for every token. Peak figures of a
data sheet give the least time; the shares of the peak that such work reaches in practice are assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.prompts import IMAGE_TOKENS, MAX_SLICES

COMPUTE_SHARE, BANDWIDTH_SHARE = 0.4, 0.6  # of the peaks: assumptions
NUMBER = 2  # bytes of a bfloat16
QUESTION, ANSWER = 60, 60  # tokens
LABELS = 10  # tokens around an image: its wrappers and the label of its slice


@dataclass(frozen=True)
class Hardware:
    """A GPU by its data sheet, without sparsity."""

    name: str
    operations: float  # bfloat16, a second
    bandwidth: float  # bytes a second
    source: str


HARDWARE = (
    Hardware(
        "L4", 121e12, 300e9, "NVIDIA L4 Tensor Core GPU datasheet, https://www.nvidia.com/en-us/data-center/l4/"
    ),
    Hardware(
        "A100 80 GB SXM",
        312e12,
        2039e9,
        "NVIDIA A100 Tensor Core GPU datasheet, https://www.nvidia.com/en-us/data-center/a100/",
    ),
    Hardware(
        "H100 80 GB SXM",
        989e12,
        3350e9,
        "NVIDIA H100 Tensor Core GPU datasheet, https://www.nvidia.com/en-us/data-center/h100/",
    ),
)


@dataclass(frozen=True)
class Weights:
    """How large a model is, in what its work is counted by."""

    layers: int  # parameters of all layers of the language model
    head: int  # parameters of the output layer
    windows: tuple[int | None, ...]  # of each layer: how many tokens back it looks; None: all
    queries: int  # heads x width of a head
    keys: int  # the same of keys, and of values
    vision: int  # parameters of the tower
    vision_layers: int
    vision_width: int
    patches: int  # of an image in the tower


@dataclass(frozen=True)
class Seconds:
    """How long one volume and its questions take on a GPU."""

    vision: float
    reading: float  # the prompt's prefix and the questions
    writing: float

    @property
    def total(self) -> float:
        """All three."""
        return self.vision + self.reading + self.writing


def estimate(
    weights: Weights,
    gpu: Hardware,
    *,
    images: int = MAX_SLICES,
    questions: int = 1,
    together: bool = True,
    compute_share: float = 1.0,
    bandwidth_share: float = 1.0,
) -> Seconds:
    """Seconds for ``questions`` about ``images`` on one GPU, at shares of its peaks.

    ``together``: the images are encoded and read once and the answers written side by side, as a session does;
    else every question pays for all of it.
    """
    prefix = images * (IMAGE_TOKENS + LABELS)
    if not together:
        one = estimate(weights, gpu, images=images, compute_share=compute_share, bandwidth_share=bandwidth_share)
        return Seconds(*(questions * part for part in (one.vision, one.reading, one.writing)))
    operations, bandwidth = gpu.operations * compute_share, gpu.bandwidth * bandwidth_share
    reading = read_operations(weights, prefix) + questions * read_operations(weights, QUESTION, prefix)
    steps = [step_bytes(weights, prefix + QUESTION + k, questions) for k in range(ANSWER)]
    return Seconds(
        vision=images * vision_operations(weights) / operations,
        reading=reading / operations,
        writing=sum(steps) / bandwidth,
    )


def vision_operations(weights: Weights) -> float:
    """Operations of the tower on one image: every patch looks at every other."""
    attention = 4 * weights.vision_layers * weights.vision_width * weights.patches**2
    return 2 * weights.vision * weights.patches + attention


def read_operations(weights: Weights, tokens: int, before: int = 0) -> float:
    """Operations of the language model to read ``tokens`` that follow ``before`` others."""
    positions = np.arange(before + 1, before + tokens + 1, dtype=np.float64)
    seen = sum(float(np.minimum(positions, window or np.inf).sum()) for window in weights.windows)
    return 2.0 * weights.layers * tokens + 4.0 * weights.queries * seen


def step_bytes(weights: Weights, context: int, questions: int = 1) -> float:
    """Bytes read to write one token of each of ``questions`` answers, ``context`` tokens behind each."""
    kept = sum(min(context, window or context) for window in weights.windows)
    return NUMBER * (weights.layers + weights.head + questions * 2 * weights.keys * kept)


def medgemma() -> Weights:
    """MedGemma 4B, counted on a model that has shapes and no numbers."""
    import torch
    from transformers import Gemma3ForConditionalGeneration

    from helpers.finetuning.planning import model_config
    from helpers.models import REAL_MODELS

    config = model_config(next(iter(REAL_MODELS)))
    with torch.device("meta"):
        model = Gemma3ForConditionalGeneration(config)
    text, vision = config.text_config, config.vision_config

    def count(part: str) -> int:
        return sum(p.numel() for name, p in model.named_parameters() if part in name)

    return Weights(
        layers=count("language_model.layers"),
        head=text.hidden_size * text.vocab_size,
        windows=tuple(text.sliding_window if kind == "sliding_attention" else None for kind in text.layer_types),
        queries=text.num_attention_heads * text.head_dim,
        keys=text.num_key_value_heads * text.head_dim,
        vision=count("vision_tower"),
        vision_layers=vision.num_hidden_layers,
        vision_width=vision.hidden_size,
        patches=(vision.image_size // vision.patch_size) ** 2,
    )


def estimates(outcomes: Sequence[Any], weights: Weights | None = None) -> str:
    """The report's part on the real model, in Markdown; the files' time is what this run measured, if it did."""
    weights = weights or medgemma()
    files = _seconds_of_files(outcomes)
    lines = [
        "| one volume of 85 slices | GPU | vision | reading | writing | together | at the peaks, at least |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    ways = {"1 question": (1, True), "18 questions, a session": (18, True), "18, each by itself": (18, False)}
    for name, (questions, together) in ways.items():
        for gpu in HARDWARE:
            likely, least = (
                estimate(weights, gpu, questions=questions, together=together, compute_share=c, bandwidth_share=b)
                for c, b in ((COMPUTE_SHARE, BANDWIDTH_SHARE), (1.0, 1.0))
            )
            cells = (likely.vision, likely.reading, likely.writing, likely.total, least.total)
            lines.append(f"| {name} | {gpu.name} | {' | '.join(f'{s:.2f} s' for s in cells)} |")
            name = ""
    sheets = "; ".join(
        f"{g.name} {g.operations / 1e12:.0f} TFLOPS bfloat16 without sparsity, {g.bandwidth / 1e9:,.0f} GB/s "
        f"({g.source})"
        for g in HARDWARE
    )
    before = f" Files to images took {files:.2f} s here, on the CPU, and come before it." if files else ""
    return "\n\n".join(
        [
            "## The real model on a GPU: an estimate",
            "Computed from published figures, not measured. "
            f"{weights.layers / 1e9:.2f} billion parameters in the layers of the language model, "
            f"{weights.head / 1e9:.2f} in its output, {weights.vision / 1e9:.2f} in the vision tower; "
            f"{MAX_SLICES} x ({IMAGE_TOKENS} + {LABELS}) tokens of images, {QUESTION} of a question, {ANSWER} of "
            f"an answer; bfloat16. Assumed: {COMPUTE_SHARE:.0%} of the peak operations and {BANDWIDTH_SHARE:.0%} "
            f"of the peak bandwidth are reached.{before}",
            "\n".join(lines),
            f"Peaks: {sheets}. The arithmetic is in tests/benchmarks/estimate.py.",
        ]
    )


def _seconds_of_files(outcomes: Sequence[Any]) -> float | None:
    for outcome in outcomes:
        rows = outcome.measured.get(outcome.shown, {})
        if outcome.work.key == "slices" and outcome.work.package.name in rows:
            return rows[outcome.work.package.name].seconds
    return None
