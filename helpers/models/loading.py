"""Load a MedGemma model, or the stand-in of the same classes, onto this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging

from helpers.errors import InputError
from helpers.models.adapter_files import AdapterFiles, adapted_name, read_adapter
from helpers.models.adapters import merge_adapter, put_adapter
from helpers.models.attention import use_masks
from helpers.models.chat import ChatModel
from helpers.models.context import context_for, window_of
from helpers.models.four_bits import four_bit_settings
from helpers.models.hub import find_model, weight_bytes
from helpers.models.number_formats import dtype_for
from helpers.models.recording_chat import recorded_if_asked

FORMATS = ("BF16", "F16", "F32", "F64")  # safetensors' names for weights that are not quantized
# Parts of the names of weights inside the wrappers of peft, torch.compile and data parallelism.
_WRAPPERS = {"base_model", "base_layer", "lora_A", "lora_B", "modules_to_save", "_orig_mod", "module"}


def load_local(
    name: str,
    *,
    adapter: str | Path | None,
    merge: bool,
    device: str | None,
    dtype: torch.dtype | None,
    quantized: bool,
    vision_batch: int,
    context: int | None,
    token: str | None,
) -> ChatModel:
    """Load a model onto this machine; the arguments are those of `helpers.models.load_model`."""
    files = None if adapter is None else read_adapter(adapter)  # so that its faults show before a model loads
    device = device or best_device()
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            "No CUDA GPU is available here.", path=name, remedy='Load with device="cpu", or leave device out.'
        )
    if quantized and not device.startswith("cuda"):
        raise InputError("4-bit weights need a CUDA GPU.", path=name, remedy="Load with quantized=False.")
    wanted = dtype_for(device, dtype, small=False, name=name)
    folder = find_model(name, device=device, quantized=quantized, token=token, wide=wanted is torch.float32)
    dtype = dtype_for(device, dtype, small=weight_bytes(folder) < 1e9, name=name)
    model, processor = _from_folder(folder, device, dtype, quantized)
    precision = "4-bit NF4" if quantized else str(dtype).removeprefix("torch.")
    if files:
        model, way = _adapted(model, files, name, merge)
        precision = f"{precision}, the adapter {way}"
    name = adapted_name(name, adapter)
    trial = bool(getattr(model.config, "is_standin", False))
    context = context_for(context, window_of(model.config), name)
    loaded = ChatModel(name, model.eval(), processor, trial, vision_batch=vision_batch, context=context)
    print(_introduction(loaded, folder, device, precision))
    return recorded_if_asked(loaded, folder, precision)


def _adapted(model: Any, adapter: AdapterFiles, name: str, merge: bool) -> tuple[Any, str]:
    """The model with its adapter, and words that say how the adapter was added."""
    whole = getattr(model, "hf_quantizer", None) is None
    model = put_adapter(model, adapter, name)
    if merge and whole and adapter.can_merge:
        return merge_adapter(model, adapter), "merged into them"
    return model, "beside them, which makes each token slower"


def best_device() -> str:
    """The device that a model is loaded on by default."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def damage_explained(folder: Path) -> Iterator[None]:
    """Turn any error in loading a saved folder into one `InputError` that names the folder."""
    try:
        yield
    except InputError:
        raise
    except torch.OutOfMemoryError as error:
        raise InputError(
            "The GPU does not have enough memory for the model's weights.",
            path=folder,
            remedy="Close other programs that use the GPU, or use load_model(..., quantized=True).",
        ) from error
    except ImportError as error:
        raise InputError(
            f"The model needs a package that is not installed ({_first_line(error)}).",
            path=folder,
            remedy="Install the package, or give the model with weights in bfloat16.",
        ) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"The model cannot be loaded ({_first_line(error)}).",
            path=folder,
            remedy="Check that the folder was saved with save_pretrained and copied completely.",
        ) from error


def _first_line(error: Exception) -> str:
    """The first line of an error, without the lists that transformers writes below it."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return f"no {said[0]}" if isinstance(error, KeyError) else said[0]


def _from_folder(folder: Path, device: str, dtype: torch.dtype, quantized: bool) -> tuple[Any, Any]:
    settings: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa", "use_safetensors": True}
    if quantized:
        settings["quantization_config"] = four_bit_settings(dtype)
    with damage_explained(folder):
        processor = load_processor(folder)
        model = load_weights(AutoModelForImageTextToText, folder, device_map=device, **settings)
        _check_pair(model, processor)
        use_masks(model, "sdpa")  # also for `generate` and training, which do not choose a way
        ends = folder / "generation_config.json"
        if ends.is_file():  # transformers ignores a broken file, and then answers do not end
            json.loads(ends.read_text(encoding="utf-8"))
    return model, processor


def _check_pair(model: Any, processor: Any) -> None:
    """Raise ValueError if the processor does not write prompts that the model can read."""
    words, tokenizer = model.get_input_embeddings().num_embeddings, processor.tokenizer
    if len(tokenizer) > words:
        raise ValueError(f"its tokenizer has {len(tokenizer):,} tokens, but the model knows {words:,}")
    for what, ours, theirs in (
        ("image token", tokenizer.image_token_id, model.config.image_token_id),
        ("number of tokens an image", processor.image_seq_length, model.config.mm_tokens_per_image),
    ):
        if ours != theirs:
            raise ValueError(f"the {what} is {ours} in its processor, but {theirs} in its config.json")


def load_weights(kind: Any, folder: Path, **settings: Any) -> Any:
    """Load the model of a saved folder with ``kind.from_pretrained``, if all of its weights are there.

    transformers fills missing weights with random numbers, and only warns about them. This function raises
    `InputError` if weights are missing, belong to layers that the model does not have, were left unmerged or
    renamed by a trainer's wrapper, or were rounded to whole numbers or 8 bits without the settings that tell how.
    """
    _check_formats(folder)
    said = logging.get_verbosity()
    logging.set_verbosity_error()  # hides its table of missing weights, which advises to train them
    try:
        model, found = kind.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True, **settings
        )
    finally:
        logging.set_verbosity(said)
    missing, left = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
    if wrapped := [key for key in left if any(part in _WRAPPERS for part in key.split("."))]:
        raise InputError(
            f"{len(wrapped)} of the model's weights have names from a trainer's wrapper, for example "
            f"{wrapped[0]}.",
            path=folder,
            remedy="Save the model inside the wrapper: call peft's merge_and_unload, then save_pretrained.",
        )
    if missing or found["mismatched_keys"]:
        lacking = missing or sorted(key for key, *_ in found["mismatched_keys"])
        how = "missing" if missing else "of other sizes"
        raise InputError(
            f"{len(lacking)} of the model's weights are {how} in its files, for example {lacking[0]}.",
            path=folder,
            remedy="Copy the complete folder again, or save the model again where it was made.",
        )
    own = {_any_layer(key) for key in model.state_dict()}
    if layers := [key for key in left if _any_layer(key) in own]:
        raise InputError(
            f"{len(layers)} weights belong to layers that config.json does not list, for example {layers[0]}.",
            path=folder,
            remedy="Copy the folder again, with the config.json that was saved with the weights.",
        )
    if left:
        print(f"{folder.name}: {len(left)} of its weights belong to no layer of the model, for example {left[0]}.")
    return model


def _any_layer(key: str) -> str:
    return re.sub(r"\.\d+\.", ".N.", key)


def _check_formats(folder: Path) -> None:
    """Raise `InputError` for quantized weights of a model whose settings do not say that they are."""
    if "quantization_config" in json.loads((folder / "config.json").read_text(encoding="utf-8")):
        return
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "np") as weights:
            for key in weights.keys():  # noqa: SIM118 - it is not a dict
                dtype = weights.get_slice(key).get_dtype()
                if key.endswith("weight") and dtype not in FORMATS:
                    raise InputError(
                        f"Weights have the type {dtype}, for example {key}, and config.json does not "
                        "say how to read them.",
                        path=folder,
                        remedy="Give the model with weights in bfloat16.",
                    )


def load_processor(folder: Path) -> Any:
    """The processor of a saved model; raises ValueError, among others, if it is not one of Gemma 3."""
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    if not hasattr(processor, "full_image_sequence"):
        raise ValueError(f"its processor is a {type(processor).__name__}, not a Gemma3Processor")
    if processor.chat_template is None:
        raise ValueError("it has no chat template")
    return processor


def _introduction(loaded: ChatModel, folder: Path, device: str, precision: str) -> str:
    parameters = loaded.model.num_parameters()  # it knows how many 4-bit weights one stored number holds
    size = f"{parameters / 1e9:.1f}B" if parameters >= 1e8 else f"{parameters / 1e6:.1f}M"
    line = f"{loaded.name}: {size} parameters on {device} in {precision}."
    if loaded.is_standin:
        megabytes = weight_bytes(folder) / 1e6
        line += f" This is not MedGemma: a stand-in of {megabytes:.0f} MB for trying the code, not for medicine."
    return line
