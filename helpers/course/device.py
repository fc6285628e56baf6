"""Find the device that models run on, and estimate how long a model takes on it.

`look` is called in a process of its own: a torch that crashes while it is imported then ends that process alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers.prompts import MAX_SLICES


def look(weights: Mapping[str, int]) -> dict[str, Any]:
    """Describe what torch finds on this machine.

    Args:
        weights: bytes of the bfloat16 weights of each model.

    Returns:
        Plain data: "device", "fits" (of each model, whether 85 slices fit, in words), "time_of_4b", and
        "problem", a sentence where torch does not import, otherwise None.
    """
    try:
        import torch
    except Exception as error:  # a damaged install raises many kinds of errors
        return unknown(weights, f"{type(error).__name__}: {error}")
    device = _device(torch)
    fits = {name: _fit(size, device["kind"]) for name, size in weights.items()}
    return {"device": device, "fits": fits, "time_of_4b": _time(device), "problem": None}


def unknown(weights: Mapping[str, int], why: str) -> dict[str, Any]:
    """The same description if torch cannot be imported."""
    return {
        "device": {"kind": "unknown", "description": "unknown: torch does not import"},
        "fits": dict.fromkeys(weights, "whether it fits is unknown"),
        "time_of_4b": {},
        "problem": f"torch does not import ({why}).",
    }


def _device(torch: Any) -> dict[str, Any]:
    """The device: "cuda", "mps" or "cpu", and what is known of it."""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name, runtime = torch.cuda.get_device_name(), torch.version.cuda or torch.version.hip
        text = f"{name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, CUDA {runtime}"
        more = torch.cuda.device_count() - 1
        return {
            "kind": "cuda",
            "description": text + (f", and {more} more" if more else ""),
            "name": name,
            "free_gb": round(free / 1e9, 1),
            "total_gb": round(total / 1e9, 1),
            "runtime": runtime,
        }
    if torch.backends.mps.is_available():
        return {"kind": "mps", "description": "Apple MPS, which shares the machine's memory"}
    built = "this torch is a CPU build" if not torch.version.cuda else "torch finds no driver or device for CUDA"
    return {"kind": "cpu", "description": f"none ({built})"}


def _fit(weights: int, kind: str) -> str:
    """Whether ``weights`` bytes of bfloat16 weights fit, and whether they fit in 4 bits, which needs CUDA."""
    from helpers.models import memory_for

    whole = memory_for(weights, kind, quantized=False)
    text = f"bfloat16 needs {whole.needed_gb:.1f} GB for 85 slices: {'fits' if whole.fits else 'does not fit'}"
    if kind == "cuda":
        small = memory_for(weights, kind, quantized=True)
        text += f"; 4-bit needs {small.needed_gb:.1f} GB: {'fits' if small.fits else 'does not fit'}"
    return text


def _time(device: Mapping[str, Any]) -> dict[str, Any]:
    """How long a volume takes on this device, and how this was computed; empty if it is not known."""
    from helpers.course.model_time import HARDWARE, MEDGEMMA_4B, likely, measured_speed, minutes_on_cpu

    if device["kind"] == "mps":
        return {"text": "nobody has measured a time on MPS, or compared its answers with those of another device"}
    if device["kind"] == "cpu":
        speed = measured_speed()
        volume, image = (minutes_on_cpu(speed, images) for images in (MAX_SLICES, 1))
        return {
            "text": f"about {_minutes(volume)} on this CPU for {MAX_SLICES} slices, {_minutes(image)} for one "
            "image, before the first word; computed from a matrix product and an attention measured just now "
            f"({speed.products / 1e9:.0f} and {speed.attention / 1e9:.0f} billion operations a second)",
            "minutes_for_85_slices": round(volume, 1),
            "minutes_for_one_image": round(image, 2),
        }
    words = device["name"].replace("-", " ").split()
    for gpu in HARDWARE:
        if gpu.name.split()[0] in words:
            found = likely(MEDGEMMA_4B, gpu)
            before = found.vision + found.reading
            return {
                "text": (
                    f"about {before:.0f} s for {MAX_SLICES} slices, {found.writing:.1f} s for 60 tokens of "
                    f"an answer; estimated for transformers from the data sheet of the {gpu.name}, not "
                    "measured"
                ),
                "seconds_for_85_slices": round(before, 1),
            }
    return {}


def _minutes(value: float) -> str:
    """Minutes in words, with two digits, because an estimate is not more exact."""
    if value >= 90:
        return f"{value / 60:.1f} hours"
    return f"{value:.0f} minutes" if value >= 1.5 else f"{60 * value:.0f} seconds"
