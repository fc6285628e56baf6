"""Estimate what a fine-tuning run needs before it starts: memory by part, disk, steps and hours, and GPUs that
fit.

Computed, not measured on the real model: `helpers.finetuning.counting` counts shapes, and
`helpers.finetuning.tracing` runs the model's own code on tensors without numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import Gemma3Config

from helpers.errors import InputError
from helpers.finetuning.counting import (
    language_operations,
    model_config,
    tower_operations,
    trained_bytes,
    trained_parameters,
    weight_bytes,
)
from helpers.finetuning.gpus import GPUS, USABLE, UTILISATION, find_gpu
from helpers.finetuning.tower import ADAPTED_AT_ONCE
from helpers.finetuning.tracing import language_peak, tower_peak, weights_dtype
from helpers.finetuning.train import PROMPTS_IN_MEMORY
from helpers.finetuning.tuning import Tuning
from helpers.models import VISION_BATCH
from helpers.prompts import CONTEXT_BUDGET

RUNTIME = 1_000_000_000  # bytes that CUDA and its libraries take of a GPU; an assumption
HOST_RUNTIME = 4_000_000_000  # bytes that Python, torch and CUDA take of the machine; an assumption
HEAD_TILE = 32_768  # words whose logits TRL's loss computes at once, only for labelled tokens


@dataclass(frozen=True)
class Plan:
    """The bytes by part, and the work, of one run."""

    model: str
    tokens: int  # tokens of one example
    memory: dict[str, int]  # bytes on a GPU that computes in bfloat16
    memory_float32: dict[str, int]  # bytes on a GPU without bfloat16
    host_memory: int  # bytes of the machine's main memory
    disk: int  # bytes of kept image tokens
    steps: int
    operations: float  # operations of all steps
    encoding: float  # operations that encode the images once

    @property
    def total(self) -> int:
        """Bytes of GPU memory in bfloat16."""
        return sum(self.memory.values())

    def total_on(self, gpu: str) -> int:
        """Bytes of memory on a GPU of `GPUS`, in the number format that it computes in."""
        return self.total if find_gpu(gpu).dtype is torch.bfloat16 else sum(self.memory_float32.values())

    def fits(self, gpu: str) -> bool:
        """Whether a GPU of `GPUS` has enough memory."""
        return self.total_on(gpu) <= USABLE * find_gpu(gpu).memory * 1e9

    def hours(self, gpu: str) -> float:
        """Hours of encoding and training on that GPU, at the assumed share of its peak."""
        return self.encoding_hours(gpu) + self.operations / (UTILISATION * find_gpu(gpu).operations) / 3600

    def encoding_hours(self, gpu: str) -> float:
        """Hours of `hours` in which the images are encoded once."""
        return self.encoding / (UTILISATION * find_gpu(gpu).operations) / 3600

    def __str__(self) -> str:
        """A table for a notebook."""
        lines = [f"{self.model}: {self.tokens:,} tokens an example, {self.steps:,} steps. Computed, not measured."]
        parts = {**self.memory, "together": self.total, "the machine's own memory": self.host_memory}
        lines += [f"  {part:34s} {n / 1e9:7.2f} GB" for part, n in parts.items()]
        lines.append(f"  {'image tokens on disk':34s} {self.disk / 1e9:7.2f} GB")
        for gpu in GPUS:
            total = f"{self.total_on(gpu) / 1e9:.1f} GB"
            hours = f"about {self.hours(gpu):.1f} hours, {self.encoding_hours(gpu):.1f} of them to encode images"
            verdict = f"fits ({total}), {hours}" if self.fits(gpu) else f"does not fit ({total})"
            lines.append(f"  {gpu:34s} {verdict}")
        return "\n".join(lines)


def plan(
    model: str,
    examples: int,
    slices: int,
    tuning: Tuning | None = None,
    *,
    quantized: bool = False,
    text_tokens: int = 600,
    answer_tokens: int = 60,
) -> Plan:
    """Estimate a run on one GPU with gradient checkpointing.

    Args:
        model: a name that `helpers.models.load_model` knows; folders are not read.
        examples: the number of examples in the training set.
        slices: images of an example.
        tuning: the settings; by default `Tuning()`.
        quantized: whether the weights are 4-bit NF4.
        text_tokens: the tokens of the question, the labels of slices and the image wrappers of one prompt: about 6
            for each slice, and 60 more.
        answer_tokens: of one answer.

    Raises:
        InputError: a number is too small, the prompt is over the budget, 4-bit weights were to be trained in full,
            or the model is not known.
    """
    tuning, config = tuning or Tuning(), model_config(model)
    _check(examples, slices, text_tokens, answer_tokens, tuning, quantized)
    image_tokens = slices * config.mm_tokens_per_image
    tokens = image_tokens + text_tokens + answer_tokens
    if tokens > CONTEXT_BUDGET:
        raise InputError(
            f"{slices} slices and the text take {tokens:,} tokens, which is over the budget of "
            f"{CONTEXT_BUDGET:,}.",
            remedy="Use fewer slices.",
        )
    learned = answer_tokens + text_tokens * tuning.learn_prompt
    memory, memory_float32 = (
        memory_parts(config, tuning, slices, tokens, learned, dtype, quantized)
        for dtype in (torch.bfloat16, torch.float32)
    )
    products, attention = tower_operations(config)
    images = examples * slices
    # Forward, forward again for the group, forward again for its layers, and backward.
    step = slices * (4 * products + 5.5 * attention if tuning.adapt_vision else products + attention)
    each = language_operations(config, tokens, tuning) + (0 if tuning.cached else step)
    one_prompt = image_tokens * config.text_config.hidden_size * 2
    return Plan(
        model,
        tokens,
        memory,
        memory_float32,
        host_memory=HOST_RUNTIME + PROMPTS_IN_MEMORY + tuning.at_once * one_prompt,
        disk=examples * one_prompt * tuning.cached,
        steps=tuning.steps(examples),
        operations=each * examples * tuning.epochs,
        encoding=images * (products + attention) * tuning.cached,
    )


def memory_parts(
    config: Gemma3Config,
    tuning: Tuning,
    slices: int,
    tokens: int,
    learned: int,
    dtype: torch.dtype,
    quantized: bool = False,
) -> dict[str, int]:
    """The bytes on a GPU by part, at the moment of a step with the most bytes.

    Args:
        config: of the model.
        tuning: the settings.
        slices: images of an example.
        tokens: of an example, those of images included.
        learned: tokens with a label among them.
        dtype: that the model computes in.
        quantized: whether the weights are 4-bit NF4.
    """
    text, width, batch = config.text_config, dtype.itemsize, tuning.at_once
    hidden = tokens * text.hidden_size * weights_dtype(tuning, dtype).itemsize * batch
    kept, layer = text.num_hidden_layers * hidden, language_peak(config, tokens, tuning, dtype)
    if not tuning.rank and dtype is not torch.float32:  # in the forward pass, autocast keeps weights in bfloat16
        layer = max(layer, trained_parameters(config, tuning) * width)
    # Image tokens beside the embeddings into which they are put, and the pixels with which a tower runs again.
    images = batch * slices * config.mm_tokens_per_image * text.hidden_size * width
    if tuning.adapt_vision:
        images += batch * slices * 3 * config.vision_config.image_size**2 * width
    # The tower runs before the layers keep anything, and its backward pass after they freed it.
    if slices and not tuning.cached:
        group = ADAPTED_AT_ONCE if tuning.adapt_vision else min(slices, VISION_BATCH)
        images += max(0, tower_peak(config, group, tuning, dtype) - kept - layer)
    tile = min(HEAD_TILE, text.vocab_size)
    logits = 2 * learned * batch * (tile + 3 * text.hidden_size) * 4
    # A float32 gradient for all words, never at the same time as a layer.
    whole = text.vocab_size * text.hidden_size * 4
    if not tuning.rank:  # embeddings and head are one tensor: both gradients, and then their sum
        logits += max(0, 2 * whole - layer)
    elif tuning.train_embeddings:  # the head's gradient is computed before that of the embeddings
        logits += max(0, whole - whole * width // 4 - layer)
    return {
        "weights": weight_bytes(config, quantized, weights_dtype(tuning, dtype).itemsize),
        "trained: weights, gradients, Adam": trained_bytes(config, tuning, dtype),
        "kept at each layer": kept,
        "one layer, there and back": layer,
        "attention masks": 2 * tokens**2 * batch,  # a byte for each pair, for sliding and for full layers
        "images": images,
        "logits of what is learned": logits,
        "runtime": RUNTIME,
    }


def _check(
    examples: int, slices: int, text_tokens: int, answer_tokens: int, tuning: Tuning, quantized: bool
) -> None:
    if examples < 1 or slices < 0 or text_tokens < 0 or answer_tokens < 1:
        raise InputError(
            f"A training with {examples} examples of {slices} slices, {text_tokens} text tokens and "
            f"{answer_tokens} answer tokens is not possible.",
            remedy="Give at least one example and one answer token, and no number below 0.",
        )
    if quantized and not tuning.rank:
        raise InputError("4-bit weights cannot be trained without an adapter.", remedy="Give a rank above 0.")
