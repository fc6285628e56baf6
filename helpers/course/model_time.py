"""Estimate how long MedGemma 4B takes, from its sizes and the speed of a device. Nothing is measured on the model.

The number of operations limits how fast a prompt is read: two for each weight and token, and those of attention.
With dense masks, attention counts every pair of tokens, n squared in each layer. By blocks, it counts only the
blocks that a token sees. Memory limits how fast an answer is written, because each token needs all weights, and
the keys and values of the prompt. Each token also waits for the launches of a few thousand small kernels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from helpers.prompts import IMAGE_TOKENS, MAX_SLICES

COMPUTE_SHARE = 0.4  # share of a data sheet's peak; this number and the next are assumptions
BANDWIDTH_SHARE = 0.6
# Seconds a token between the kernels of transformers, assumed as what makes an H100 write in about twice the time
# that its memory needs. An engine that launches a whole step at once (vLLM) has next to none.
LAUNCH = 4.5e-3
NUMBER = 2  # bytes of a bfloat16
QUESTION, ANSWER = 60, 60  # tokens
LABELS = 10  # tokens around an image: its wrappers and the label of its slice


@dataclass(frozen=True)
class Hardware:
    """The figures of a GPU's data sheet, without sparsity."""

    name: str
    operations: float  # bfloat16, a second
    bandwidth: float  # bytes a second
    source: str


_SHEET = "NVIDIA {} Tensor Core GPU datasheet, https://www.nvidia.com/en-us/data-center/{}/"
HARDWARE = (
    Hardware("L4", 121e12, 300e9, _SHEET.format("L4", "l4")),
    Hardware("A100 80 GB SXM", 312e12, 2039e9, _SHEET.format("A100", "a100")),
    Hardware("H100 80 GB SXM", 989e12, 3350e9, _SHEET.format("H100", "h100")),
)


@dataclass(frozen=True)
class Weights:
    """The sizes of a model that its work depends on."""

    layers: int  # parameters of all layers of the language model
    head: int  # parameters of the output layer
    windows: tuple[int | None, ...]  # how many tokens back each layer looks; None: all
    queries: int  # heads x width of a head
    keys: int  # the same of keys, and of values
    vision: int  # parameters of the tower
    vision_layers: int
    vision_width: int
    patches: int  # of an image in the tower


# Counted on a model of this configuration without numbers.
MEDGEMMA_4B = Weights(
    layers=3_209_008_128,
    head=262_208 * 2560,
    windows=tuple(None if k % 6 == 5 else 1024 for k in range(34)),
    queries=8 * 256,
    keys=4 * 256,
    vision=416_866_032,
    vision_layers=27,
    vision_width=1152,
    patches=(896 // 14) ** 2,
)


@dataclass(frozen=True)
class Seconds:
    """The seconds for one volume and its questions."""

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
    answer: int = ANSWER,
    together: bool = True,
    blocks: bool = False,
    compute_share: float = 1.0,
    bandwidth_share: float = 1.0,
    launch: float = 0.0,
) -> Seconds:
    """Seconds for ``questions`` about ``images`` on one GPU, at shares of its peaks.

    Args:
        weights: of the model.
        gpu: by its data sheet.
        images: of a prompt.
        questions: of 60 tokens each.
        answer: tokens written for each.
        together: the images are encoded and read once and the answers written side by side, as a session does;
            otherwise every question costs all of it.
        blocks: whether the prompt is read by blocks, else with dense masks.
        compute_share: of the peak operations.
        bandwidth_share: of the peak bandwidth.
        launch: seconds that a written token waits besides, e.g. `LAUNCH`.
    """
    prefix = images * (IMAGE_TOKENS + LABELS)
    rows, times = (questions, 1) if together else (1, questions)
    reading = read_operations(weights, prefix, blocks=blocks)
    reading += rows * read_operations(weights, QUESTION, prefix, blocks=blocks)
    steps = [step_bytes(weights, prefix + QUESTION + k, rows) for k in range(answer)]
    operations = gpu.operations * compute_share
    return Seconds(
        vision=times * images * vision_operations(weights) / operations,
        reading=times * reading / operations,
        writing=times * (sum(steps) / (gpu.bandwidth * bandwidth_share) + answer * launch),
    )


def likely(weights: Weights, gpu: Hardware, **settings: Any) -> Seconds:
    """`estimate` at the assumed shares of the peaks, for transformers; ``settings`` are those of `estimate`."""
    shares = {"compute_share": COMPUTE_SHARE, "bandwidth_share": BANDWIDTH_SHARE, "launch": LAUNCH}
    return estimate(weights, gpu, **(shares | settings))


def vision_operations(weights: Weights) -> float:
    """Operations of the tower on one image: every patch looks at every other."""
    return 2 * weights.vision * weights.patches + _vision_attention(weights)


def read_operations(weights: Weights, tokens: int, before: int = 0, *, blocks: bool = False) -> float:
    """Operations of the language model to read ``tokens`` that follow ``before`` others."""
    return 2.0 * weights.layers * tokens + _attention(weights, tokens, before, blocks=blocks)


def step_bytes(weights: Weights, context: int, questions: int = 1) -> float:
    """Bytes read to write one token of each of ``questions`` answers, ``context`` tokens behind each."""
    kept = sum(min(context, window or context) for window in weights.windows)
    return NUMBER * (weights.layers + weights.head + questions * 2 * weights.keys * kept)


def _vision_attention(weights: Weights) -> float:
    return 4.0 * weights.vision_layers * weights.vision_width * weights.patches**2


def _attention(weights: Weights, tokens: int, before: int, *, blocks: bool) -> float:
    """Each pair of tokens costs a product of its query and key, and one with its value."""
    if blocks:
        positions = np.arange(before + 1, before + tokens + 1, dtype=np.float64)
        pairs = sum(float(np.minimum(positions, window or np.inf).sum()) for window in weights.windows)
    else:  # a layer with a window keeps only the last tokens
        pairs = sum(float(tokens) * (min(before, window or before) + tokens) for window in weights.windows)
    return 4.0 * weights.queries * pairs


@dataclass(frozen=True)
class Speed:
    """The measured speed of a processor, in operations a second."""

    products: float  # of a matrix with a layer's weights
    attention: float


def measured_speed(dtype: torch.dtype = torch.bfloat16) -> Speed:
    """The speed of this machine's CPU, as the better of two runs of each kind: a second or two at most."""
    tokens, width = torch.ones(512, 2560, dtype=dtype), torch.ones(2560, 2560, dtype=dtype)
    query, key = (torch.ones(1, 8, n, 256, dtype=dtype) for n in (256, 2048))
    mask = torch.ones(1, 1, 256, 2048, dtype=torch.bool)

    def attend() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(query, key, key, attn_mask=mask)

    with torch.inference_mode():
        products = 2 * tokens.shape[0] * width.numel() / _fastest(lambda: tokens @ width)
        return Speed(products, 4 * query.numel() * key.shape[2] / _fastest(attend))


def minutes_on_cpu(speed: Speed, images: int, weights: Weights = MEDGEMMA_4B) -> float:
    """Minutes until a CPU has encoded and read ``images`` and a question; writing comes on top."""
    tokens = images * (IMAGE_TOKENS + LABELS) + QUESTION
    products = 2.0 * weights.vision * weights.patches * images + 2.0 * weights.layers * tokens
    attention = images * _vision_attention(weights) + _attention(weights, tokens, 0, blocks=False)
    return (products / speed.products + attention / speed.attention) / 60


def _fastest(work: Callable[[], Any]) -> float:
    work()  # the first run is a warm-up
    times = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
