"""From a name to what answers: a model on this machine, one on a server, or replies that were recorded."""

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

if TYPE_CHECKING:  # what an answer from elsewhere can do without
    import torch

    from helpers.endpoints import EndpointModel
    from helpers.images import ImageSource
    from helpers.models.chat import ChatModel
    from helpers.models.recorded_chat import RecordedModel


def load_model(
    name: str = STANDIN,
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
    """Load a model by name and say in one line what it is and where it runs.

    Args:
        name: ``"standin"``, ``"google/medgemma-1.5-4b-it"``, ``"google/medgemma-4b-it"``, a local folder saved
            with ``save_pretrained``, ``"endpoint:URL#MODEL"`` of a server (`helpers.endpoints`), or
            ``"recorded:FOLDER"`` of replies that were recorded (`helpers.models.recordings`).
        adapter: folder of a PEFT adapter to put on top; see `helpers.models.adapters` for what is checked.
        merge: whether it is added to the weights, without which each token takes half as many operations again.
            Weights of 4 bits keep it beside them, as it was trained; the line that is printed tells.
        device: ``"cuda"``, ``"mps"`` or ``"cpu"``; by default the best that is there.
        dtype: by default bfloat16, and float32 for small models and GPUs without bfloat16 (T4, V100).
        quantized: 4-bit NF4 weights in the language model, images as ever (CUDA only, needs bitsandbytes).
        vision_batch: images that pass the vision tower at once; half as many wherever memory runs out.
        context: tokens of a prompt, at most, up to the model's window (131,072); by default the report's 32,768,
            of a server what it tells. Twice as many take two to four times the memory and time.
        token: Hugging Face token; by default ``HF_TOKEN`` or the one that ``hf auth login`` saved. Of an endpoint
            its own; by default ``ENDPOINT_TOKEN``.
        sources: for an endpoint on another machine, the files and folders (or `helpers.preparing.Prepared`) that
            the images come from. Their headers are checked, and images are sent only if none names a patient
            (`helpers.images.deidentified`).
        may_leave: for such an endpoint, why the images may go unchecked.
        image_format: in which an endpoint gets images: "png" (the default), "webp" or "jpeg".

    Raises:
        InputError: unknown or unreachable model, no access (with the steps to get it), too little memory, a
            context beyond its window; for an endpoint and for recorded replies also a setting that only a local
            model has; sources that may not leave; a folder without recorded replies.
    """
    check_batch(vision_batch)
    check_context(context)
    elsewhere = name.startswith((ENDPOINT_PREFIX, RECORDED_PREFIX))
    if elsewhere and (adapter or device or dtype or quantized or vision_batch != VISION_BATCH):
        raise InputError(
            "Adapter, device, dtype, 4-bit weights and vision_batch are chosen where the model runs.",
            path=name,
            remedy="Give them there, and only the name here.",
        )
    if image_format and not name.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "Only to a server are images sent in a format.", path=name, remedy="Leave image_format out."
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
            f"An endpoint needs the package openai ({error}).", path=name, remedy="Run: pip install openai"
        ) from error
    return connect(name, **settings)
