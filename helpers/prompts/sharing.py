"""Share the places of one prompt among several slides or several volumes."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.errors import InputError


def shares(sizes: Sequence[int], limit: int, *, least: int = 1, what: str = "inputs") -> list[int]:
    """Divide ``limit`` places among inputs in proportion to their sizes.

    This is the method of Webster and Sainte-Laguë (Annales scientifiques de l'École Normale Supérieure 27:529,
    1910). Each input begins with ``least`` places. The next place goes to the input with the largest size / (2 x
    places + 1), or to the first of several. Unlike the method of the largest remainder, a higher limit never takes
    a place from an input.

    Args:
        sizes: the size of each input, e.g. its number of tissue patches or slices; at least 1.
        limit: the places, e.g. 126 patches.
        least: the places that each input gets at least, unless it has fewer.
        what: the inputs in the plural, for the message of an error.

    Returns:
        The places of each input, in the order of ``sizes``. No input gets more than its size. The sum is
            ``limit``, or the sum of all sizes if that is smaller.

    Raises:
        InputError: no inputs, an empty one, or too many for ``limit``.
    """
    if not sizes or min(sizes) < 1:
        raise InputError(
            f"No {what} were given, or one of them is empty.",
            remedy=f"Give one or more {what}, each with at least one image.",
        )
    places = [min(least, size) for size in sizes]
    if sum(places) > limit:
        raise InputError(
            f"{limit} images cannot be shared among {len(sizes)} {what} with at least {least} for each.",
            remedy=f"Give at most {limit // least} {what}.",
        )
    for _ in range(min(limit, sum(sizes)) - sum(places)):
        open_to = (k for k, size in enumerate(sizes) if places[k] < size)
        # Max takes the first of equal ones.
        places[max(open_to, key=lambda k: sizes[k] / (2 * places[k] + 1))] += 1
    return places
