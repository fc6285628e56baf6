"""Guide attention while the stand-in's language model learns to look up the letter of an option.

"Choice: fundus (B)" takes three steps in a row: the option's name takes its letter along, the bracket takes the
name before it along, and then finds that name among the options. While one step is missing, the others earn
nothing, and from answers alone a model of this size never finds all three. So one attention head for each step is
told where to look. No guidance is left in the finished weights.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.models.gemma3.modeling_gemma3 import apply_rotary_pos_emb

from helpers.teaching import OPTION_STYLES

LEAST = 1e-6  # of attention, so that its logarithm is finite
_CHOICE = re.compile(r"Choice: (?P<name>.+?) \((?P<letter>[A-F])\)")


@dataclass(frozen=True)
class Lookup:
    """The tokens by which one letter of an answer is found, as places in its row."""

    asks: int  # the token before the letter in the answer
    said: tuple[int, ...]  # the option's name before it
    named: tuple[int, ...]  # the same name among the options
    letter: int  # the letter of that option


# The layer and the head of each step, and from where to where it looks.
STEPS: tuple[tuple[int, int, Callable[[Lookup], list[tuple[int, Sequence[int]]]]], ...] = (
    (1, 3, lambda found: [(place, (found.letter,)) for place in found.named]),
    (3, 3, lambda found: [(found.asks, found.said)]),
    (5, 0, lambda found: [(found.asks, found.named)]),
)


def find_lookups(given: Sequence[str], said: Sequence[str], start: int) -> list[Lookup]:
    """The lookups of an answer.

    ``given`` and ``said`` are the tokens of a question and of its answer, and ``start`` is the place of the first
    one in its row.
    """
    asked, answered = _Text(given, start), _Text(said, start + len(given))
    out = []
    for choice in _CHOICE.finditer(answered.text):
        for style in OPTION_STYLES:
            option = re.escape(style).replace(r"\{\}", "{}")
            pattern = option.format(f"(?P<letter>{choice['letter']})", f"(?P<name>{re.escape(choice['name'])})")
            if listed := re.search(rf"(?<![\w(]){pattern}(?!\w)", asked.text):
                named, letter = asked.tokens(*listed.span("name")), asked.tokens(*listed.span("letter"))
                asks = answered.tokens(*choice.span("letter"))[0] - 1
                out.append(Lookup(asks, answered.tokens(*choice.span("name")), named, letter[0]))
                break
    return out


class _Text:
    """Tokens as text, and the places of the tokens that hold a part of it."""

    def __init__(self, tokens: Sequence[str], start: int) -> None:
        pieces = [token.replace("▁", " ") for token in tokens]
        self.text = "".join(pieces)
        self._of = [start + k for k, piece in enumerate(pieces) for _ in piece]

    def tokens(self, begin: int, end: int) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self._of[begin:end]))


class Guide:
    """Hears the queries and keys of the guided heads, and tells how far they are from where they should look."""

    def __init__(self, model: Any) -> None:
        self._model = model.model.language_model
        self._heard: dict[tuple[int, str], torch.Tensor] = {}
        self._hooks = [
            getattr(self._model.layers[layer].self_attn, part).register_forward_hook(
                functools.partial(self._hear, (layer, part))
            )
            for layer, _, _ in STEPS
            for part in ("q_norm", "k_norm")
        ]

    def close(self) -> None:
        """Hear no more, and forget what was heard, which holds the graph of the last batch."""
        for hook in self._hooks:
            hook.remove()
        self._heard.clear()

    def _hear(self, at: tuple[int, str], module: Any, given: Any, out: torch.Tensor) -> None:
        self._heard[at] = out.float()

    def loss(self, batch: Any) -> torch.Tensor:
        """-log(attention where a head should look), the mean over each step's looks, summed over the steps.

        ``batch`` is the one that the model read last.
        """
        if not batch.lookups:
            return torch.zeros(())
        return torch.stack([self._missed(batch, *step) for step in STEPS]).sum()

    def _missed(self, batch: Any, layer: int, head: int, looks: Callable[[Lookup], Any]) -> torch.Tensor:
        wanted = [(row, place, there) for row, found in batch.lookups for place, there in looks(found)]
        rows, places = torch.tensor([look[:2] for look in wanted]).unbind(1)
        there = torch.zeros(len(wanted), batch.ids.shape[1])
        for k, (_, _, tokens) in enumerate(wanted):
            there[k, list(tokens)] = 1
        attention = self._model.layers[layer].self_attn
        q, k = self._heard[layer, "q_norm"], self._heard[layer, "k_norm"]
        q, k = apply_rotary_pos_emb(q, k, *self._model.rotary_emb(q, batch.positions, attention.layer_type))
        q, k = q[rows, head, places], k[rows, head // attention.num_key_value_groups]
        scores = torch.einsum("nd,ntd->nt", q, k) * attention.scaling
        seen = batch.masks[attention.layer_type][rows, 0, places]
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
        return -((weights * there).sum(-1) + LEAST).log().mean()
