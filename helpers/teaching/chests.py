"""Chest radiographs with a pleural effusion drawn in: fluid at the base of one lung, whose level may change.

It is a white area of one brightness, and far simpler than a real effusion. Its upper edge rises towards the wall
of the chest, as fluid does there (the meniscus). The bundled radiograph has round opacities of its own in both
lungs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

EFFUSION = "pleural effusion"
STATES = ("none", "small", "large")
CHANGES = ("improved", "stable", "worsened")
# The base of each lung in the bundled radiograph, as x and y from 0 to 1, drawn by eye. Sides are the patient's.
_BASES = {
    "right": ((0.09, 0.40), (0.36, 0.40), (0.36, 0.73), (0.22, 0.73), (0.07, 0.82)),
    "left": ((0.62, 0.40), (0.87, 0.40), (0.92, 0.82), (0.79, 0.76), (0.72, 0.66)),
}
_LEVELS = {"small": (0.57, 0.61), "large": (0.40, 0.45)}  # y of 1, from and to
_WHITE = 238
MENISCUS = 0.13  # share of the height that the fluid rises at the wall of the chest


@dataclass(frozen=True)
class Effusion:
    """Fluid at the base of a lung: ``side`` of the patient, and its ``level`` at the wall of the chest, y of 1."""

    side: str
    level: float

    @classmethod
    def draw(cls, side: str, state: str, rng: np.random.Generator) -> Effusion | None:
        """An effusion of a state of `STATES`; None for "none"."""
        return None if state == "none" else cls(side, float(rng.uniform(*_LEVELS[state])))

    def mask(self, size: tuple[int, int]) -> Image.Image:
        """A mask of the fluid in a radiograph of ``size`` (width, height): one channel, white inside."""
        width, height = size
        base = Image.new("L", size)
        ImageDraw.Draw(base).polygon([(x * width, y * height) for x, y in _BASES[self.side]], fill=255)
        outer = max if self.side == "left" else min
        edge = outer(x for x, _ in _BASES[self.side])
        away = np.abs(np.arange(width) / width - edge)
        level = (self.level + MENISCUS * (1 - np.exp(-away / 0.06))) * height
        below = np.arange(height)[:, None] >= level
        return Image.fromarray(np.where(below, np.asarray(base), 0).astype(np.uint8))

    def put_into(self, radiograph: Image.Image) -> Image.Image:
        """The radiograph with the fluid drawn in. Its edge is soft over a hundredth of the width."""
        soft = self.mask(radiograph.size).filter(ImageFilter.GaussianBlur(radiograph.width / 100))
        share = soft.point(lambda value: round(0.9 * value))
        return Image.composite(Image.new(radiograph.mode, radiograph.size, (_WHITE,) * 3), radiograph, share)


def change_of(prior: str, current: str) -> str:
    """The change, one of `CHANGES`, from one state of `STATES` to another."""
    return CHANGES[1 + int(np.sign(STATES.index(current) - STATES.index(prior)))]
