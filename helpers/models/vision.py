"""Encode images with the vision tower in small batches.

If a processor is called with 85 slices, it makes all their 896 x 896 float tensors at once, and the tower then
keeps its activations for all of them. This takes several GB before the first word. Here, pixels and activations
exist only for one small batch, and only the image tokens stay.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from helpers.models.batch_size import VISION_BATCH, check_batch
from helpers.models.number_formats import check_numbers, name_of

Made = TypeVar("Made")


def pixel_batches(
    images: Sequence[Image.Image], image_processor: Any, batch_size: int = VISION_BATCH, workers: int | None = None
) -> Iterator[torch.Tensor]:
    """Yield float32 tensors (up to ``batch_size``, 3, height, width), bit for bit the same as from the processor.

    Pillow does the resizing directly, in threads. Rescaling and normalisation map each byte to one number, so the
    processor is called once for the 256 numbers of each channel.
    """
    height, width = image_processor.size["height"], image_processor.size["width"]
    table = _value_table(image_processor)

    def fill(image: Image.Image, out: np.ndarray) -> None:
        for channel, plane in enumerate(resized(image, image_processor).split()):
            np.take(table[channel], np.asarray(plane), out=out[channel], mode="clip")

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            pixels = np.empty((len(batch), 3, height, width), np.float32)
            list(pool.map(fill, batch, pixels))
            yield torch.from_numpy(pixels)


def resized(image: Image.Image, image_processor: Any) -> Image.Image:
    """An RGB image in the size that the vision tower takes, as the processor makes it."""
    size = (image_processor.size["width"], image_processor.size["height"])
    return image.convert("RGB").resize(size, Image.Resampling(int(image_processor.resample)))


def _value_table(image_processor: Any) -> np.ndarray:
    """The result of rescaling and normalisation for each byte: float32 (3 channels, 256)."""
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2))
    out = image_processor(images=ramp, do_resize=False, return_tensors="np")["pixel_values"]
    return np.ascontiguousarray(np.asarray(out, np.float32).reshape(3, 256))


def in_batches(
    images: Sequence[Image.Image],
    image_processor: Any,
    encode: Callable[[torch.Tensor], Made],
    batch_size: int = VISION_BATCH,
) -> Iterator[Made]:
    """Yield the results of ``encode`` for `pixel_batches`, in order; halve the batches if memory runs out.

    Raises `InputError` for a batch of less than one image, and torch's own error if one image is too much.
    """
    done, size = 0, check_batch(batch_size)
    while done < len(images):
        short = False
        try:
            for pixels in pixel_batches(images[done:], image_processor, size):
                made = encode(pixels)
                done += len(pixels)
                yield made
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            short = True
        if short:  # by now, the error has freed its memory
            size //= 2
            torch.cuda.empty_cache()


@torch.inference_mode()
def encode_images(
    model: Any, image_processor: Any, images: Sequence[Image.Image], batch_size: int = VISION_BATCH
) -> torch.Tensor:
    """Image tokens for the language model: (images, tokens an image, hidden size), on the model's device.

    The tower encodes ``batch_size`` images at a time, and half as many if memory runs out. Raises `InputError` if
    a result is not a number.
    """

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.to(device=model.device, dtype=model.dtype)
        features = model.get_image_features(pixel_values=pixels, return_dict=True)
        return check_numbers(features.pooler_output, name_of(model))

    return torch.cat(list(in_batches(images, image_processor, encode, batch_size)))


def weights_key(image_processor: Any, weights: Iterable[tuple[str, torch.Tensor]]) -> str:
    """A hash of 16 letters for weights, the ends of their names, their types, and the image processor."""
    digest = hashlib.sha256(image_processor.to_json_string().encode())
    for name, weight in sorted(weights, key=lambda named: named[0]):
        digest.update(f"{name.rsplit('.', 2)[-2:]}{weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
