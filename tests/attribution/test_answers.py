"""Two answers as tokens: those of p_yes for yes and no, the first that differs for others."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.attribution import AnswerTokens, answer_tokens, occlude
from helpers.errors import InputError
from helpers.evaluation import word_tokens
from helpers.prompts import image_messages


def test_log_odds_and_mass_by_hand():
    tokens = AnswerTokens([], first=[0, 1], second=[2])
    logits = torch.log(torch.tensor([[0.2, 0.1, 0.1, 0.6], [0.25, 0.25, 0.5, 1e-9]]))
    assert tokens.log_odds(logits).tolist() == pytest.approx([math.log(3), 0], abs=1e-6)
    assert tokens.mass(logits).tolist() == pytest.approx([0.4, 1], abs=1e-6)


def test_yes_and_no_are_the_tokens_of_p_yes(standin):
    tokenizer = standin.processor.tokenizer
    found, turned = answer_tokens(tokenizer), answer_tokens(tokenizer, ("no", "yes"))
    assert (found.first, found.second) == word_tokens(tokenizer) == (turned.second, turned.first)
    assert found.begun == tokenizer("Final Answer:", add_special_tokens=False)["input_ids"]


def test_other_answers_part_at_their_first_token_that_differs(standin):
    tokenizer = standin.processor.tokenizer
    words = ("H&E histology", "immunohistochemistry")
    found = answer_tokens(tokenizer, words, "Teaching text:")
    for word, own in zip(words, (found.first, found.second), strict=True):
        ids = tokenizer(f"Teaching text: {word}", add_special_tokens=False)["input_ids"]
        assert ids[: len(found.begun) + 1] == found.begun + own


@pytest.mark.parametrize(
    "answers", [("yes",), ("yes", "no", "perhaps"), ("head", "head CT"), ("a", "a"), ("", "a")]
)
def test_answers_that_cannot_be_told_apart_are_refused(standin, answers):
    with pytest.raises(InputError):
        answer_tokens(standin.processor.tokenizer, answers)


def test_a_model_elsewhere_is_refused():
    class Served:
        name = "endpoint:https://example.org/v1#m"

    with pytest.raises(InputError, match="not loaded on this machine"):
        occlude(Served(), image_messages([], "What?"))
