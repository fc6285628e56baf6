"""Search through a volume or a slide: first all of it in a coarse way, then closely where yes is likeliest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.coarse_to_fine.blocks import BEST, BLOCK, slice_blocks, slices_around, slices_each
from helpers.coarse_to_fine.reading import Block, best_of, read_blocks
from helpers.errors import InputError, check_count
from helpers.evaluation import LOW_MASS
from helpers.models import ChatModel
from helpers.prompts import (
    MAGNIFICATION_MPP,
    MAX_NEW_TOKENS,
    MAX_PATCHES,
    MAX_SLICES,
    Message,
    image_messages,
    volume_messages,
)
from helpers.slides import Patch, Slide, TissueMask, patch_grid, read_patches, tissue_mask
from helpers.volumes import Volume, volume_to_rgb

COARSE, FINE = 5, 20  # objective powers of the two passes over a slide


@dataclass(frozen=True)
class Found:
    """The result of a search: the question, every prompt with its answer, and the final answer."""

    question: str
    scan: tuple[Block, ...]  # all parts, in order
    fine: tuple[Block, ...]  # prompts of the second pass: one for a volume, one a patch for a slide
    last: Block  # the prompt of the second pass that the model answered in words
    threshold: float | None
    seconds: float

    @property
    def score(self) -> float:
        """How likely yes is after both passes, 0 to 1: the `Block.score` of the last prompt."""
        return self.last.score

    @property
    def final_answer(self) -> str | None:
        """Yes or no, by the threshold if there is one, else as the model wrote it. None if it wrote neither."""
        if self.threshold is None:
            return self.last.answer
        if self.last.p_yes is None and self.last.answer is None:
            return None
        return "yes" if self.score >= self.threshold else "no"

    @property
    def notes(self) -> list[str]:
        """Warn of parts whose scores say little, because the model stated neither yes nor no, or nearly did."""
        unread = sum(part.p_yes is None and part.answer is None for part in self.scan)
        masses = [part.mass for part in self.scan if part.mass is not None]
        notes = []
        if unread:
            notes.append(
                f"In {unread} of {len(self.scan)} parts of the scan, the model stated neither yes nor no."
            )
        if masses and np.median(masses) < LOW_MASS:
            notes.append(
                f"In half of the parts, yes and no together had a likelihood of {np.median(masses):.0%} or less: "
                "the model was about to say something else. Ask in other words."
            )
        return notes

    @property
    def tokens(self) -> int:
        """The tokens of all prompts, with those of the scan."""
        asked = {id(block): block for block in (*self.scan, *self.fine, self.last)}
        return sum(block.prompt_tokens for block in asked.values())


def find_in_volume(
    chat: Any,
    volume: Volume,
    question: str,
    *,
    block: int = BLOCK,
    limit: int = MAX_SLICES,
    best: int = BEST,
    threshold: float | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Found:
    """Ask about all slices in blocks, then once more about the slices around the blocks where yes is likeliest.

    Args:
        chat: a model, as `helpers.models.load_model` gives it. On this machine each slice is encoded once.
        volume: as `helpers.volumes.read_volume` gives it. All of its slices are read, and kept in memory as RGB.
        question: a yes-or-no question in the words that the model reads, e.g. from
            `helpers.prompts.closed_question`.
        block: slices in one prompt of the scan (`slice_blocks`).
        limit: the most slices of the second prompt.
        best: how many blocks are asked about again (`slices_around`).
        threshold: how likely yes has to be for the answer yes (`fit_threshold`); by default the answer is what the
            model writes.
        max_new_tokens: of an answer that is written.

    Raises:
        InputError: as `slice_blocks`, `slices_around`, `helpers.volumes.volume_to_rgb` and the model raise it.
    """
    start = time.perf_counter()
    blocks = slice_blocks(volume.shape[0], block)
    slices_each(blocks, limit, best)  # a limit that is too small is refused before the scan, not after it
    _check_threshold(threshold)
    chat = chat.keeping_images() if isinstance(chat, ChatModel) else chat
    rgb = volume_to_rgb(volume)

    def prompt(slices: Iterable[int]) -> tuple[tuple[int, ...], list[Message]]:
        shown = tuple(slices)
        return shown, volume_messages([rgb[k] for k in shown], question, limit=max(limit, len(shown)))

    scan = read_blocks(chat, map(prompt, blocks), max_new_tokens=max_new_tokens)
    again = slices_around(blocks, [part.score for part in scan], limit, best)
    fine = read_blocks(chat, [prompt(again)], write=True, max_new_tokens=max_new_tokens)
    return Found(question, tuple(scan), tuple(fine), fine[0], threshold, time.perf_counter() - start)


def find_in_slide(
    chat: Any,
    slide: Slide,
    question: str,
    *,
    coarse: int = COARSE,
    fine: int = FINE,
    limit: int = MAX_PATCHES,
    best: int = BEST,
    threshold: float | None = None,
    mask: TissueMask | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Found:
    """Ask about each patch of the tissue at a low magnification, then inside the best of them at a high one.

    Every patch is a prompt of its own. The answer is that of the fine patch in which yes is likeliest.

    Args:
        chat: a model, as `helpers.models.load_model` gives it.
        slide: an open slide.
        question: a yes-or-no question about one image, in the words that the model reads.
        coarse: objective power of the first pass, over all tissue: 5, 10 or 20.
        fine: objective power of the second pass, higher than ``coarse``.
        limit: the most patches of the second pass. If there are more, those with most tissue are kept.
        best: how many coarse patches are looked into again.
        threshold: how likely yes has to be for the answer yes (`fit_threshold`); by default the answer is what the
            model writes.
        mask: the slide's tissue, where it is known already.
        max_new_tokens: of an answer that is written.

    Raises:
        InputError: there are no patches at these magnifications, or the slide has no level that is fine enough.
            Also as `helpers.slides.tissue_mask` and the model raise it.
    """
    start = time.perf_counter()
    _check_threshold(threshold)
    check_count(limit, f"The second pass cannot have {limit!r} patches.", remedy="Give a limit of 1 or more.")
    check_count(best, f"A search cannot look into {best!r} patches again.", remedy="Give 1 or more.")
    coarse_grid, fine_grid = patch_grids(slide, coarse, fine, mask)
    scan = read_blocks(chat, _prompts(slide, coarse_grid, question), max_new_tokens=max_new_tokens)
    ranked = sorted(scan, key=lambda part: -part.score)[:best]
    again = patches_inside(fine_grid, [part.where for part in ranked])
    kept = set(sorted(again, key=lambda patch: -patch.tissue)[:limit])
    looked = read_blocks(
        chat, _prompts(slide, [p for p in again if p in kept], question), max_new_tokens=max_new_tokens
    )
    last = best_of(looked)
    if not last.text:  # so far only likelihoods were read
        (last,) = read_blocks(
            chat, _prompts(slide, [last.where], question), write=True, max_new_tokens=max_new_tokens
        )
    return Found(question, tuple(scan), tuple(looked), last, threshold, time.perf_counter() - start)


def patch_grids(
    slide: Slide, coarse: int = COARSE, fine: int = FINE, mask: TissueMask | None = None
) -> tuple[list[Patch], list[Patch]]:
    """All tissue patches of a slide at two objective powers. Raises `InputError` as `find_in_slide` does."""
    for power in (coarse, fine):
        if power not in MAGNIFICATION_MPP:
            powers = ", ".join(map(str, MAGNIFICATION_MPP))
            raise InputError(f"There are no patches at {power}x.", path=slide.path, remedy=f"Use one of {powers}.")
    if fine <= coarse:
        raise InputError(
            f"Patches at {fine}x show no more detail than those at {coarse}x.",
            path=slide.path,
            remedy="Give a higher magnification for the second pass, e.g. coarse=5, fine=20.",
        )
    slide.best_level(MAGNIFICATION_MPP[fine])  # fail before a mask is read
    mask = mask or tissue_mask(slide)
    return patch_grid(slide, mask, MAGNIFICATION_MPP[coarse]), patch_grid(slide, mask, MAGNIFICATION_MPP[fine])


def patches_inside(patches: Iterable[Patch], squares: Iterable[Patch]) -> list[Patch]:
    """The patches that share some of their area with any of the squares, in the order of the patches."""
    squares = list(squares)

    def overlap(one: Patch, other: Patch) -> bool:
        across = min(one.x + one.size, other.x + other.size) - max(one.x, other.x)
        down = min(one.y + one.size, other.y + other.size) - max(one.y, other.y)
        return across > 0 and down > 0

    return [patch for patch in patches if any(overlap(patch, square) for square in squares)]


def _prompts(slide: Slide, patches: list[Patch], question: str) -> Iterator[tuple[Patch, list[Message]]]:
    for patch, image in zip(patches, read_patches(slide, patches), strict=True):
        yield patch, image_messages([image], question)


def _check_threshold(threshold: float | None) -> None:
    highest = np.nextafter(1, 2)  # by which every case is a no
    if threshold is not None and not 0 <= threshold <= highest:
        raise InputError(
            f"A threshold of {threshold} is not a number from 0 to 1, and would give every case the same answer.",
            remedy="Give one from 0 to 1, e.g. from fit_threshold.",
        )
