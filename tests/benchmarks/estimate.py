"""The benchmark report's part on the real model: `helpers.course.model_time`, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helpers.course import (
    BANDWIDTH_SHARE,
    COMPUTE_SHARE,
    HARDWARE,
    LAUNCH,
    MEDGEMMA_4B,
    Weights,
    estimate,
    likely,
)
from helpers.course.model_time import ANSWER, LABELS, QUESTION
from helpers.prompts import IMAGE_TOKENS, MAX_SLICES


def estimates(outcomes: Sequence[Any], weights: Weights = MEDGEMMA_4B) -> str:
    """The report's part on the real model, in Markdown; the files' time is what this run measured, if it did."""
    files = _seconds_of_files(outcomes)
    lines = [
        "| one volume of 85 slices | GPU | vision | reading | by blocks | writing | together | at the peaks, by "
        "blocks, at least |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    ways = {"1 question": (1, True), "18 questions, a session": (18, True), "18, each by itself": (18, False)}
    for name, (questions, together) in ways.items():
        for gpu in HARDWARE:
            reached = likely(weights, gpu, questions=questions, together=together)
            blocks = likely(weights, gpu, questions=questions, together=together, blocks=True)
            least = estimate(weights, gpu, questions=questions, together=together, blocks=True)
            cells = (reached.vision, reached.reading, blocks.reading, reached.writing, reached.total, least.total)
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
            f"of the peak bandwidth are reached, and {1000 * LAUNCH:g} ms a token pass between the kernels of "
            "transformers, which makes writing on an H100 take about twice what its memory needs. Together: with "
            f"dense masks, where attention is computed for every pair of tokens.{before}",
            "\n".join(lines),
            f"Peaks: {sheets}. The arithmetic is in helpers/course/model_time.py.",
        ]
    )


def _seconds_of_files(outcomes: Sequence[Any]) -> float | None:
    for outcome in outcomes:
        rows = outcome.measured.get(outcome.shown, {})
        if outcome.work.key == "slices" and outcome.work.package.name in rows:
            return rows[outcome.work.package.name].seconds
    return None
