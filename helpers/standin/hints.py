"""Give hints while the stand-in's language model learns: facts that it should know at the end of each image.

A yes or no at the end of 85 slices says little about where to look. So additional heads, which are dropped after
the training, ask more halfway up the layers and at the top: what this image shows, what all images so far show,
which kind of image it is, and where a thing lies. So a long volume also teaches every shorter length, and the
answer only has to use facts that are already known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from helpers.standin.sight import KINDS, SEEN

DEPTHS = (3, -1)  # after so many layers of the language model
PRESENT = 3.0  # weight of an image that shows a thing


@dataclass(frozen=True)
class Hint:
    """The facts that are known about the images of a lesson."""

    kind: str
    shown: torch.Tensor  # float32 (images, things): 1 there, 0 not there, -1 not known
    target: str = ""  # of `SEEN`, in the only image
    box: tuple[float, ...] = ()  # y0, x0, y1, x1 of 1


class Hints(nn.Module):
    """The heads, and their loss."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = [len(SEEN), len(SEEN), len(KINDS), 4 * len(SEEN)]
        self.heads = nn.ModuleList(nn.Linear(width, sum(self.sizes)) for _ in DEPTHS)

    def forward(self, layers: Sequence[torch.Tensor], hints: Sequence[Hint]) -> tuple[torch.Tensor, Any]:
        """The loss, and for the last images the predicted and the true things shown so far: (lessons, things).

        ``layers`` holds the hidden states at the ends of all images, one tensor (images, width) of each depth.
        """
        here = torch.cat([hint.shown for hint in hints])
        so_far = torch.cat([hint.shown.cummax(0).values for hint in hints])
        lengths = [len(hint.shown) for hint in hints]
        kind = torch.repeat_interleave(torch.tensor([KINDS.index(h.kind) for h in hints]), torch.tensor(lengths))
        boxed = [k for k, hint in enumerate(hints) if hint.box]
        loss = torch.zeros(())
        for head, states in zip(self.heads, layers, strict=True):
            normed = nn.functional.rms_norm(states, states.shape[-1:])
            shown, known, kinds, boxes = head(normed).split(self.sizes, dim=-1)
            loss = loss + _presence(shown, here) + _presence(known, so_far)
            loss = loss + 0.3 * nn.functional.cross_entropy(kinds, kind)
            if boxed:
                things = torch.tensor([SEEN.index(hints[k].target) for k in boxed])
                ends = torch.tensor(lengths).cumsum(0)[boxed] - 1
                found = boxes.reshape(-1, len(SEEN), 4)[ends, things]
                loss = loss + 10 * (found - torch.tensor([hints[k].box for k in boxed])).abs().mean()
        last = torch.tensor(lengths).cumsum(0) - 1
        return loss, (known[last].detach().float(), so_far[last])


def _presence(logits: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    known = (there >= 0).float()
    each = nn.functional.binary_cross_entropy_with_logits(
        logits, there.clamp(min=0), weight=known, pos_weight=torch.tensor(PRESENT), reduction="none"
    )
    return each.sum() / known.sum().clamp(min=1)
