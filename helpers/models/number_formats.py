"""Choose the number format in which a device computes Gemma 3, and refuse results that are not numbers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor

from helpers.errors import InputError

# GPUs from this compute capability on can multiply bfloat16. Older ones (T4, V100) only emulate it, although torch
# says that they support it. Attention then stores a number for each pair of tokens: 2.2 GB for an image and 40 GB
# for a volume.
BFLOAT16_CAPABILITY = (8, 0)


def computes_bfloat16(device: str) -> bool:
    """Whether a device computes bfloat16 without emulation: all devices but CUDA GPUs before capability 8."""
    return not device.startswith("cuda") or torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY


def dtype_for(device: str, asked: torch.dtype | None, *, small: bool, name: str) -> torch.dtype:
    """The number format that a Gemma 3 is loaded in.

    The default is bfloat16, in which Gemma 3 was trained, and float32 for small models and on GPUs without
    bfloat16. There, ``quantized`` weights of 4 bits are multiplied in float32.

    Args:
        device: "cuda", "cuda:1", "mps" or "cpu".
        asked: the format that the caller asks for, or None.
        small: under 1 GB of weights.
        name: of the model, for errors.

    Raises:
        InputError: float16 was asked for, in which the values of Gemma 3 overflow
            (github.com/huggingface/transformers, issue 36822), or bfloat16 on a GPU that emulates it.
    """
    if asked is torch.float16:
        raise InputError(
            "float16 ends at 65,504, but values inside Gemma 3 are larger, so its results would not be numbers.",
            path=name,
            remedy="Leave out dtype. The program then chooses bfloat16, or float32 where the GPU has no bfloat16.",
        )
    native = computes_bfloat16(device)
    if asked is torch.bfloat16 and not native and not small:
        major, minor = torch.cuda.get_device_capability(device)
        raise InputError(
            f"This GPU (compute capability {major}.{minor}) only emulates bfloat16, so a volume would "
            "need over 40 GB.",
            path=name,
            remedy="Leave out dtype, so that the model computes in float32. With quantized=True, its weights "
            "take 4 bits.",
        )
    if asked is not None:
        return asked
    return torch.float32 if small or not native else torch.bfloat16


def not_numbers(name: str, dtype: torch.dtype) -> InputError:
    """The error for results that are NaN or infinite, which must not be used."""
    return InputError(
        f"The model's results are not numbers (NaN or infinity), computed in {str(dtype).removeprefix('torch.')}.",
        path=name,
        remedy="Load the model with dtype=torch.float32. If the results are still not numbers, the weights "
        "or the adapter are damaged.",
    )


def check_numbers(values: torch.Tensor, name: str) -> torch.Tensor:
    """Return ``values``. Raises `not_numbers` if one of them is NaN or infinite."""
    if not torch.isfinite(values).all():
        raise not_numbers(name, values.dtype)
    return values


class NumbersOnly(LogitsProcessor):
    """Watches the logits in ``generate`` for NaN and infinity, without waiting for the device at every token.

    The first token is checked immediately, because a broken model writes only padding after it. `check` checks all
    others at the end. ``dtype`` is the format in which the model computes; transformers converts its logits to
    float32.
    """

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.name, self.dtype = name, dtype
        self._broken: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Look at the logits ``scores`` of the next token, and give them back as they are."""
        broken = scores.isnan().any() | scores.isposinf().any()  # minus infinity marks words that are not allowed
        if self._broken is None:
            self._broken = broken
            self.check()
        self._broken |= broken
        return scores

    def check(self) -> None:
        """Raise `not_numbers` if any logits were not numbers."""
        if self._broken is not None and bool(self._broken):
            raise not_numbers(self.name, self.dtype)


def name_of(model: Any) -> str:
    """The name or folder that a model of transformers was loaded from."""
    return str(getattr(model.config, "_name_or_path", "") or type(model).__name__)
