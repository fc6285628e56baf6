"""Which slices are asked about together, and which of them again. No pixel is read."""

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
    """All of ``n`` slices in neighbouring blocks of nearly equal length: each slice is in one of them.

    A block has ``size`` slices at most, and more only where blocks would otherwise have fewer than the 5 that the
    model expects of a volume.

    Raises:
        InputError: fewer than 5 slices, or blocks of fewer.
    """
    if n < MIN_SLICES:
        raise InputError(f"{n} slices are too few for a volume.", remedy=f"Give {MIN_SLICES} or more.")
    check_count(size, f"A block of {size!r} slices cannot be asked about.", remedy="Give a whole number.")
    if size < MIN_SLICES:
        raise InputError(f"A block of {size} slices is too small.", remedy=f"Give {MIN_SLICES} or more.")
    count = min(math.ceil(n / size), n // MIN_SLICES)
    ends = [n * k // count for k in range(count + 1)]
    return [range(*pair) for pair in itertools.pairwise(ends)]


def slices_around(blocks: Sequence[range], scores: Sequence[float], limit: int, best: int = BEST) -> list[int]:
    """The slices to ask about again: around the ``best`` blocks, ``limit`` in all at most, in order.

    The blocks of the highest scores (of equal ones the first) share the limit equally. Each takes its own slices
    and some on either side of them: up to twice its length, because a thin finding is lost in a long prompt. Two
    blocks may want the same slices, which are then shown once.

    Raises:
        InputError: not one score for each block, or a limit without room for the blocks themselves.
    """
    if len(blocks) != len(scores):
        raise InputError(f"{len(blocks)} blocks have {len(scores)} scores.", remedy="Give one for each.")
    each, n = slices_each(blocks, limit, best), blocks[-1].stop
    wanted: set[int] = set()
    for k in sorted(range(len(blocks)), key=lambda k: -scores[k])[:best]:
        first = blocks[k].start - (each - len(blocks[k])) // 2
        first = max(0, min(first, n - each))
        wanted.update(range(first, min(first + each, n)))
    return sorted(wanted)


def slices_each(blocks: Sequence[range], limit: int, best: int = BEST) -> int:
    """How many slices each of the ``best`` blocks takes in `slices_around`, which says what is refused."""
    check_count(best, f"{best!r} blocks cannot be asked about again.", remedy="Give 1 or more.")
    check_count(limit, f"{limit!r} slices cannot be shown.", remedy="Give a limit of 1 or more.")
    longest, parts = max(map(len, blocks)), min(best, len(blocks))
    if limit < parts * longest:
        what = f"{parts} blocks" if parts > 1 else "a block"
        raise InputError(
            f"A limit of {limit} slices has no room for {what} of {longest}.",
            remedy=f"Give a limit of {parts * longest}, a smaller block, or ask again about fewer blocks.",
        )
    return min(limit // parts, 2 * longest)


def missed_share(n: int, limit: int, thickness: int) -> float:
    """The share of the places of a finding in ``n`` slices at which `select_slices` shows no slice of it, 0 to 1.

    Every place of a finding of ``thickness`` slices is taken to be as likely as every other. Raises `InputError`
    as `select_slices`, and for a thickness that does not fit into the volume.
    """
    check_count(thickness, f"A finding of {thickness!r} slices is none.", remedy="Give 1 or more.")
    if thickness > n:
        raise InputError(f"A finding of {thickness} slices does not fit into {n}.", remedy=f"Give {n} or fewer.")
    shown = select_slices(n, limit)
    places = n - thickness + 1
    # A finding is missed where it lies between two slices that are shown, and these are the first and last too.
    gaps = (after - before - 1 for before, after in itertools.pairwise(shown))
    return sum(max(0, gap - thickness + 1) for gap in gaps) / places
