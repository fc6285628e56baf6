"""Make image tokens inside the model's forward pass, when they are needed.

The Trainer collates all micro-batches of an optimiser step ahead, and accelerate lays each on the GPU: 16 volumes
of 85 slices would be 1.8 GB of image tokens there, or 6.5 GB of pixels. So a batch only carries the numbers of its
rows (`helpers.finetuning.batches`). Their image tokens are read from disk, or made from the images, when the
forward pass begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers.modeling_outputs import BaseModelOutputWithPooling

from helpers.finetuning.training_data import Row, Taught
from helpers.models import ChatModel, pixel_batches
from helpers.prompts import images_of

IMAGE_ROWS = "image_rows"  # the key in a batch: int64 (rows with images)
ADAPTED_AT_ONCE = 1  # images at once in a tower that learns; each keeps activations for 4,096 patches


class ImageTokens:
    """Image tokens (images, tokens, hidden size) of a row, by its number, on the model's device.

    They come from ``features`` (a function from a row's image key to its image tokens). Without it, the vision
    tower encodes the images each time.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        examples: Sequence[Taught],
        chat: ChatModel,
        features: Callable[[str], torch.Tensor] | None = None,
    ) -> None:
        self.rows, self.examples, self.chat, self.features = rows, examples, chat, features

    def __call__(self, number: int) -> torch.Tensor:
        """The image tokens of row ``number``."""
        if self.features is not None:
            return self.features(self.rows[number].image_key).to(self.chat.model.device)
        inner = self.chat.model.model
        at_once = ADAPTED_AT_ONCE if learns(inner.vision_tower) else self.chat.vision_batch
        images = images_of(self.examples[number].messages)
        return through_tower(inner, pixel_batches(images, self.chat.processor.image_processor, at_once))

    @contextmanager
    def given_to_forward(self) -> Iterator[None]:
        """Let the model take batches with ``image_rows`` in the block, also inside PEFT, DDP or FSDP."""

        def give(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            if (numbers := kwargs.pop(IMAGE_ROWS, None)) is not None:
                tokens = torch.cat([self(number) for number in numbers.tolist()])
                kwargs["mm_encoder_outputs"] = {"image": BaseModelOutputWithPooling(pooler_output=tokens)}
            return args, kwargs

        # This hooks into the inner model, because wrappers come and go around it, and because FSDP has gathered
        # its weights by then.
        handle = self.chat.model.model.register_forward_pre_hook(give, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


def learns(module: torch.nn.Module) -> bool:
    """Whether a weight of the module, or an adapter of it, is trained."""
    return any(p.requires_grad for p in module.parameters())


def through_tower(model: Any, groups: Iterable[torch.Tensor]) -> torch.Tensor:
    """Image tokens (images, tokens, hidden size) of groups of pixels (images, 3, height, width), group by group.

    A tower that does not learn keeps nothing for the backward pass. A tower that learns keeps only the pixels of a
    group, and runs again in the backward pass. So its activations exist for one group at a time, however many
    images there are.

    Args:
        model: with ``get_image_features``, ``vision_tower`` and ``multi_modal_projector``.
        groups: float32 tensors with at least one image in all.
    """
    weight = next(model.vision_tower.parameters())

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        # Checkpointing would compute gradients of the patches, which nobody needs, and keep 19 MB for each image.
        patches = model.vision_tower.get_input_embeddings()
        handle = patches.register_forward_hook(lambda module, _, made: made if learns(module) else made.detach())
        try:
            return model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output
        finally:
            handle.remove()

    kept = torch.is_grad_enabled() and (learns(model.vision_tower) or learns(model.multi_modal_projector))
    parts = []
    for group in groups:
        pixels = group.to(device=weight.device, dtype=weight.dtype)
        if kept:
            parts.append(checkpoint(encode, pixels, use_reentrant=False))
        else:
            with torch.no_grad():
                parts.append(encode(pixels))
    return torch.cat(parts)
