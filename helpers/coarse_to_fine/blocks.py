"""Choose the slices of each prompt of a search, by their numbers alone. This file reads no pixels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from helpers.errors import InputError, check_count
from helpers.prompts import MIN_SLICES
from helpers.volumes import select_slices

BLOCK = 8  # slices that are asked about together in a scan
BEST = 1  # parts that are asked about again


def slice_blocks(n: int, size: int = BLOCK) -> list[range]:
    """Divide ``n`` slices into neighbouring blocks of nearly equal length. Each slice is in one block.

    A block has at most ``size`` slices. It has more only if a block would otherwise have fewer than the 5 slices
    that the model expects of a volume.

    Raises:
        InputError: ``n`` or ``size`` is less than 5.
    """
    if n < MIN_SLICES:
        raise InputError(
            f"A volume of {n} slices is too small for a search.", remedy=f"Give {MIN_SLICES} or more."
        )
    check_count(size, f"A block cannot have {size!r} slices.", remedy="Give a whole number.")
    if size < MIN_SLICES:
        raise InputError(f"A block of {size} slices is too small.", remedy=f"Give {MIN_SLICES} or more.")
    count = min(math.ceil(n / size), n // MIN_SLICES)
    ends = [n * k // count for k in range(count + 1)]
    return [range(*pair) for pair in itertools.pairwise(ends)]


def slices_around(blocks: Sequence[range], scores: Sequence[float], limit: int, best: int = BEST) -> list[int]:
    """The slices to ask about again, in order: at most ``limit``, around the ``best`` blocks.

    The blocks with the highest scores share the limit equally. If scores are equal, the first block is chosen.
    Each block takes its own slices and some on either side, at most twice its length in all, because a thin
    finding is lost in a long prompt. A slice that two blocks take is shown once.

    Raises:
        InputError: the number of scores is not that of the blocks, or the blocks alone are over the limit.
    """
    if len(blocks) != len(scores):
        raise InputError(f"There are {len(blocks)} blocks, but {len(scores)} scores.", remedy="Give one for each.")
    each, n = slices_each(blocks, limit, best), blocks[-1].stop
    wanted: set[int] = set()
    for k in sorted(range(len(blocks)), key=lambda k: -scores[k])[:best]:
        first = blocks[k].start - (each - len(blocks[k])) // 2
        first = max(0, min(first, n - each))
        wanted.update(range(first, min(first + each, n)))
    return sorted(wanted)


def slices_each(blocks: Sequence[range], limit: int, best: int = BEST) -> int:
    """How many slices each of the ``best`` blocks takes. Raises `InputError` as `slices_around` does."""
    check_count(best, f"{best!r} blocks cannot be asked about again.", remedy="Give 1 or more.")
    check_count(limit, f"A prompt cannot show {limit!r} slices.", remedy="Give a limit of 1 or more.")
    longest, parts = max(map(len, blocks)), min(best, len(blocks))
    if limit < parts * longest:
        what = f"{parts} blocks" if parts > 1 else "a block"
        raise InputError(
            f"A limit of {limit} slices is too small for {what} of {longest}.",
            remedy=f"Give a limit of {parts * longest}, a smaller block, or ask again about fewer blocks.",
        )
    return min(limit // parts, 2 * longest)


def missed_share(n: int, limit: int, thickness: int) -> float:
    """How likely it is, 0 to 1, that `select_slices` takes no slice of a finding in a volume of ``n`` slices.

    The finding is ``thickness`` slices thick, and may begin at every slice with the same chance. Raises
    `InputError` as `select_slices` does, and if the finding is thicker than the volume.
    """
    check_count(thickness, f"A finding cannot be {thickness!r} slices thick.", remedy="Give 1 or more.")
    if thickness > n:
        raise InputError(
            f"A finding of {thickness} slices does not fit into a volume of {n}.", remedy=f"Give {n} or fewer."
        )
    shown = select_slices(n, limit)
    places = n - thickness + 1
    # A finding is missed if it lies between two slices that are shown. The first and the last slice are always
    # shown.
    gaps = (after - before - 1 for before, after in itertools.pairwise(shown))
    return sum(max(0, gap - thickness + 1) for gap in gaps) / places
