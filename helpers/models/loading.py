"""Load a MedGemma model or the stand-in of the same classes, or connect to one that is served elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoProcessor

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.images import ImageSource
from helpers.models.adapters import adapted_name, put_adapter
from helpers.models.chat import ChatModel
from helpers.models.four_bits import four_bit_settings
from helpers.models.hub import STANDIN, find_model, weight_bytes
from helpers.models.number_formats import dtype_for

if TYPE_CHECKING:
    from helpers.endpoints import EndpointModel


def load_model(
    name: str = STANDIN,
    *,
    adapter: str | Path | None = None,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    quantized: bool = False,
    vision_batch: int = 8,
    token: str | None = None,
    sources: Sequence[ImageSource] | None = None,
    may_leave: str = "",
) -> ChatModel | EndpointModel:
    """Load a model by name and say in one line what it is and where it runs.

    Args:
        name: ``"standin"``, ``"google/medgemma-1.5-4b-it"``, ``"google/medgemma-4b-it"``, a local folder saved
            with ``save_pretrained``, or ``"endpoint:URL#MODEL"`` of a server (`helpers.endpoints`).
        adapter: folder of a PEFT adapter to put on top.
        device: ``"cuda"``, ``"mps"`` or ``"cpu"``; by default the best that is there.
        dtype: by default bfloat16, and float32 for small models and GPUs without bfloat16 (T4, V100).
        quantized: 4-bit NF4 weights in the language model, images as ever (CUDA only, needs bitsandbytes).
        vision_batch: images that pass the vision tower at once; half as many wherever memory runs out.
        token: Hugging Face token; by default ``HF_TOKEN`` or the one that ``hf auth login`` saved. Of an endpoint
            its own; by default ``ENDPOINT_TOKEN``.
        sources: for an endpoint on another machine, the files and folders (or `helpers.preparing.Prepared`) that
            the images come from. Their headers are checked, and images are sent only if none names a patient
            (`helpers.images.deidentified`).
        may_leave: for such an endpoint, why the images may go unchecked.

    Raises:
        InputError: unknown or unreachable model, no access (with the steps to get it), too little memory; for an
            endpoint also a setting that only a local model has, or sources that may not leave.
    """
    if name.startswith(ENDPOINT_PREFIX):
        return _from_endpoint(name, adapter or device or dtype or quantized, sources, may_leave, token)
    device = device or best_device()
    if quantized and not device.startswith("cuda"):
        raise InputError("4-bit weights need a CUDA GPU.", path=name, remedy="Load with quantized=False.")
    wanted = dtype_for(device, dtype, small=False, name=name)
    folder = find_model(name, device=device, quantized=quantized, token=token, wide=wanted is torch.float32)
    dtype = dtype_for(device, dtype, small=weight_bytes(folder) < 1e9, name=name)
    model, processor = _from_folder(folder, device, dtype, quantized)
    if adapter is not None:
        model = put_adapter(model, adapter)
    name = adapted_name(name, adapter)
    trial = bool(getattr(model.config, "is_standin", False))
    loaded = ChatModel(name, model.eval(), processor, is_standin=trial, vision_batch=vision_batch)
    print(_introduction(loaded, folder, device, "4-bit NF4" if quantized else str(dtype).removeprefix("torch.")))
    return loaded


def _from_endpoint(
    name: str,
    local_setting: Any,
    sources: Sequence[ImageSource] | None,
    may_leave: str,
    token: str | None,
) -> EndpointModel:
    if local_setting:
        raise InputError(
            "Adapter, device, dtype and 4-bit weights are the server's to choose.",
            path=name,
            remedy="Give them where the server is started, and only the address here.",
        )
    try:
        from helpers.endpoints import connect
    except ImportError as error:
        raise InputError(
            f"An endpoint needs the package openai ({error}).", path=name, remedy="Run: pip install openai"
        ) from error
    return connect(name, sources=sources, may_leave=may_leave, token=token)


def best_device() -> str:
    """The device that a model is loaded on by default."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def damage_explained(folder: Path) -> Iterator[None]:
    """What fails in loading a saved folder, in whatever way, as one `InputError` that names the folder."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"The model cannot be loaded ({error}).",
            path=folder,
            remedy="Check that the folder was saved with save_pretrained and copied whole.",
        ) from error


def _from_folder(folder: Path, device: str, dtype: torch.dtype, quantized: bool) -> tuple[Any, Any]:
    settings: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa", "use_safetensors": True}
    if quantized:
        settings["quantization_config"] = four_bit_settings(dtype)
    with damage_explained(folder):
        processor = load_processor(folder)
        return AutoModelForImageTextToText.from_pretrained(folder, device_map=device, **settings), processor


def load_processor(folder: Path) -> Any:
    """The processor of a saved model; raises ValueError, among others, where it is not one of Gemma 3."""
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    if not hasattr(processor, "full_image_sequence"):
        raise ValueError(f"its processor is a {type(processor).__name__}, not a Gemma3Processor")
    if processor.chat_template is None:
        raise ValueError("it has no chat template")
    return processor


def _introduction(loaded: ChatModel, folder: Path, device: str, precision: str) -> str:
    parameters = sum(p.numel() for p in loaded.model.parameters())
    size = f"{parameters / 1e9:.1f}B" if parameters >= 1e8 else f"{parameters / 1e6:.1f}M"
    line = f"{loaded.name}: {size} parameters on {device} in {precision}."
    if loaded.is_standin:
        megabytes = weight_bytes(folder) / 1e6
        line += f" This is not MedGemma: a stand-in of {megabytes:.0f} MB for trying the code, not for medicine."
    return line
