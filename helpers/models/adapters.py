"""Put an adapter (small trained matrices) beside the weights of a model, or merge it into them."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from helpers.errors import InputError
from helpers.models.adapter_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterFiles, release

FORMATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
DAMAGE = (SafetensorError, re.error)  # weights that are cut off, or a broken pattern of layer names
# Parts of weights' names that differ between versions of transformers.
_PREFIXES = {"base_model", "model", "language_model", "vision_model"}


def put_adapter(model: Any, adapter: AdapterFiles, name: str) -> Any:
    """Put an adapter beside the weights of the model called ``name``; returns a ``PeftModel``.

    This checks that every tensor of the adapter's file is in the model unchanged (in the number format of the
    model), in its own layer, and that the model has no other adapter tensors.

    Raises `InputError` if this is not so, if the adapter holds values that are not numbers, or if it was trained
    on other weights. These may have other shapes. If they have the same shapes, as in MedGemma 1 and 1.5, the
    fingerprint or the name in the adapter's files tells.
    """
    check_base(adapter, name, fingerprint(model))
    # An adapter with a record was checked above: it belongs to these weights.
    if not adapter.record and adapter.sha256()[:16] in (getattr(model.config, "merged_adapters", None) or ()):
        raise InputError(
            f"The adapter is already merged into the weights of {name}, and would be applied twice.",
            path=adapter.folder,
            remedy="Leave out the adapter, or give the model without it.",
        )
    config = _peft_config(adapter)
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the checks below replace peft's warnings
            adapted = PeftModel.from_pretrained(model, adapter.folder, config=config)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError, OSError, *DAMAGE) as error:
        # torch writes a line for every tensor. The first line tells nothing.
        said = str(error).strip().splitlines() or [type(error).__name__]
        said = [f"it has no {error}"] if isinstance(error, KeyError) else said
        raise misfit(adapter, said[-1].strip().rstrip(".")[:300]) from error
    _check_exact(adapted, adapter)
    return adapted


def merge_adapter(adapted: Any, adapter: AdapterFiles) -> Any:
    """Merge an adapter into its model's weights. Returns the plain model; ``adapted`` cannot be used any more.

    A separate adapter adds only one percent to the arithmetic of a token, but it adds half as many operations, and
    a GPU waits for each operation. The sums are computed in float32, one layer at a time, and rounded once to the
    format of the weights. In bfloat16, updates that are far smaller than a weight are lost. The model's settings
    note the adapter, so the `fingerprint` changes.

    Raises `InputError` if a sum is not a number.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    base = adapted.get_base_model()
    _untie(base)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of merged layers (checked below) and tied ones (above)
            for layer in adapted.modules():
                if isinstance(layer, BaseTunerLayer):
                    inner = layer.get_base_layer()
                    dtype = inner.weight.dtype
                    inner.to(torch.float32)
                    layer.merge(safe_merge=True)
                    inner.to(dtype)
            merged = adapted.merge_and_unload(safe_merge=True)
    except ValueError as error:  # raised by peft's own check
        raise misfit(adapter, f"the merged weights are not finite numbers: {error}") from error
    if not _tied(merged):
        merged.config.tie_word_embeddings = merged.config.get_text_config().tie_word_embeddings = False
    done = [*(getattr(merged.config, "merged_adapters", None) or ()), adapter.sha256()[:16]]
    merged.config.merged_adapters = done
    return merged


def fingerprint(model: Any) -> str:
    """A hash of a model's norm weights. It is the same in float32, bfloat16 and 4 bits, and differs between
    models.

    Norms are never quantized. They are rounded to bfloat16, so that the precision in which they were loaded does
    not matter. Adapters seldom change norms, so the hash also includes the names of merged adapters.
    """
    norms = [(name, weight) for name, weight in model.named_parameters() if "norm" in name and weight.dim() == 1]
    return _digest([one for one in norms if "lora_" not in one[0]], getattr(model.config, "merged_adapters", None))


def folder_fingerprint(folder: Path) -> str:
    """The `fingerprint` of a saved model, without loading it."""
    norms = []
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - it is not a dict
                if "norm" in name and len(weights.get_slice(name).get_shape()) == 1:
                    norms.append((name, weights.get_tensor(name)))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return _digest(norms, config.get("merged_adapters"))


def _digest(norms: Sequence[tuple[str, torch.Tensor]], merged: Sequence[str] | None) -> str:
    digest = hashlib.sha256()
    for _, weight in sorted(norms, key=lambda named: named[0]):
        digest.update(weight.detach().to("cpu", torch.bfloat16).view(torch.int16).numpy().tobytes())
    for adapter in merged or ():
        digest.update(adapter.encode())
    return digest.hexdigest()[:16]


def misfit(adapter: AdapterFiles, why: str) -> InputError:
    """The error for an adapter that a model cannot take as it was trained."""
    base = adapter.base or "the adapter's files do not name it"
    remedy = f"Load the model that it was trained on ({base}), or copy the adapter again."
    if "+" in base:
        remedy = (
            f"Merge the model that the adapter was trained on ({base}) with medgemma-tutorials merge, and "
            "give the merged folder."
        )
    return InputError(f"The adapter does not fit this model: {why}.", path=adapter.folder, remedy=remedy)


def check_base(adapter: AdapterFiles, name: str, print_of_base: str) -> None:
    """Raise `InputError` if the adapter has another base model. Print a line if only its name can tell."""
    if adapter.record:
        if adapter.record["base_fingerprint"] != print_of_base:
            raise misfit(adapter, "it was trained on other weights")
        return
    ours, its = release(name), release(adapter.base)
    if ours and its and ours != its:  # models of one size have the same shapes
        raise misfit(adapter, "it was trained on another release of MedGemma")
    if adapter.base.rstrip("/").rpartition("/")[2] != name.rstrip("/").rpartition("/")[2]:
        trained = (
            f"was trained on {adapter.base!r}"
            if adapter.base
            else "does not state the model that it was trained on"
        )
        print(f"{adapter.folder.name} {trained}, and its files do not show whether {name} is the same model.")


def _peft_config(adapter: AdapterFiles) -> Any:
    """The adapter's settings for peft. Raises `InputError` for a setting that this version does not know."""
    try:
        from peft import PeftConfig, __version__
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    except ImportError as error:
        raise InputError("Loading an adapter needs the package peft.", remedy="Run: pip install peft") from error
    settings = dict(adapter.config)
    kind = PEFT_TYPE_TO_CONFIG_MAPPING.get(settings["peft_type"], PeftConfig)
    known = {one.name for one in fields(kind)}
    unknown = sorted(key for key in settings if settings[key] and key not in {*known, "peft_version"})
    if unknown:
        raise InputError(
            f"peft {__version__} does not know the adapter's settings {', '.join(unknown)}.",
            path=adapter.folder / ADAPTER_CONFIG,
            remedy=f"Update peft (the adapter was saved by {settings.get('peft_version', 'another version')}).",
        )
    # A task only adds heads to a model; auto_mapping names a package to import.
    settings |= {"task_type": "CAUSAL_LM", "auto_mapping": None, "inference_mode": True}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind(**{key: value for key, value in settings.items() if key in known})
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise InputError(
            f"The adapter's settings cannot be used ({error}).",
            path=adapter.folder / ADAPTER_CONFIG,
            remedy="Copy the adapter's folder again.",
        ) from error


def _check_exact(adapted: Any, adapter: AdapterFiles) -> None:
    """Raise `InputError` unless every tensor of the adapter in the model equals that of the file."""
    from peft import get_peft_model_state_dict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        # If embeddings are adapted, a file may also hold the embeddings of the base model.
        there = own | get_peft_model_state_dict(adapted, save_embedding_layers=True)
    wanted, there = {_place(key) for key in own}, {_place(key): value for key, value in there.items()}
    found: set[str] = set()
    with safe_open(adapter.folder / ADAPTER_WEIGHTS, "pt") as weights:
        for key in adapter.names:
            place, value = _place(key), weights.get_tensor(key)
            if place in found:
                raise misfit(adapter, f"two of its tensors are for {place}")
            found.add(place)
            if place not in there:
                raise misfit(adapter, f"the model has no place for {key}")
            if value.dtype not in FORMATS:
                raise misfit(adapter, f"{key} has the type {value.dtype}, which adapters do not use")
            if not torch.isfinite(value).all():
                raise InputError(
                    f"The adapter's weights are not numbers (NaN or infinity, first in {key}).",
                    path=adapter.folder,
                    remedy="Train it again, with a lower learning rate.",
                )
            loaded = there[place].detach().cpu()
            if loaded.shape != value.shape or not torch.equal(loaded, value.to(loaded.dtype)):
                raise misfit(adapter, f"{key} in the loaded model differs from the file")
    if lacking := sorted(wanted - found):
        raise misfit(adapter, f"{len(lacking)} of its tensors are missing, first {lacking[0]}")


def _place(key: str) -> str:
    """A weight's name without the parts that differ between versions, so that one matrix always has one name."""
    return ".".join(part for part in key.split(".") if part not in _PREFIXES)


def _tied(model: Any) -> bool:
    """Whether the embeddings of words and the head are one tensor."""
    return model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()


def _untie(model: Any) -> None:
    """Give the head weights of its own if an adapter changes only the head, or only the embeddings it shares."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    words, head = model.get_input_embeddings(), model.get_output_embeddings()
    if any(isinstance(layer, BaseTunerLayer) for layer in (words, head)) and _tied(model):
        inner = head.get_base_layer() if isinstance(head, BaseTunerLayer) else head
        inner.weight = torch.nn.Parameter(inner.weight.detach().clone(), requires_grad=False)
