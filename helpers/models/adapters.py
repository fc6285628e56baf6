"""Adapters: small trained matrices beside a model's own weights, and the check that they belong to it."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from helpers.errors import InputError

ADAPTER_RECORD = "training.json"  # in an adapter's folder: what it was trained on, and how


def put_adapter(model: Any, adapter: str | Path) -> Any:
    """The model with a PEFT adapter on top.

    Raises `InputError` when there is no adapter in that folder, or it was trained on other weights: on a model of
    other shapes, or of the same shapes, as MedGemma 1 and 1.5 have, by the fingerprint kept with it.
    """
    adapter = Path(adapter)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        if not (adapter / file).is_file():
            raise InputError(f"There is no adapter here (no {file}).", path=adapter, remedy="Give its folder.")
    try:
        from peft import PeftModel, get_peft_model_state_dict
    except ImportError as error:
        raise InputError("An adapter needs peft.", remedy="Run: pip install peft") from error
    record = (
        json.loads((adapter / ADAPTER_RECORD).read_text("utf-8")) if (adapter / ADAPTER_RECORD).is_file() else {}
    )
    misfit = InputError(
        "The adapter does not fit this model.",
        path=adapter,
        remedy=f"Load the model that it was trained on ({record.get('base', 'named in adapter_config.json')}).",
    )
    if record and record["base_fingerprint"] != fingerprint(model):
        raise misfit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what peft warns of is checked below
            adapted = PeftModel.from_pretrained(model, adapter)
    except (RuntimeError, ValueError) as error:
        raise misfit from error
    # peft passes over weights for layers that the model does not have.
    with safe_open(adapter / "adapter_model.safetensors", "pt") as weights:
        if set(weights.keys()) != set(get_peft_model_state_dict(adapted, save_embedding_layers=False)):
            raise misfit
    return adapted


def adapted_name(model: str, adapter: str | os.PathLike[str] | None) -> str:
    """What a model is called with an adapter on top, or without one: answers are kept by that name."""
    return model if adapter is None else f"{model}+{Path(adapter).name}"


def fingerprint(model: Any) -> str:
    """A hash of a model's norm weights: the same in float32, bfloat16 and 4 bits, another for another model.

    Norms are never quantized, and rounding them to bfloat16 forgets in which precision they were loaded.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        if "norm" in name and "lora_" not in name and weight.dim() == 1:
            digest.update(weight.detach().to("cpu", torch.bfloat16).view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:16]
