"""Compare two answers that exclude each other: find the first tokens that differ, and compute the log-odds."""

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
    """The tokens that two answers share at their beginning, and the tokens of each answer that follow them."""

    begun: list[int]
    first: list[int]
    second: list[int]

    def log_odds(self, logits: torch.Tensor) -> torch.Tensor:
        """The log-odds of the first answer against the second, float64 (...), from logits (..., vocabulary)."""
        first, second = (logits[..., tokens].cpu().double().logsumexp(-1) for tokens in (self.first, self.second))
        return first - second

    def mass(self, logits: torch.Tensor) -> torch.Tensor:
        """The likelihood of both answers together among all tokens, 0 to 1, from logits (..., vocabulary)."""
        return logits.cpu().double().softmax(-1)[..., self.first + self.second].sum(-1).clamp(max=1)


def answer_tokens(tokenizer: Any, answers: Sequence[str] = YES_NO, begun: str = ANSWER_BEGUN) -> AnswerTokens:
    """The tokens that tell one answer from the other, when the model's words so far are ``begun``.

    For yes and no, these are the tokens of ``p_yes`` (`helpers.evaluation`), in all spellings. For other answers,
    it is the first token in which the two differ. The tokens before it count as said by the model.

    Raises:
        InputError: ``answers`` are not two, one is the beginning of the other, or the model does not know one.
    """
    if len(answers) != 2 or not all(answer.strip() for answer in answers):
        raise InputError(
            f"Log-odds compare two answers, but {list(answers)} were given.",
            remedy="Give two answers, such as yes and no.",
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
            remedy="Give two answers in words that the model knows. One must not be the beginning of the other.",
        )
    return AnswerTokens(first[:same], [first[same]], [second[same]])


def check_here(chat: Any) -> ChatModel:
    """Return the model if it is loaded here. Raises `InputError` for a served or a recorded model."""
    if not isinstance(chat, ChatModel):
        raise InputError(
            "The images of this model cannot be exchanged, because the model is not loaded on this machine.",
            path=getattr(chat, "name", None),
            remedy="Load the model on this machine, with load_model and its own name or folder.",
        )
    return chat
