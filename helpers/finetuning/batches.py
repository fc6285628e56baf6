"""Put rows of token ids into batches for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from helpers.finetuning.tower import IMAGE_ROWS
from helpers.finetuning.training_data import IGNORED, Row
from helpers.models import ChatModel


class Collator:
    """Batches of rows for the model's forward: ids and labels right-padded.

    For images, a batch holds only the numbers of the rows that have images, because many batches wait on the GPU
    at once. `helpers.finetuning.tower.ImageTokens` makes image tokens of them inside the forward.
    """

    def __init__(self, rows: Sequence[Row], chat: ChatModel) -> None:
        self.rows = rows
        self.pad = chat.processor.tokenizer.pad_token_id
        self.image_token = chat.model.config.image_token_id

    def __call__(self, batch: Sequence[dict[str, int]]) -> dict[str, Any]:
        """``batch`` holds the numbers of rows."""
        numbers = [item["row"] for item in batch]
        rows = [self.rows[k] for k in numbers]
        longest = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), longest), self.pad)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
        for k, row in enumerate(rows):
            end = len(row.ids)
            ids[k, :end], mask[k, :end] = torch.tensor(row.ids), 1
            labels[k, :end] = torch.tensor(row.labels)
        inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        # Marks image tokens: inside one image attention goes both ways, which these types switch on.
        inputs["token_type_ids"] = (ids == self.image_token).long()
        if with_images := [k for k in numbers if self.rows[k].images]:
            inputs[IMAGE_ROWS] = torch.tensor(with_images)
        return inputs
