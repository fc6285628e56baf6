"""Refuse scans that are not stained brightfield, but have one grey channel or show fluorescence."""

from __future__ import annotations

import os

import numpy as np

from helpers.errors import InputError

BLACK = 12  # of 255; unscanned canvas, or the background of a fluorescence scan
# Medians, of 255. If tissue fills a picture, its brightest channel is brighter than this, unless it is very dense.
# Dense tissue on black canvas is wrongly taken for light on black.
DARK, DIM = 80, 150
LEAST_LIGHT = 20  # in the darkest channel, because stained tissue lets some light of every colour through
REMEDY = (
    "Give a brightfield scan of the slide, because MedGemma was trained on stained brightfield slides in colour."
)


def refuse_fluorescence(rgb: np.ndarray, glass: np.ndarray | None, path: str | os.PathLike[str]) -> None:
    """Refuse a picture of light on black.

    Args:
        rgb: uint8 (rows, columns, 3), the overview of a slide.
        glass: the colour of its glass; None if no glass was found.
        path: the path of the slide, for the error.

    Raises:
        InputError: there is no glass, and the pixels that are not black are dim or lack a channel. Stained tissue
            lets some light of every colour through.
    """
    if glass is not None:
        return
    lit = rgb[rgb.max(2) > BLACK]
    if len(lit) < 1e-4 * rgb[..., 0].size:
        return
    black = len(lit) < 0.95 * rgb[..., 0].size
    if np.median(lit.max(1)) < (DIM if black else DARK) or np.median(lit.min(1)) < LEAST_LIGHT:
        raise InputError(
            "The slide looks like a fluorescence scan: it is light on black, without bright glass.",
            path=path,
            remedy=REMEDY,
        )


def refuse_one_channel(rgb: np.ndarray, tissue: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Refuse a scan whose tissue is grey, with the same value in red, green and blue.

    A silver stain that was scanned in colour is never exactly grey. A grey picture saved as JPEG is grey within
    two levels.

    Args:
        rgb: uint8 (rows, columns, 3), the overview of a slide.
        tissue: bool (rows, columns), its tissue.
        path: the path of the slide, for the error.

    Raises:
        InputError: the tissue of the scan is grey.
    """
    some = np.flatnonzero(tissue)[:: max(1, np.count_nonzero(tissue) // 20_000)]
    if np.percentile(np.ptp(rgb.reshape(-1, 3)[some], axis=1), 99) <= 2:
        raise InputError(
            "The slide is grey: its red, green and blue channels are the same, so no stain can be seen.",
            path=path,
            remedy=REMEDY,
        )
