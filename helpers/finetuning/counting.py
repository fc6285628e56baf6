"""Count a model's weights, the trained part of them, and its operations, from the shapes of the model."""

from __future__ import annotations

import math

import torch
from transformers import Gemma3Config
from transformers.quantizers.quantizers_utils import should_convert_module

from helpers.errors import InputError
from helpers.finetuning.tracing import on_meta, weights_dtype
from helpers.finetuning.tuning import Tuning, to_train
from helpers.models import KEPT_WHOLE, REAL_MODELS, STANDIN, STANDIN_FOLDER

NF4_TABLES = 1092  # bytes of bitsandbytes' tables for each matrix: 16 and 256 float32 levels, and an offset


def model_config(model: str) -> Gemma3Config:
    """The configuration of a model by name. MedGemma 4B's own is gated, so this uses the one of Gemma 3 4B."""
    if model == STANDIN:
        return Gemma3Config.from_pretrained(STANDIN_FOLDER)
    if model not in REAL_MODELS:
        known = (STANDIN, *REAL_MODELS)
        remedy = f"Use one of {', '.join(known)}."
        if (base := model.partition("+")[0]) in known:  # `helpers.models.adapted_name`
            remedy = f"Merge the adapter first (medgemma-tutorials merge), and plan with {base}."
        raise InputError(f"This program cannot plan the training of {model!r}.", remedy=remedy)
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


def weight_bytes(config: Gemma3Config, quantized: bool, width: int = 2) -> int:
    """Bytes of the weights: ``width`` a parameter.

    With NF4, a number in the linear layers of the language model takes half a byte. Each 64 numbers also have a
    scale of one byte, and each 256 scales have a float32 (Dettmers et al., QLoRA, arXiv:2305.14314). The type in
    which they are stored does not matter.
    """
    model = on_meta(config)
    everything = sum(p.numel() for p in model.parameters())
    if not quantized:
        return everything * width
    linear = [
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and should_convert_module(name, KEPT_WHOLE)
    ]
    return sum(map(nf4_bytes, linear)) + (everything - sum(linear)) * width


def nf4_bytes(numbers: int) -> int:
    """Bytes of one matrix in NF4 with double quantisation."""
    scales = math.ceil(numbers / 64)
    return math.ceil(numbers / 2) + scales + 4 * math.ceil(scales / 256) + NF4_TABLES


def trained_parameters(config: Gemma3Config, tuning: Tuning) -> int:
    """The number of trained parameters."""
    return sum(p.numel() for p in to_train(on_meta(config), tuning).parameters() if p.requires_grad)


def trained_bytes(config: Gemma3Config, tuning: Tuning, dtype: torch.dtype) -> int:
    """Bytes of the numbers that are trained, their gradients, and Adam's two averages of each.

    An adapter is float32, also around 4-bit weights. A whole copy of embeddings and head has the model's type
    ``dtype``. In full tuning, the trained numbers are the weights, which are not counted here.
    """
    model = to_train(on_meta(config, weights_dtype(tuning, dtype)), tuning)
    kinds = 4 if tuning.rank else 3
    return sum(kinds * p.dtype.itemsize * p.numel() for p in model.parameters() if p.requires_grad)


def language_operations(config: Gemma3Config, tokens: int, tuning: Tuning) -> float:
    """Operations of one example's step: forward, forward again for the checkpoints, backward.

    The backward pass takes as much as the forward pass for weights that are not trained, twice as much for trained
    weights, and two and a half times as much for attention, which computes all pairs of tokens in spite of masks.
    """
    text = config.text_config
    weights = sum(p.numel() for n, p in on_meta(config).named_parameters() if "language_model.layers" in n)
    attention = 4 * text.num_attention_heads * text.head_dim * text.num_hidden_layers * tokens**2
    return (3 if tuning.rank else 4) * 2 * weights * tokens + 4.5 * attention


def tower_operations(config: Gemma3Config) -> tuple[float, float]:
    """Operations of one image in vision tower and projector: in products with weights, and in attention."""
    vision = config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    weights = sum(p.numel() for n, p in on_meta(config).named_parameters() if "encoder.layers" in n)
    return 2 * weights * patches, 4 * vision.hidden_size * vision.num_hidden_layers * patches**2
