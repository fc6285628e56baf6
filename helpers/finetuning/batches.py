"""Rows of token ids to the batches that a model is trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from helpers.finetuning.training_data import Row, Taught
from helpers.models import pixel_batches
from helpers.prompts import images_of


class Collator:
    """Batches of rows for the model's forward: ids right-padded, labels on the answers alone, and the images.

    Images come as finished image tokens from ``features`` (key to (images, tokens, hidden size)), or, without, as
    pixels that pass the vision tower in every step.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        examples: Sequence[Taught],
        model: Any,
        processor: Any,
        features: Callable[[str], torch.Tensor] | None,
    ) -> None:
        self.rows, self.examples, self.features = rows, examples, features
        self.processor = processor
        self.pad = processor.tokenizer.pad_token_id
        self.image_token = model.config.image_token_id
        self.dtype = model.dtype

    def __call__(self, batch: Sequence[dict[str, int]]) -> dict[str, Any]:
        """``batch`` holds the numbers of rows."""
        numbers = [item["row"] for item in batch]
        rows = [self.rows[k] for k in numbers]
        longest = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), longest), self.pad)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for k, row in enumerate(rows):
            end = len(row.ids)
            ids[k, :end], mask[k, :end] = torch.tensor(row.ids), 1
            labels[k, end - row.answer_tokens : end] = torch.tensor(row.ids[-row.answer_tokens :])
        inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        # Marks image tokens: inside one image attention goes both ways, which these types switch on.
        inputs["token_type_ids"] = (ids == self.image_token).long()
        if any(row.images for row in rows):
            inputs |= self._images(numbers)
        return inputs

    def _images(self, numbers: Sequence[int]) -> dict[str, Any]:
        with_images = [k for k in numbers if self.rows[k].images]
        if self.features is not None:
            tokens = torch.cat([self.features(self.rows[k].image_key) for k in with_images])
            return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=tokens)}}
        images = [image for k in with_images for image in images_of(self.examples[k].messages)]
        pixels = torch.cat(list(pixel_batches(images, self.processor.image_processor)))
        return {"pixel_values": pixels.to(self.dtype)}
