"""Count the tokens of a search before it runs, with blank images, which have as many tokens as the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image

from helpers.coarse_to_fine.blocks import BEST, BLOCK, slice_blocks, slices_each
from helpers.coarse_to_fine.searches import COARSE, FINE, patch_grids, patches_inside
from helpers.prompts import MAX_PATCHES, MAX_SLICES, Message, image_messages, volume_messages
from helpers.slides import Slide, TissueMask

_BLANK = Image.new("RGB", (1, 1))


@dataclass(frozen=True)
class SearchCost:
    """The prompts and tokens of a search, and the tokens of one usual prompt about the same volume or slide."""

    parts: int  # prompts of the scan
    scan_tokens: int
    again: int  # prompts after the scan, at most
    again_tokens: int  # tokens of the prompts after the scan, at most
    usual_tokens: int  # tokens of one prompt with as many images as the limit allows

    @property
    def tokens(self) -> int:
        """The tokens of the whole search, at most."""
        return self.scan_tokens + self.again_tokens

    def __str__(self) -> str:
        """Two sentences for a notebook or a terminal."""
        prompts = f"{self.parts} prompt{'s' * (self.parts > 1)}"
        then = f"{self.again} prompt{'s' * (self.again > 1)}"
        return (
            f"The search reads {self.scan_tokens:,} tokens in {prompts}, and then up to {self.again_tokens:,} in "
            f"{then}. That is {self.tokens / self.usual_tokens:.1f} times the {self.usual_tokens:,} tokens of one "
            "prompt alone."
        )


def volume_cost(
    chat: Any, n: int, question: str, *, block: int = BLOCK, limit: int = MAX_SLICES, best: int = BEST
) -> SearchCost:
    """The cost of `find_in_volume` on ``n`` slices; for a server, an estimate. Raises the same `InputError`."""

    def count(slices: int) -> int:
        messages = volume_messages([_BLANK] * slices, question, limit=max(limit, slices))
        return chat.count_tokens(messages).total

    blocks = slice_blocks(n, block)
    again = min(n, slices_each(blocks, limit, best) * min(best, len(blocks)))
    by_length = {length: count(length) for length in {len(one) for one in blocks}}
    scan = sum(by_length[len(one)] for one in blocks)
    return SearchCost(len(blocks), scan, 1, count(again), count(min(n, limit)))


def slide_cost(
    chat: Any,
    slide: Slide,
    question: str,
    *,
    coarse: int = COARSE,
    fine: int = FINE,
    limit: int = MAX_PATCHES,
    best: int = BEST,
    mask: TissueMask | None = None,
) -> SearchCost:
    """The most that `find_in_slide` can cost. Raises the same `InputError`.

    The usual prompt, with which the cost is compared, has as many fine patches as the limit allows.
    """

    def count(messages: list[Message]) -> int:
        return chat.count_tokens(messages).total

    coarse_grid, fine_grid = patch_grids(slide, coarse, fine, mask)
    one = count(image_messages([_BLANK], question))
    inside = sorted((len(patches_inside(fine_grid, [square])) for square in coarse_grid), reverse=True)
    again = min(sum(inside[:best]), limit) + 1  # the best patch is asked about once more, for an answer in words
    usual = count(image_messages([_BLANK] * min(len(fine_grid), limit), question))
    return SearchCost(len(coarse_grid), len(coarse_grid) * one, again, again * one, usual)
