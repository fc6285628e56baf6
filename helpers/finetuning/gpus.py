"""GPUs for plans: their memory, and their operations a second in the number format of a run."""

from __future__ import annotations

from typing import NamedTuple

import torch

from helpers.errors import InputError


class Gpu(NamedTuple):
    """The figures of a GPU's data sheet."""

    memory: int  # GB
    operations: float  # operations a second in dense products
    dtype: torch.dtype = torch.bfloat16  # as `helpers.models.dtype_for` chooses


# From NVIDIA's data sheets, and for the RTX 4090 the white paper of its architecture (Ada). If they print figures
# for sparse weights (L4, H100 SXM), half of them is used. The T4's 65e12 are for float16, in which Gemma 3
# overflows. It has no bfloat16, so it computes in float32.
GPUS = {
    "T4": Gpu(16, 8.1e12, torch.float32),
    "L4": Gpu(24, 121e12),
    "RTX 4090": Gpu(24, 165e12),
    "A100 40 GB": Gpu(40, 312e12),
    "A100 80 GB": Gpu(80, 312e12),
    "H100 80 GB": Gpu(80, 989e12),
}
USABLE = 0.92  # share of a GPU's memory; the runtime and gaps between blocks take the rest
UTILISATION = 0.35  # share of the peak that training at batch 1 reaches at best; an assumption


def find_gpu(name: str) -> Gpu:
    """The GPU of `GPUS` by its name; raises `InputError` for another."""
    if name not in GPUS:
        raise InputError(
            f"This program has no figures for a GPU {name!r}.", remedy=f"Use one of {', '.join(GPUS)}."
        )
    return GPUS[name]
