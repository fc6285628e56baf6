"""Count the bytes and tokens that were sent to a served model and received from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Totals:
    """What was sent and received since the model was made."""

    answers: int = 0
    failed: int = 0
    retries: int = 0
    bytes_sent: int = 0  # bytes of prompts, with those of retries
    prompt_tokens: int = 0
    completion_tokens: int = 0
