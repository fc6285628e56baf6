"""Write a model and its adapter as one model."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.models.adapter_files import ADAPTER_RECORD, AdapterFiles, read_adapter
from helpers.models.hub import find_model, weight_bytes
from helpers.models.opening import load_model
from helpers.storage import existing, free_place, whole_folder, write_json

PACKAGES = ("medgemma-tutorials", "transformers", "peft", "torch")


def merge(
    model: str, adapter: str | os.PathLike[str], output: str | os.PathLike[str], *, token: str | None = None
) -> Path:
    """Write ``model`` with ``adapter`` merged into its weights, as one model.

    The merge runs on the CPU, never with 4-bit weights: in bfloat16, or in float32 for models under 1 GB
    (`helpers.models.adapters.merge_adapter` says what rounding loses). ``load_model`` can load the folder. It also
    holds the processor, and a ``training.json`` that names the model and the adapter. It appears when it is
    complete.

    Args:
        model: as for `helpers.models.load_model`, but not an endpoint.
        adapter: folder of the adapter.
        output: folder of the merged model; must not exist.
        token: Hugging Face token.

    Returns:
        ``output``.

    Raises:
        InputError: the output exists, the model or adapter cannot be loaded, they do not fit or cannot be merged,
            or memory or disk are too small.
    """
    model, output = os.fspath(model), free_place(output)
    if model.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "A served model has no weights on this machine.",
            path=model,
            remedy="Give the model's own name or folder.",
        )
    files = read_adapter(adapter)
    if not files.can_merge:
        raise InputError(
            "The adapter adds biases (lora_bias), but the layers of the model have none.",
            path=adapter,
            remedy="Do not merge the adapter: load it with --adapter, or load_model(..., adapter=...).",
        )
    folder = find_model(model, device="cpu", quantized=False, token=token)
    _check_disk(output, weight_bytes(folder))
    chat = load_model(model, adapter=adapter, device="cpu", token=token)
    if getattr(chat.model, "hf_quantizer", None) is not None:
        raise InputError(
            "The model's weights are quantized, so the sum of weights and adapter would be rounded coarsely.",
            path=model,
            remedy="Give the original model in bfloat16.",
        )
    if files.record.get("quantized"):
        print(
            "The adapter was trained with 4-bit weights, so the model may answer differently with weights "
            "of 16 bits. Score the merged model."
        )
    try:
        with whole_folder(output) as partial:
            chat.model.save_pretrained(partial)
            chat.processor.save_pretrained(partial)
            write_json(partial / ADAPTER_RECORD, files.record | {"merged": _made_of(model, files)})
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"The merged model cannot be written ({error}).", path=output, remedy="Choose a disk with more room."
        ) from error
    return output


def _made_of(model: str, adapter: AdapterFiles) -> dict[str, object]:
    """The record of a merged model's sources, without paths of this machine."""
    return {
        "base": Path(model).resolve().name if Path(model).is_dir() else model,
        "adapter": adapter.folder.absolute().name,
        "adapter_sha256": adapter.sha256(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _check_disk(output: Path, stored: int) -> None:
    # A small model is written in float32. The head of a large model may get weights of its own.
    needed = stored * (2 if stored < 1e9 else 1.2)
    free = shutil.disk_usage(existing(output)).free
    if free < needed:
        raise InputError(
            f"The merged model needs about {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free.",
            path=output,
            remedy="Free some space, or choose an output on a larger disk.",
        )
