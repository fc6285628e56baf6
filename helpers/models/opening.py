"""Open a model by its name: on this machine, on a server, or as recorded replies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.models.batch_size import VISION_BATCH, check_batch
from helpers.models.context import check_context
from helpers.models.hub import STANDIN
from helpers.models.recordings import RECORDED_PREFIX

if TYPE_CHECKING:  # a served or recorded model does not need it
    import torch

    from helpers.endpoints import EndpointModel
    from helpers.images import ImageSource
    from helpers.models.chat import ChatModel
    from helpers.models.recorded_chat import RecordedModel


def load_model(
    name: str | Path = STANDIN,
    *,
    adapter: str | Path | None = None,
    merge: bool = True,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    quantized: bool = False,
    vision_batch: int = VISION_BATCH,
    context: int | None = None,
    token: str | None = None,
    sources: Sequence[ImageSource] | None = None,
    may_leave: str = "",
    image_format: str | None = None,
) -> ChatModel | EndpointModel | RecordedModel:
    """Load a model by name, and print in one line what it is and where it runs.

    Args:
        name: ``"standin"``, ``"google/medgemma-1.5-4b-it"``, ``"google/medgemma-4b-it"``, a local folder saved
            with ``save_pretrained``, ``"endpoint:URL#MODEL"`` for a server (`helpers.endpoints`), or
            ``"recorded:FOLDER"`` for recorded replies (`helpers.models.recordings`).
        adapter: the folder of a PEFT adapter for this model, which `helpers.models.adapters` checks.
        merge: whether the adapter is merged into the weights. Otherwise each token needs half as many operations
            again. With 4-bit weights the adapter is never merged; the printed line says so.
        device: ``"cuda"``, ``"mps"`` or ``"cpu"``; by default the best that this machine has.
        dtype: by default bfloat16, and float32 for small models and GPUs without bfloat16 (T4, V100).
        quantized: whether the language model has 4-bit NF4 weights; the vision tower keeps its own (only on CUDA,
            with bitsandbytes).
        vision_batch: the number of images that the vision tower encodes at once; it is halved if memory runs out.
        context: the largest number of tokens of a prompt, up to the model's window (131,072); by default the
            report's 32,768, or the limit that a server states. Twice the tokens need two to four times the memory
            and time.
        token: Hugging Face token; by default ``HF_TOKEN`` or the one that ``hf auth login`` saved. For an
            endpoint, the token of its server; by default ``ENDPOINT_TOKEN``.
        sources: for an endpoint on another machine, the files and folders (or `helpers.preparing.Prepared`) that
            the images come from. Their headers are checked, and images are sent only if none names a patient
            (`helpers.images.deidentified`).
        may_leave: for such an endpoint, the reason why images may be sent without this check.
        image_format: the format in which an endpoint gets images: "png" (the default), "webp" or "jpeg".

    Raises:
        InputError: the model is unknown or cannot be reached, there is no access (the error lists the steps to get
            it) or too little memory, the context is beyond the window, an endpoint or recorded replies got a
            setting that only a local model has, the sources may not leave this machine, or the folder holds no
            recorded replies.
    """
    name = str(name)
    check_batch(vision_batch)
    check_context(context)
    elsewhere = name.startswith((ENDPOINT_PREFIX, RECORDED_PREFIX))
    if elsewhere and (adapter or device or dtype or quantized or vision_batch != VISION_BATCH):
        raise InputError(
            "Adapter, device, dtype, 4-bit weights and vision_batch can be chosen only where the model runs.",
            path=name,
            remedy="Give these options to the server, and only the name of the model to this call.",
        )
    if image_format and not name.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "Only a server gets images in a format that you choose.", path=name, remedy="Leave image_format out."
        )
    if name.startswith(RECORDED_PREFIX):
        from helpers.models.recorded_chat import open_recorded

        return open_recorded(name)
    if elsewhere:
        sent = {"image_format": image_format} if image_format else {}
        return _connect(name, sources=sources, may_leave=may_leave, token=token, context=context, **sent)
    from helpers.models.loading import load_local

    return load_local(
        name,
        adapter=adapter,
        merge=merge,
        device=device,
        dtype=dtype,
        quantized=quantized,
        vision_batch=vision_batch,
        context=context,
        token=token,
    )


def _connect(name: str, **settings: Any) -> EndpointModel:
    try:
        from helpers.endpoints import connect
    except ImportError as error:
        raise InputError(
            f"Asking a served model needs the package openai ({error}).",
            path=name,
            remedy="Run: pip install openai",
        ) from error
    return connect(name, **settings)
