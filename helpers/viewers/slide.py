"""Show a slide as the model gets it: its tissue, and its patches in the order of the prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from helpers.errors import InputError
from helpers.slides import Patch, Slide, TissueMask, read_patches
from helpers.viewers.picture_widget import Picture, Viewer
from helpers.viewers.pictures import GREEN, ORANGE, encode


class SlideViewer(Viewer):
    """The overview of a slide with its tissue and its patches; a chosen patch is read and shown beside it.

    You choose a patch by a click on the overview, by its number, or, after a click, with the arrow keys and the
    wheel. A click on the patch shows it below the overview, with all its pixels, and another click puts it back.
    Patches can be read even after the slide was closed. The widgets are attributes: ``picture`` (the overview),
    ``number``, ``patch``, ``caption``.

    Args:
        slide: the slide from which patches are read.
        mask: the tissue of the slide.
        patches: the patches of the prompt, in its order.
        width: the width of the overview on the screen, in pixels.
    """

    def __init__(self, slide: Slide, mask: TissueMask, patches: Sequence[Patch], *, width: int = 400) -> None:
        if not patches:
            raise InputError(
                "The list of patches is empty.", path=slide.path, remedy="Draw patches with sample_patches."
            )
        self._slide, self._mask, self._patches = slide, mask, list(patches)
        self._scale = width / mask.rgb.shape[1]
        self._overview = self._draw_overview()
        self.number = ipywidgets.BoundedIntText(1, 1, len(patches), description="patch", layout={"width": "160px"})
        self.caption = ipywidgets.HTML()  # unlike a Label, HTML breaks lines
        self.picture, self.patch = Picture(width=width), Picture()
        for name in ("picture", "number", "patch", "caption"):
            getattr(self, name).add_class(f"slide-{name}")
        legend = ipywidgets.HTML(
            "green: edge of the tissue; black: patches in the order of the prompt; orange: chosen"
        )
        left = ipywidgets.VBox([self.number, self.picture, legend], layout={"width": f"{width + 20}px"})
        # The patch stands beside the overview, so that a click shows it in sight, as large as there is room.
        right = ipywidgets.VBox([self.caption, self.patch], layout={"flex": "1 1 320px", "max_width": "900px"})
        self._row = ipywidgets.HBox([left, right], layout={"flex_flow": "row wrap"})
        super().__init__([self._row])
        self.add_class("slide-viewer")
        self.number.observe(lambda _: self._draw(), "value")
        self.picture.observe(lambda change: self._move(change["new"] - change["old"]), "turned")
        self.picture.observe(self._click, "clicked")
        self.patch.observe(lambda _: self._enlarge(), "clicked")
        self._draw()

    def _move(self, steps: int) -> None:
        self.number.value = min(max(self.number.value + steps, 1), len(self._patches))

    def _enlarge(self) -> None:
        """Show the patch below the overview with all its pixels, or beside the overview again."""
        beside = self._row.layout.flex_flow == "row wrap"
        self._row.layout.flex_flow = "column" if beside else "row wrap"

    def _click(self, change: dict[str, Any]) -> None:
        across, down, _ = change["new"]
        rows, columns = self._mask.tissue.shape
        x = self._mask.origin[0] + across * columns * self._mask.downsample
        y = self._mask.origin[1] + down * rows * self._mask.downsample
        for n, p in enumerate(self._patches, start=1):
            if p.x <= x < p.x + p.size and p.y <= y < p.y + p.size:
                self.number.value = n
                return
        self.caption.value = "The prompt has no patch at this place."

    def _square(self, patch: Patch) -> tuple[int, int, int, int]:
        """Corners of a patch on the overview."""
        scale = self._scale / self._mask.downsample
        left, top = (patch.x - self._mask.origin[0]) * scale, (patch.y - self._mask.origin[1]) * scale
        side = patch.size * scale
        return round(left), round(top), round(left + side), round(top + side)

    def _draw_overview(self) -> Image.Image:
        rows, columns = self._mask.tissue.shape
        size = round(columns * self._scale), round(rows * self._scale)
        tissue = np.asarray(Image.fromarray(self._mask.tissue).resize(size))
        rgb = np.array(Image.fromarray(self._mask.rgb).resize(size, Image.Resampling.BOX))
        rgb[ndimage.binary_dilation(tissue, iterations=2) & ~tissue] = GREEN
        picture = Image.fromarray(rgb)
        draw = ImageDraw.Draw(picture)
        for n, patch in enumerate(self._patches, start=1):
            left, top, right, bottom = self._square(patch)
            draw.rectangle((left, top, right, bottom), outline="black")
            if right - left >= 14:  # a smaller square has no room for a number
                font = ImageFont.load_default(min(15, (right - left) // 2))
                draw.text((left + 3, top + 2), str(n), "black", font, stroke_width=2, stroke_fill="white")
        return picture

    def _draw(self) -> None:
        n = self.number.value
        patch = self._patches[n - 1]
        overview = self._overview.copy()
        ImageDraw.Draw(overview).rectangle(self._square(patch), outline=ORANGE, width=4)
        count = len(self._patches)
        alt = f"Overview of {self._slide.path.name}: {count} patches, number {n} chosen"
        self.picture.put(overview, alt, mime="image/jpeg")
        try:
            (image,) = read_patches(self._slide, [patch], workers=1)
        except InputError as error:
            self.caption.value = escape(str(error))
            return
        self.caption.value = (
            f"patch {n} of {count}: {patch.size * self._slide.mpp / 1000:.2f} mm wide, {patch.tissue:.0%} tissue, "
            f"at x = {patch.x}, y = {patch.y} of level 0; click it for its full size"
        )
        # As a PNG, a photograph of 896 x 896 pixels would take 2 MB of the saved notebook.
        self.patch.put(image, f"Patch {n} at full resolution", mime="image/jpeg")


def contact_sheet(images: Sequence[Image.Image], *, width: int = 900, columns: int = 0) -> Any:
    """Small pictures of all patches, numbered in the prompt's order: an IPython Image (JPEG) with alt text."""
    from IPython.display import Image as Shown

    if not images:
        raise InputError("The list of patches is empty.", remedy="Draw patches with sample_patches.")
    columns = columns or min(14, max(6, math.ceil(math.sqrt(2 * len(images)))))
    side, rows = width // columns - 4, -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (side + 4), rows * (side + 4)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for k, image in enumerate(images):
        left, top = k % columns * (side + 4), k // columns * (side + 4)
        sheet.paste(image.convert("RGB").resize((side, side), Image.Resampling.BOX), (left, top))
        # A frame, because glass is as white as the page.
        draw.rectangle((left, top, left + side, top + side), outline=(170, 170, 170))
        draw.text((left + 3, top + 2), str(k + 1), "black", font, stroke_width=2, stroke_fill="white")
    alt = f"Contact sheet of {len(images)} patches, numbered in the order of the prompt."
    return Shown(data=encode(sheet, "image/jpeg"), format="jpeg", alt=alt)
