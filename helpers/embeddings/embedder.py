"""Turn images into vectors with the vision tower of a model, without its language model.

A tower makes a vector of every small patch of an image. Two summaries of these vectors are stored side by side:
their mean and, channel by channel, their maximum. If the tower has a head that was trained to summarise, as
MedSigLIP has, its output replaces the mean. A mean describes the whole image, but a finding of three patches among
thousands is lost in it. A maximum keeps the one patch that stands out, but not how many patches do. A volume or a
slide is pooled as if it were one large image: the mean of its means, the maximum of its maxima.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from transformers import AutoImageProcessor, AutoModel

from helpers.endpoints import ENDPOINT_PREFIX
from helpers.errors import InputError
from helpers.images import volume_images
from helpers.models import (
    STANDIN,
    VISION_BATCH,
    ChatModel,
    best_device,
    check_batch,
    check_numbers,
    damage_explained,
    dtype_for,
    find_model,
    in_batches,
    is_siglip,
    load_model,
    load_weights,
    read_adapter,
    weight_bytes,
    weights_key,
)
from helpers.prompts import images_key, pad_to_square
from helpers.storage import whole_file
from helpers.volumes import Volume


@dataclass(frozen=True)
class Embedder:
    """A vision tower with its image processor."""

    name: str
    tower: Any = field(repr=False)
    image_processor: Any = field(repr=False)
    is_standin: bool
    vision_batch: int = VISION_BATCH  # images in the tower at once; halved if memory runs out

    @property
    def width(self) -> int:
        """Numbers in a vector: two for each channel of the tower."""
        return 2 * self.tower.config.hidden_size

    @functools.cached_property
    def key(self) -> str:
        """16 letters that identify the tower and the settings of its image processor."""
        return weights_key(self.image_processor, self.tower.named_parameters())

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image], batch_size: int | None = None) -> np.ndarray:
        """The vector of each image, float32 (images, width): mean (or head) first, then maximum.

        Images must be square, as in a prompt (`helpers.prompts.pad_to_square`). The tower encodes ``batch_size``
        images at once, by default ``vision_batch``, and half as many if memory runs out. Raises `InputError` if
        results are not numbers, or if one image is too much for the memory.
        """

        def summarise(pixels: torch.Tensor) -> np.ndarray:
            seen = self.tower(pixel_values=pixels.to(device=self.tower.device, dtype=self.tower.dtype))
            patches = seen.last_hidden_state.float()
            whole = patches.mean(1) if seen.pooler_output is None else seen.pooler_output.float()
            return torch.cat([check_numbers(whole, self.name), patches.amax(1)], dim=1).cpu().numpy()

        size = self.vision_batch if batch_size is None else batch_size
        try:
            made = list(in_batches(images, self.image_processor, summarise, size))
        except torch.OutOfMemoryError as error:
            raise InputError(
                "The GPU does not have enough memory for one image.",
                path=self.name,
                remedy='Close other programs that use the GPU, or use load_embedder(..., device="cpu").',
            ) from error
        return np.concatenate([np.empty((0, self.width), np.float32), *made])


@dataclass(frozen=True)
class Embedding:
    """The vectors of one volume, slide or image."""

    parts: np.ndarray  # float32 (slices or patches, width), in order

    @property
    def vector(self) -> np.ndarray:
        """One vector for the whole volume, slide or image, float32 (width)."""
        return pool(self.parts)


def pool(parts: np.ndarray) -> np.ndarray:
    """Vectors of slices or patches (n, width) to one, float32 (width): mean of means, maximum of maxima."""
    half = parts.shape[1] // 2
    return np.concatenate([parts[:, :half].mean(0), parts[:, half:].max(0)])


def load_embedder(
    model: str | ChatModel = STANDIN,
    *,
    adapter: str | os.PathLike[str] | None = None,
    device: str | None = None,
    vision_batch: int = VISION_BATCH,
    token: str | None = None,
) -> Embedder:
    """Load the vision tower of a model by name, or take it from a loaded model.

    Args:
        model: ``"standin"``, ``"google/medgemma-1.5-4b-it"``, ``"google/medsiglip-448"``, a folder saved with
            ``save_pretrained`` (of such a model, or of a SigLIP), or a loaded `ChatModel`.
        adapter: folder of an adapter that changes the vision tower, as for `helpers.models.load_model`.
        device: likewise.
        vision_batch: the number of images that the tower encodes at once; it is halved if memory runs out.
        token: Hugging Face token, likewise.

    Raises:
        InputError: as `load_model`; also for an endpoint, which answers with words only, and for an adapter that
            leaves the tower as it is, or comes with a model that is loaded already or is not a MedGemma.
    """
    check_batch(vision_batch)
    if isinstance(model, str) and model.startswith(ENDPOINT_PREFIX):
        raise InputError(
            "A served model gives answers, but not embeddings.",
            path=model,
            remedy='Load a model on this machine: "standin", a name, or the folder of a saved model.',
        )
    if adapter is not None:
        _check_adapter(adapter, model)
    if isinstance(model, str):
        device = device or best_device()
        folder = find_model(model, device=device, quantized=False, token=token)
        if is_siglip(folder):
            if adapter is not None:
                raise InputError(
                    "This program cannot load an adapter of a SigLIP.",
                    path=adapter,
                    remedy="Leave out the adapter.",
                )
            return _siglip(model, folder, device, vision_batch)
        model = load_model(model, adapter=adapter, device=device, vision_batch=vision_batch, token=token)
    if not isinstance(model, ChatModel):
        raise InputError(
            f"A {type(model).__name__} has no vision tower.", remedy="Give the name of a model or a loaded model."
        )
    tower = next(module for name, module in model.model.named_modules() if name.endswith("vision_tower"))
    return Embedder(model.name, tower, model.processor.image_processor, model.is_standin, vision_batch)


def _check_adapter(adapter: str | os.PathLike[str], model: str | ChatModel) -> None:
    """Raise `InputError` for an adapter that changes no embedding, or for one beside a loaded model."""
    if not isinstance(model, str):
        raise InputError(
            "The model is loaded already, so an adapter cannot be added.",
            path=adapter,
            remedy="Give the adapter to load_model, or a model's name.",
        )
    if not read_adapter(adapter).in_vision:
        raise InputError(
            "The adapter does not change the vision tower, so every embedding would be the same as "
            "without the adapter.",
            path=adapter,
            remedy="Leave out the adapter, or train one with adapt_vision=True.",
        )


def _siglip(name: str, folder: Path, device: str, vision_batch: int) -> Embedder:
    small = weight_bytes(folder) < 1e9
    dtype = torch.float32 if device == "cpu" else dtype_for(device, None, small=small, name=name)
    with damage_explained(folder):
        model = load_weights(AutoModel, folder, dtype=dtype, device_map=device, use_safetensors=True)
        image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    tower = getattr(model, "vision_model", model).eval()  # frees the language model
    parameters = sum(p.numel() for p in tower.parameters())
    print(f"{name}: a vision tower of {parameters / 1e6:.1f}M parameters on {device}.")
    return Embedder(name, tower, image_processor, is_standin=False, vision_batch=vision_batch)


def embed(
    embedder: Embedder,
    source: Volume | Image.Image | np.ndarray | Iterable[Image.Image | np.ndarray],
    *,
    limit: int | None = None,
    batch_size: int | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Embedding:
    """Embed a volume (its slices), one image, or images in order, such as the patches of a slide.

    Args:
        embedder: see `load_embedder`.
        source: files become images by `helpers.images.read_images`. A volume is shown as in a prompt.
        limit: the largest number of slices of a volume; by default 85.
        batch_size: the number of images that the tower encodes at once; by default the embedder's
            ``vision_batch``.
        cache: folder for computed vectors. The name of a file depends on tower, settings and pixels, so the same
            pixels are never encoded twice, and other pixels never get their vectors.

    Raises:
        InputError: there are no images, or a volume cannot be shown.
    """
    images = _images(source, limit)
    if not images:
        raise InputError("The list of images is empty.", remedy="Give at least one.")
    if cache is None:
        return Embedding(embedder.encode(images, batch_size))
    path = Path(cache) / embedder.key / f"{images_key(images)}.safetensors"
    if path.is_file():
        return Embedding(load_file(path)["parts"])
    parts = embedder.encode(images, batch_size)
    with whole_file(path) as partial:
        save_file({"parts": parts}, partial)
    return Embedding(parts)


def _images(source: Any, limit: int | None) -> list[Image.Image]:
    if isinstance(source, Volume):
        return volume_images(source, **({} if limit is None else {"limit": limit}))
    one = isinstance(source, Image.Image) or (
        isinstance(source, np.ndarray) and (source.ndim == 2 or (source.ndim == 3 and source.shape[2] == 3))
    )
    if limit is not None:
        raise InputError(
            "A limit can be given only for volumes.", remedy="Choose the images or patches first, then embed them."
        )
    return [pad_to_square(image) for image in ([source] if one else source)]
