"""What was sent to a served model, and what came back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Totals:
    """What was sent and received since the model was made."""

    answers: int = 0
    failed: int = 0
    retries: int = 0
    bytes_sent: int = 0  # of prompts, each retry included
    prompt_tokens: int = 0
    completion_tokens: int = 0
