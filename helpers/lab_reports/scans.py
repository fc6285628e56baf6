"""Make a page look scanned: skewed, noisy, blurred, with a stamp, or with pale ink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from helpers.lab_reports.page_layouts import HEIGHT, WIDTH, font

_STAMP = (176, 30, 44)


def scan(page: Image.Image, quality: str, seed: int) -> Image.Image:
    """A page after a scan of ``quality``, one of `SCANS`. The same seed gives the same pixels."""
    return SCANS[quality](page, np.random.default_rng([seed, 7]))


def _clean(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    return page


def _skewed(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn the page by one to three degrees, and show the lid of the scanner around it."""
    angle = float(rng.uniform(1, 3) * rng.choice([-1, 1]))
    return page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(206, 206, 202))


def _noisy(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Add grain and specks, as on a copy of a copy."""
    values = np.asarray(page, np.float32) + rng.normal(0, 22, (HEIGHT, WIDTH, 1))
    specks = rng.random((HEIGHT, WIDTH, 1)) < 0.003
    return Image.fromarray(np.where(specks, 40, np.clip(values, 0, 255)).astype(np.uint8))


def _blurred(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put the page out of focus, and add the shadow of a hand, as on a photograph."""
    shadow = np.linspace(1, rng.uniform(0.6, 0.75), WIDTH, dtype=np.float32)[None, :, None]
    values = np.asarray(page.filter(ImageFilter.GaussianBlur(1.9)), np.float32) * shadow
    return Image.fromarray(values.astype(np.uint8))


def _stamped(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Add a stamp over the rows, which stay visible below it."""
    stamp = Image.new("RGBA", (560, 190), (0, 0, 0, 0))
    pen = ImageDraw.Draw(stamp)
    pen.rounded_rectangle((6, 6, 553, 183), 22, outline=(*_STAMP, 190), width=9)
    pen.text((280, 70), "RECEIVED", font=font("DejaVuSans-Bold", 62), fill=(*_STAMP, 190), anchor="mm")
    pen.text((280, 138), "MADE · NO PATIENT", font=font("DejaVuSans", 34), fill=(*_STAMP, 190), anchor="mm")
    turned = stamp.rotate(float(rng.uniform(-18, 18)), Image.Resampling.BICUBIC, expand=True)
    out = page.convert("RGBA")
    out.alpha_composite(turned, (int(rng.integers(260, 560)), int(rng.integers(420, 760))))
    return out.convert("RGB")


def _faint(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Make the ink pale and the paper grey, as on an old fax."""
    grey = ImageEnhance.Contrast(page.convert("L").convert("RGB")).enhance(0.28)
    values = np.asarray(grey, np.float32) - 20 + rng.normal(0, 5, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


SCANS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "clean": _clean,
    "skewed": _skewed,
    "noisy": _noisy,
    "blurred": _blurred,
    "stamped": _stamped,
    "faint": _faint,
}
