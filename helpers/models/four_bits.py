"""Settings to load weights of a model in 4 bits (NF4, Dettmers et al., QLoRA, arXiv:2305.14314)."""

from __future__ import annotations

from typing import Any

import torch

from helpers.errors import InputError

# These parts are not loaded in 4 bits, so that image tokens stay as adapters were trained on them, and because the
# head shares its weights with the embeddings. They are a tenth of the weights.
KEPT_WHOLE = [r".*vision_tower", r".*multi_modal_projector", r".*lm_head"]


def four_bit_settings(dtype: torch.dtype) -> Any:
    """The settings with which ``from_pretrained`` loads weights in 4 bits and multiplies them in ``dtype``.

    The 4-bit values are stored inside numbers of ``dtype``, because FSDP can only shard weights of one format
    (peft's guide to QLoRA with FSDP). Raises `InputError` if bitsandbytes is missing.
    """
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise InputError(
            "4-bit weights need the package bitsandbytes.", remedy="Run: pip install bitsandbytes"
        ) from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype,
        llm_int8_skip_modules=KEPT_WHOLE,
    )
