"""Identify the model that answers: by its name, its weights or its address, and its generation settings.

A name alone is not enough: adapters of two trainings may be in folders with one name, and two servers may differ
only in their port.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.evaluation.marks import Answer
from helpers.models import STANDIN, STANDIN_FOLDER, adapted_name

if TYPE_CHECKING:
    import torch

WHOLE = 1 << 20  # tensors up to this many values, and files up to this many bytes, are hashed completely
SAMPLE = 4096  # of a larger tensor this many values, of a larger file blocks of this many bytes
BLOCKS = 256
# Generation settings that change no answer.
_SAME_ANSWERS = {
    "transformers_version",
    "_from_model_config",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
}


def asked_model(chat: Any) -> Answer:
    """A loaded or a served model as JSON has it: name, weights, generation settings, address and image format.

    The weights are those in memory, with adapters and 4-bit formats, rounded to bfloat16. So a model counts as the
    same in float32 and in bfloat16, but as another one with an adapter, merged or not. A model that has none of
    these facts is identified by its name.
    """
    import torch  # only where a model is loaded: the notebook that starts workers needs neither

    from helpers.models import VllmModel

    about: Answer = {"name": chat.name}
    model = getattr(chat, "model", None)
    if isinstance(model, torch.nn.Module):
        about["weights"] = weights_hash(model.named_parameters())
        if (settings := getattr(model, "generation_config", None)) is not None:
            kept = settings.to_diff_dict()
            about["generation"] = {name: kept[name] for name in sorted(kept.keys() - _SAME_ANSWERS)}
    elif isinstance(chat, VllmModel):
        about["weights"] = folder_hash(Path(chat.llm.llm_engine.model_config.model))
    names = ("url", "served", "image_format", "quality", "revision")
    return about | {name: getattr(chat, name) for name in names if hasattr(chat, name)}


def model_to_load(name: str, adapter: str | os.PathLike[str] | None = None) -> Answer:
    """The same facts about a model that workers will load, from the files on this machine.

    A name on Hugging Face stands for itself.
    """
    about: Answer = {"name": adapted_name(name, adapter)}
    folder = STANDIN_FOLDER if name == STANDIN else Path(name)
    if folder.is_dir():
        about["weights"] = folder_hash(folder)
    if adapter is not None and Path(adapter).is_dir():
        about["adapter"] = folder_hash(Path(adapter))
    return about


def weights_hash(weights: Iterable[tuple[str, torch.Tensor]]) -> str:
    """A hash of 16 letters for named weights. Of a tensor over `WHOLE` values, it uses a sample from all parts."""
    import torch

    digest = hashlib.sha256()
    for name, weight in sorted(weights, key=lambda named: named[0]):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        if weight.is_meta:  # its values are elsewhere, for example on a disk
            continue
        flat = weight.detach().flatten()
        if len(flat) > WHOLE:
            flat = flat[:: len(flat) // SAMPLE | 1]  # an odd step visits all columns of a matrix
        if flat.is_floating_point():
            flat = flat.to(torch.bfloat16)
        digest.update(flat.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def folder_hash(folder: Path) -> str:
    """A hash of 16 letters for the weights and settings in a folder. Of a file over `WHOLE`, it uses blocks."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix not in (".safetensors", ".json", ".jinja", ".model") or not file.is_file():
            continue
        size = file.stat().st_size
        digest.update(json.dumps([file.name, size]).encode())
        with file.open("rb") as stream:
            digest.update(stream.read(WHOLE))  # the header of weights has their names and shapes
            for k in range(BLOCKS if size > WHOLE else 0):
                stream.seek(WHOLE + (size - WHOLE) * k // BLOCKS)
                digest.update(stream.read(SAMPLE))
    return digest.hexdigest()[:16]
