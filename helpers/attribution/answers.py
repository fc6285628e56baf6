"""Two answers that exclude each other, as the tokens at which they part, and their log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from helpers.errors import InputError
from helpers.evaluation import ANSWER_BEGUN, word_tokens
from helpers.models import ChatModel

YES_NO = ("yes", "no")


@dataclass(frozen=True)
class AnswerTokens:
    """What the model has said before the answers part, and the tokens of either at that place."""

    begun: list[int]
    first: list[int]
    second: list[int]

    def log_odds(self, logits: torch.Tensor) -> torch.Tensor:
        """Logarithm of the odds of the first answer against the second, float64, of logits (..., vocabulary)."""
        first, second = (logits[..., tokens].cpu().double().logsumexp(-1) for tokens in (self.first, self.second))
        return first - second

    def mass(self, logits: torch.Tensor) -> torch.Tensor:
        """The likelihood of both answers together among all tokens, 0 to 1, of logits (..., vocabulary)."""
        return logits.cpu().double().softmax(-1)[..., self.first + self.second].sum(-1).clamp(max=1)


def answer_tokens(tokenizer: Any, answers: Sequence[str] = YES_NO, begun: str = ANSWER_BEGUN) -> AnswerTokens:
    """The tokens that tell one answer from the other, behind ``begun``, the words before both.

    For yes and no they are those of ``p_yes`` (`helpers.evaluation`), in all spellings. Of others it is the first
    token in which they differ; what both begin with counts as said.

    Raises:
        InputError: there are not two answers, or one is the beginning of the other.
    """
    if len(answers) != 2 or not all(answer.strip() for answer in answers):
        raise InputError(
            f"Log-odds compare two answers, and here are {list(answers)}.", remedy="Give two, such as yes and no."
        )
    if tuple(answers) in (YES_NO, YES_NO[::-1]):
        said = tokenizer(begun, add_special_tokens=False)["input_ids"]
        yes, no = word_tokens(tokenizer)
        return AnswerTokens(said, yes, no) if answers[0] == "yes" else AnswerTokens(said, no, yes)
    first, second = (
        tokenizer(f"{begun} {answer}".strip(), add_special_tokens=False)["input_ids"] for answer in answers
    )
    same = next((k for k, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), None)
    if same is None or tokenizer.unk_token_id in (first[same], second[same]):
        raise InputError(
            f"This model's tokens cannot tell {answers[0]!r} from {answers[1]!r}.",
            remedy="Give two answers of which neither begins the other, in words that the model knows.",
        )
    return AnswerTokens(first[:same], [first[same]], [second[same]])


def check_here(chat: Any) -> ChatModel:
    """The model, if it is loaded here; raises `InputError` for one that is served or recorded."""
    if not isinstance(chat, ChatModel):
        raise InputError(
            "The image tokens of this model cannot be exchanged, because it is not loaded on this machine.",
            path=getattr(chat, "name", None),
            remedy="Load it here: load_model with its own name or folder.",
        )
    return chat
