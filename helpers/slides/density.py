"""Find the colour of a slide's glass, and measure the optical density of everything else against it.

Stain absorbs light, so by the law of Lambert and Beer its amount is the logarithm of glass over pixel. The slide's
own glass is the reference, so the tint of glass and lamp has no effect. ``colour`` ignores anything that dims all
colours equally.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter, uniform_filter

from helpers.slides.regions import in_bands

WINDOW = 5  # side in pixels of the window in which flatness and texture are measured
GLASS_DARKEST = 140  # of 255, in the darkest channel
GLASS_FLAT = 2.5  # standard deviation of grey levels in a window: that of a camera's noise; all tissue has more
# The largest density of glass between two channels. Glass, mounting medium and lamps are mostly a little yellow.
# More colour than this means a section full of pale stain.
YELLOW_TINT, OTHER_TINT = 0.09, 0.05
GLASS_LEAST = 0.005  # share of the picture; 5% if the rest is white: pale tissue has flat spots, too
DARKEST = 16  # of 255; below this, the logarithm would enlarge the noise of black
EDGE_SHARE = 0.4  # share of the colour nearby, because smoothing carries colour over the edge of tissue
STRONG = 0.5  # density of a channel
CODES = 16  # steps of 0.08 density in each channel
BAND, STRIPE = 200, 40  # rows
SMOOTH = 10  # microns; with less smoothing, noise would count as colour


@dataclass(frozen=True)
class Density:
    """The optical density of each pixel, log10(glass / pixel): arrays (rows, columns).

    Channels are smoothed over 10 microns. Pixels brighter than glass count as glass.
    """

    colour: np.ndarray  # float32, the largest channel minus the smallest; 0 for grey
    crisp: np.ndarray  # bool, whether the unsmoothed pixel has much of the colour nearby
    darkness: np.ndarray  # float32, mean of the three channels in a window
    texture: np.ndarray  # float32, standard deviation of that mean in the window
    code: np.ndarray  # uint16, the colour in steps of 0.08 in each channel
    strong: np.ndarray  # bool, whether a channel loses two thirds of its light
    usual: np.ndarray  # bool, whether it is the pink or purple of eosin and haematoxylin


def glass_colour(rgb: np.ndarray) -> np.ndarray | None:
    """Find the colour of the glass: the brightest common colour that lies flat.

    White where nothing was scanned is not glass if there is other glass beside it.

    Args:
        rgb: uint8 (rows, columns, 3).

    Returns:
        Three floats from 0 to 255: red, green, blue. None if no glass can be seen (the whole picture is tissue, or
            fluorescence on black).
    """
    if len(rgb) > 8 * STRIPE:  # half of a large picture is enough
        rgb = rgb[np.arange(len(rgb)) // STRIPE % 2 == 0]
    red, green, blue = np.moveaxis(rgb, 2, 0)  # three times as fast as along an axis
    grey = red.astype(np.float32)
    grey += green
    grey += blue
    grey /= 3
    darkest = np.minimum(np.minimum(red, green), blue)
    flat = (_window(grey)[1] < GLASS_FLAT) & (darkest >= GLASS_DARKEST)
    white = darkest == 255
    for where, least in ((flat & ~white, 0.05 if white.any() else GLASS_LEAST), (flat, GLASS_LEAST)):
        if where.mean() < least:
            continue
        bright = np.percentile(grey[where], 90)  # pale fat and uneven light are darker, but more common
        colour = np.median(rgb[where & (np.abs(grey - bright) <= 6)], axis=0)
        if np.ptp(np.log10(colour)) <= (YELLOW_TINT if colour.argmin() == 2 else OTHER_TINT):
            return colour
    return None


def density_of(rgb: np.ndarray, glass: np.ndarray, mpp: float) -> Density:
    """Measure optical density against ``glass`` (three values up to 255), ``mpp`` microns a pixel.

    The picture is measured in bands of rows, because the channels of the largest picture would take 15 MB.
    """
    side = max(3, 2 * round(SMOOTH / mpp / 2) + 1)
    tables = [np.log10(light / np.arange(256).clip(DARKEST)).astype(np.float32) for light in glass]
    kinds = {"colour": "f4", "crisp": "?", "darkness": "f4", "texture": "f4", "code": "u2"}
    kinds |= {"strong": "?", "usual": "?"}
    whole = Density(**{name: np.empty(rgb.shape[:2], kind) for name, kind in kinds.items()})
    halo = side // 2 + WINDOW // 2

    def work(first: int, last: int) -> None:
        above = max(first - halo, 0)
        for name, band in _band(rgb[above : last + halo], tables, side).items():
            getattr(whole, name)[first:last] = band[first - above : last - above]

    in_bands(len(rgb), work, most=BAND)
    return whole


def _band(rgb: np.ndarray, tables: list[np.ndarray], side: int) -> dict[str, np.ndarray]:
    """The fields of `Density` for some rows."""
    channels = [table[channel] for table, channel in zip(tables, np.moveaxis(rgb, 2, 0), strict=True)]
    darkness, texture = _window((channels[0] + channels[1] + channels[2]) / 3)
    red, green, blue = (np.maximum(uniform_filter(channel, side), 0) for channel in channels)
    channels = [np.maximum(channel, 0) for channel in channels]
    most, sharp = np.maximum(np.maximum(red, green), blue), np.maximum(np.maximum(*channels[:2]), channels[2])
    colour = most - np.minimum(np.minimum(red, green), blue)
    sharp -= np.minimum(np.minimum(*channels[:2]), channels[2])
    code = np.zeros(colour.shape, np.uint16)
    for channel in (red, green, blue):
        code = code * CODES + (channel * 12).clip(0, CODES - 1).astype(np.uint16)
    return {
        "colour": colour,
        "crisp": sharp > EDGE_SHARE * maximum_filter(colour, WINDOW),
        "darkness": darkness,
        "texture": texture,
        "code": code,
        "strong": most > STRONG,
        "usual": (green > 0.9 * red) & (green > 1.15 * blue),
    }


def _window(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of a float picture in each window."""
    mean = uniform_filter(picture, WINDOW)
    square = uniform_filter(picture * picture, WINDOW)
    square -= mean * mean
    return mean, np.sqrt(np.maximum(square, 0, out=square), out=square)
