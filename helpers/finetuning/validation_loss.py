"""Weigh the validation loss as the training loss: every learned token alike, however many rows go at once."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from helpers.finetuning.training_data import IGNORED, Row


def weigh_by_tokens(trainer: Any, rows: Sequence[Row]) -> None:
    """Make a trainer's ``eval_loss`` the loss of all learned tokens of ``rows`` by their number.

    The Trainer takes the mean over rows of the loss of their batch, so that the loss, and with it the epoch that
    is kept, would depend on how many rows fit into memory together.
    """
    tokens = sum(label != IGNORED for row in rows for label in row.labels)
    trainer.prediction_step = functools.partial(_weighed, trainer.prediction_step, tokens / len(rows))


def _weighed(step: Any, usual: float, model: Any, inputs: dict[str, Any], *given: Any, **named: Any) -> Any:
    """``step``, whose loss is multiplied by the tokens a row in this batch, of those that are usual."""
    labels = inputs["labels"]
    loss, *more = step(model, inputs, *given, **named)
    return loss * ((labels != IGNORED).sum().to(loss.device) / (len(labels) * usual)), *more
