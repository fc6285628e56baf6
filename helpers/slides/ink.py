"""Find even areas on a slide that are not tissue: strokes of a pen, unscanned canvas, shadows."""

from __future__ import annotations

import numpy as np

from helpers.slides.density import CODES, Density
from helpers.slides.regions import largest_around, opened

NOISE = 0.006  # a window whose density varies less is as even as glass
STRONG_VARIES = 0.2  # strokes of a pen that takes two thirds of a channel's light may vary this much
# Share of the density; ink varies less in a window, and tissue at 2 to 40 um/px varies twice as much.
INK_VARIES = 0.06
FAINT = 0.004  # density; less is glass
SHADOW = 0.1  # density of an even, grey area
STAIN_COLOUR = 0.45  # an even area with more colour is a pen, even in the hues of eosin and haematoxylin
WIDTH, WIDE = 120, 6  # microns, and the most pixels; narrower even spots are part of tissue
EDGE = 16  # pixels around ink; JPEG's blocks of colour spread ink this far


def ink_in(density: Density, seen: np.ndarray, mpp: float) -> np.ndarray:
    """Find ink and canvas among what is darker or more coloured than glass.

    A pen's stroke is even, and wider than even spots in tissue. Its hue does not help, because a green pen and the
    stain light green look alike. So a colour that is mostly textured on this slide counts as a stain, with its
    even spots (collagen, mucin). Even areas in the pink and purple of haematoxylin and eosin stay too, unless they
    are as even as glass on a slide where most stain is textured.

    Args:
        density: the density of the overview.
        seen: bool (rows, columns), True where there may be tissue.
        mpp: microns per pixel.

    Returns:
        bool (rows, columns), ink with an edge of 16 pixels.
    """
    limit = INK_VARIES * density.darkness
    limit[density.strong] *= STRONG_VARIES / INK_VARIES
    limit += NOISE
    even = density.texture < limit
    usual = density.usual & (density.colour < STAIN_COLOUR)
    flat = even & ~usual & (density.darkness > FAINT) & (seen | (density.darkness > SHADOW))
    if np.count_nonzero(seen & ~even) > np.count_nonzero(seen) / 2:
        np.multiply(density.darkness, 0.01, out=limit)
        limit += NOISE
        flat |= (density.texture < limit) & (density.darkness > 0.06)
    del limit
    flat = opened(flat, min(WIDTH / mpp, WIDE))
    if not flat.any():
        return flat

    of_flat = density.code[flat]
    everywhere = np.bincount(density.code[seen | flat], minlength=CODES**3)
    ink = np.bincount(of_flat, minlength=CODES**3) > 0.6 * everywhere
    flat[flat] = ink[of_flat]
    return largest_around(flat, 2 * EDGE + 1)
