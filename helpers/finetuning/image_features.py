"""Compute image tokens once and store them on disk, for training with a frozen vision tower.

The tower and the projector do not change while an adapter of the language model is trained, so the image tokens
are the same in every epoch. One file holds the image tokens of one prompt.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.finetuning.training_data import Row, Taught
from helpers.models import ChatModel, encode_images, weights_key
from helpers.prompts import images_of
from helpers.storage import whole_file


class ImageFeatures:
    """A folder of image tokens, one safetensors file for the images of one prompt.

    The name of a file depends on the pixels, the weights of tower and projector, and the processor's settings. So
    several models and runs can share a folder without mixing their tokens.
    """

    def __init__(self, chat: ChatModel, folder: str | Path) -> None:
        self.chat = chat
        self.folder = Path(folder) / _tower_key(chat)

    def __call__(self, key: str) -> torch.Tensor:
        """Image tokens (images, tokens, hidden size) of the prompt whose images have this key."""
        return load_file(self.path(key))["image_tokens"]

    def path(self, key: str) -> Path:
        """The file of the image tokens with this key."""
        return self.folder / f"{key}.safetensors"

    def encode(self, rows: Sequence[Row], examples: Sequence[Taught]) -> int:
        """Compute the missing image tokens; print their size before it starts, and return it in bytes.

        Each of several processes computes a share. Raises `InputError` if the disk has no room, or if the
        processes do not share the disk.
        """
        state = PartialState()
        missing = {}
        for row, example in zip(rows, examples, strict=True):
            if row.images and not _is_whole(self.path(row.image_key)):
                missing[row.image_key] = (row.images, example)
        images = sum(n for n, _ in missing.values())
        each = self._bytes_an_image()
        if state.is_main_process and images:
            print(f"Encoding {images:,} images once: {images * each / 1e6:,.1f} MB in {self.folder}")
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if images * each > 0.95 * free:
            raise InputError(
                f"The image tokens need {images * each / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free.",
                path=self.folder,
                remedy="Free some space, use fewer slices, choose another folder, or train with cached=False.",
            )
        # All processes list the same files before one writes, so that each image has one process.
        state.wait_for_everyone()
        mine = list(missing.items())[state.process_index :: state.num_processes]
        for key, (_, example) in tqdm(mine, desc="encoding images", disable=not state.is_main_process):
            images_here, batch = images_of(example.messages), self.chat.vision_batch
            tokens = encode_images(self.chat.model, self.chat.processor.image_processor, images_here, batch)
            with whole_file(self.path(key)) as partial:
                save_file({"image_tokens": tokens.cpu().contiguous()}, partial)
        state.wait_for_everyone()
        if lacking := [key for key in missing if not self.path(key).is_file()]:
            raise InputError(
                f"This machine cannot see the image tokens of {len(lacking)} examples, which other "
                "processes made.",
                path=self.folder,
                remedy="Give a folder that all machines share, or train with cached=False.",
            )
        return images * each

    def _bytes_an_image(self) -> int:
        config = self.chat.model.config
        return config.mm_tokens_per_image * config.text_config.hidden_size * self.chat.model.dtype.itemsize


def _is_whole(file: Path) -> bool:
    try:
        with safe_open(file, "np") as tensors:
            return "image_tokens" in tensors.keys()  # noqa: SIM118 - it is not a dict
    except (OSError, SafetensorError):  # the file is missing or cut off
        return False


def _tower_key(chat: ChatModel) -> str:
    """A hash of tower, projector and image processor."""
    ours = ("vision_tower", "multi_modal_projector")
    named = chat.model.named_parameters()
    weights = [(n, w) for n, w in named if any(part in n for part in ours) and "lora_" not in n]
    return weights_key(chat.processor.image_processor, weights)
