"""Weights of 4 bits, and steps of fine-tuning beside the plan."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

from helpers.finetuning import Tuning, finetune, plan
from helpers.models import REAL_MODELS, ChatModel, encode_images, load_model
from helpers.prompts import Message
from tests.gpu.noise import pictures, prompt
from tests.gpu.records import Records


def four_bits(records: Records, chat: ChatModel) -> None:
    """NF4: memory, and how far image tokens turn with the tower in 4 bits too."""
    if not (records.on_gpu and importlib.util.find_spec("bitsandbytes")):
        records.note("four_bits", "left out", reason="needs a GPU and bitsandbytes")
        return
    images, processor = pictures(8), chat.processor.image_processor
    whole = encode_images(chat.model, processor, images)
    small, seconds, peak = records.measured(lambda: load_model(chat.name, quantized=True))
    held = small.model.get_memory_footprint() / 1e9
    records.note("four_bits", "load", seconds=seconds, peak_gb=peak, held_gb=held)
    for count in (16, 85, 126):
        messages = prompt(small, count)
        _, seconds, peak = records.measured(lambda m=messages, s=small: s.generate(m, 1))
        records.note("four_bits", f"{count} images", seconds=seconds, peak_gb=peak)
    apart = _cosine(whole, encode_images(small.model, processor, images))
    records.note("four_bits", "image tokens, tower whole", **apart)
    del small
    every = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForImageTextToText.from_pretrained(
        chat.name, quantization_config=every, device_map=records.device, dtype=torch.bfloat16
    )
    records.note(
        "four_bits", "image tokens, tower in 4 bits", **_cosine(whole, encode_images(model, processor, images))
    )


def _cosine(a: torch.Tensor, b: torch.Tensor) -> dict[str, float]:
    each = torch.nn.functional.cosine_similarity(a.float(), b.float(), dim=-1)
    return {"cosine_mean": float(each.mean()), "cosine_least": float(each.min())}


@dataclass
class Example:
    """A prompt of noise with an answer."""

    id: str
    messages: list[Message]
    options: tuple[str, ...] = ("yes", "no")
    answer: str = "Nothing is seen. Final Answer: no"

    @property
    def group(self) -> str:
        """One of its own."""
        return self.id


def training(records: Records, chat: ChatModel) -> None:
    """Two steps of LoRA and of QLoRA, with 16 and 85 slices, beside what the plan counts."""
    folder = chat.name
    can_quantize = records.on_gpu and importlib.util.find_spec("bitsandbytes")
    for quantized in (False, True) if can_quantize else (False,):
        for slices in (16, 85) if records.on_gpu else (1,):
            if records.seconds_left < 40 and records.on_gpu:
                records.note("training", f"{slices} slices", reason="no time is left")
                continue
            tuned = load_model(folder, device=records.device, quantized=quantized)
            examples = [Example(f"e{k}", prompt(tuned, slices)) for k in range(2)]
            settings = Tuning(epochs=1, batch_size=1, dropout=0.0)
            with tempfile.TemporaryDirectory() as scratch:
                _, seconds, peak = records.measured(
                    lambda t=tuned, e=examples, s=settings, f=scratch: finetune(t, e, [], Path(f, "adapter"), s)
                )
            counted = plan(REAL_MODELS[0], 2, slices, settings, quantized=quantized, text_tokens=8 * slices + 60)
            weights = tuned.model.get_memory_footprint() / 1e9
            records.note(
                "training",
                f"{'QLoRA' if quantized else 'LoRA'}, {slices} slices, 2 steps",
                seconds=seconds,
                peak_with_weights_gb=None if peak is None else peak + weights,
                plan_gb=counted.total / 1e9,
            )
            del tuned
