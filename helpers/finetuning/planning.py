"""What a fine-tuning run would need, before anything is spent: memory in parts, steps and hours, and what fits.

Computed, not measured on the real model: parameters and activations are counted on torch's meta device, where a
model has shapes and no numbers, so the count follows the model's own code. A test compares it with what is really
kept on small models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, Gemma3Config, Gemma3ForConditionalGeneration
from transformers.quantizers.quantizers_utils import should_convert_module

from helpers.errors import InputError
from helpers.finetuning.tuning import Tuning, lora_config, with_frozen_vision
from helpers.models import KEPT_WHOLE, REAL_MODELS, STANDIN, STANDIN_FOLDER
from helpers.prompts import CONTEXT_BUDGET

# name: memory in GB, dense bfloat16 operations a second, both from the makers' data sheets
GPUS = {"L4": (24, 121e12), "A100 40 GB": (40, 312e12), "A100 80 GB": (80, 312e12), "H100 80 GB": (80, 989e12)}
USABLE = 0.92  # of a GPU's memory: the rest is the runtime's and lost between blocks
UTILISATION = 0.35  # of the peak, which training at batch 1 reaches at best; an assumption
LONGEST_MEASURED = 4096  # tokens; above, what grows with them is extended in proportion


@dataclass(frozen=True)
class Plan:
    """Bytes by part, and the work, of one run."""

    model: str
    tokens: int  # of one example
    memory: dict[str, int]  # bytes
    steps: int
    operations: float

    @property
    def total(self) -> int:
        """Bytes of GPU memory."""
        return sum(self.memory.values())

    def fits(self, gpu: str) -> bool:
        """Whether a GPU of `GPUS` has that much."""
        return self.total <= USABLE * GPUS[gpu][0] * 1e9

    def hours(self, gpu: str) -> float:
        """Hours on that GPU, at the assumed share of its peak."""
        return self.operations / (UTILISATION * GPUS[gpu][1]) / 3600

    def __str__(self) -> str:
        """A table for a notebook."""
        lines = [f"{self.model}: {self.tokens:,} tokens an example, {self.steps:,} steps. Computed, not measured."]
        lines += [f"  {part:34s} {n / 1e9:7.2f} GB" for part, n in self.memory.items()]
        lines.append(f"  {'together':34s} {self.total / 1e9:7.2f} GB")
        for gpu in GPUS:
            verdict = f"fits, about {self.hours(gpu):.1f} hours" if self.fits(gpu) else "does not fit"
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
    """Estimate a run on one GPU with gradient checkpointing, the images encoded once.

    Args:
        model: a name that `helpers.models.load_model` knows; a folder is not looked into.
        examples: of the training set.
        slices: images of an example.
        tuning: the settings; by default `Tuning()`.
        quantized: whether the weights are 4-bit NF4.
        text_tokens: the question, labels of slices and image wrappers of one prompt; about 6 a slice and 60.
        answer_tokens: of one answer.

    Raises:
        InputError: a prompt over the budget, full tuning of 4-bit weights, an unknown model.
    """
    tuning, config = tuning or Tuning(), model_config(model)
    tokens = slices * config.mm_tokens_per_image + text_tokens + answer_tokens
    if slices * config.mm_tokens_per_image > CONTEXT_BUDGET:
        raise InputError(
            f"{slices} slices are over the budget of {CONTEXT_BUDGET:,} tokens.", remedy="Use fewer slices."
        )
    if quantized and not tuning.rank:
        raise InputError("4-bit weights cannot be trained themselves.", remedy="Give a rank above 0.")
    text = config.text_config
    layer, _ = activation_bytes(config, min(tokens, LONGEST_MEASURED), tuning, torch.bfloat16)
    layer *= tokens / min(tokens, LONGEST_MEASURED)
    trained = trained_parameters(config, tuning)
    memory = {
        "weights": weight_bytes(config, quantized),
        "trained: weights, gradients, Adam": trained * (16 if tuning.rank else 14),
        "kept at each layer": text.num_hidden_layers * tokens * text.hidden_size * 2 * tuning.at_once,
        "one layer, recomputed": round(layer) * tuning.at_once,
        "attention masks": 2 * tokens**2 * 2 * tuning.at_once,  # of sliding and of full layers, bfloat16
        "logits of the answer": 3 * answer_tokens * text.vocab_size * 4 * tuning.at_once,
        "runtime": 1_000_000_000,
    }
    # Forward, forward again for the checkpoints, backward through activations (and weights, in full tuning).
    passes = 3 if tuning.rank else 4
    attention = 4 * text.num_attention_heads * text.head_dim * text.num_hidden_layers * tokens**2
    forward = 2 * _language_parameters(config) * tokens + attention
    steps = math.ceil(examples / tuning.batch_size) * tuning.epochs
    return Plan(model, tokens, memory, steps, passes * forward * examples * tuning.epochs)


def model_config(model: str) -> Gemma3Config:
    """The configuration of a model by name; that of MedGemma 4B, whose own is gated, is Gemma 3 4B's."""
    if model == STANDIN:
        return Gemma3Config.from_pretrained(STANDIN_FOLDER)
    if model not in REAL_MODELS:
        raise InputError(
            f"There is no plan for {model!r}.", remedy=f"Use one of {', '.join((STANDIN, *REAL_MODELS))}."
        )
    return Gemma3Config(
        mm_tokens_per_image=256,
        text_config={
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 34,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "vocab_size": 262208,
            "sliding_window": 1024,
        },
        vision_config={
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "image_size": 896,
            "patch_size": 14,
            "vision_use_head": False,
        },
    )


def weight_bytes(config: Gemma3Config, quantized: bool) -> int:
    """Bytes of the weights: 2 a parameter.

    With NF4 half a byte in the linear layers of the language model, and for 64 of them a scale of a byte and its
    share of a float32 for 256 scales (Dettmers et al., QLoRA, arXiv:2305.14314).
    """
    model = _on_meta(config)
    linear = sum(
        m.weight.numel()
        for name, m in model.named_modules()
        if isinstance(m, torch.nn.Linear) and should_convert_module(name, KEPT_WHOLE)
    )
    everything = sum(p.numel() for p in model.parameters())
    four_bits = 0.5 + 1 / 64 + 4 / (64 * 256)
    return round(linear * four_bits + (everything - linear) * 2) if quantized else everything * 2


def trained_parameters(config: Gemma3Config, tuning: Tuning) -> int:
    """How many numbers are trained."""
    model = _on_meta(config)
    trained = _with_lora(model, tuning) if tuning.rank else with_frozen_vision(model)
    return sum(p.numel() for p in trained.parameters() if p.requires_grad)


def activation_bytes(config: Gemma3Config, tokens: int, tuning: Tuning, dtype: torch.dtype) -> tuple[int, int]:
    """Bytes that autograd keeps for one example without checkpointing: of one layer, and of all else."""
    one, two = (_kept(config, layers, tokens, tuning, dtype) for layers in (1, 2))
    return two - one, one - (two - one)


def _kept(config: Gemma3Config, layers: int, tokens: int, tuning: Tuning, dtype: torch.dtype) -> int:
    short = Gemma3Config.from_dict(config.to_dict())
    short.text_config.num_hidden_layers = layers
    short.text_config.layer_types = ["full_attention"] * layers
    model = _on_meta(short).to(dtype)
    model.set_attn_implementation("counted")
    model = (_with_lora(model, tuning) if tuning.rank else model).train()
    embedded = torch.empty(1, tokens, short.text_config.hidden_size, device="meta", dtype=dtype)
    with SavedBytes(model) as saved:
        model.get_base_model().model.language_model(inputs_embeds=embedded) if tuning.rank else (
            model.model.language_model(inputs_embeds=embedded)
        )
    return saved.bytes


def _fused_attention(layer: Any, query: Any, key: Any, value: Any, mask: Any, **_: Any) -> tuple[Any, None]:
    """Attention by a fused kernel, as on a GPU: it keeps what comes in and goes out, and one number a row.

    Left to itself, torch takes on the meta device one that keeps all weights of attention.
    """
    key, value = (x.repeat_interleave(layer.num_key_value_groups, dim=1) for x in (key, value))
    out, _ = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value)
    return out.transpose(1, 2), None


AttentionInterface.register("counted", _fused_attention)


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that autograd keeps for the backward pass, each storage once, the weights left out."""

    def __init__(self, model: Any) -> None:
        self.bytes = 0
        self._storages = {p.untyped_storage()._cdata: None for p in model.parameters()}
        super().__init__(self._pack, lambda tensor: tensor)

    def __enter__(self) -> SavedBytes:
        """Count what is kept from here on."""
        super().__enter__()
        return self

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            self._storages[storage._cdata] = tensor  # held, so that its address is not used again
            self.bytes += storage.nbytes()
        return tensor


def _on_meta(config: Gemma3Config) -> Any:
    with torch.device("meta"):
        return Gemma3ForConditionalGeneration(config)


def _with_lora(model: Any, tuning: Tuning) -> Any:
    from peft import get_peft_model

    return get_peft_model(model, lora_config(tuning))


def _language_parameters(config: Gemma3Config) -> int:
    model = _on_meta(config)
    return sum(p.numel() for n, p in model.named_parameters() if "language_model.layers" in n)
