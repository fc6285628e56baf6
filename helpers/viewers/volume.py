"""Look through a volume in JupyterLab, in three planes and several windows, with the prompt's slices marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image, ImageDraw

from helpers.errors import InputError
from helpers.prompts import CT_WINDOWS
from helpers.viewers.picture_widget import Picture, Viewer
from helpers.viewers.pictures import ORANGE
from helpers.viewers.volume_pictures import (
    PLANES,
    PRESETS,
    cut,
    letters,
    proportions,
    sized,
    windowed,
    write,
    write_letters,
)
from helpers.volumes import Volume, measured_range

THREE = "three windows (the prompt)"
OWN = "own"
GAP = 4  # pixels between tiles


class VolumeViewer(Viewer):
    """A slider through the slices of a volume.

    Axial slices are decoded when they are shown. The other planes need every slice: the first time one is chosen,
    the whole volume is read and kept, and the caption says so. An MR volume is read completely at the beginning,
    because its grey scale depends on the whole volume.

    Args:
        volume: the volume to show.
        in_prompt: the indices of the axial slices that the model gets, in order. They are marked.
        start: the axial slice to begin with; by default the middle one.
        side: the longer side of the main picture in pixels.

    The widgets are attributes: ``plane``, ``slider``, ``preset``, ``centre``, ``width``, ``picture``, ``strip``,
    ``before``, ``after``, ``caption``.
    """

    def __init__(
        self, volume: Volume, in_prompt: Sequence[int] = (), *, start: int | None = None, side: int = 512
    ) -> None:
        outside = [k for k in in_prompt if not 0 <= k < volume.shape[0]]
        if outside:
            raise InputError(
                f"Slice {outside[0]} cannot be in the prompt, because the volume has {volume.shape[0]} slices.",
                path=volume.path,
                remedy="Give the indices that select_slices returned for this volume.",
            )
        self._volume, self._side, self._voxels = volume, side, None
        self._ct = volume.modality == "CT"
        self._numbers = {int(k): n for n, k in enumerate(in_prompt, start=1)}
        self._at = {name: volume.shape[plane.cut] // 2 for name, plane in PLANES.items()}
        if start is not None:
            self._at["axial"] = start
        self._busy = False  # True while one control sets another

        self.plane = ipywidgets.ToggleButtons(options=list(PLANES), style={"button_width": "80px"})
        # The slider shows no number, because it would count from 0, but the caption counts from 1.
        self.slider = ipywidgets.IntSlider(
            self._at["axial"], 0, volume.shape[0] - 1, description="slice", readout=False
        )
        self.slider.layout.width = "460px"
        names = [THREE, *PRESETS, OWN] if self._ct else []
        self.preset = ipywidgets.Dropdown(options=names, description="window")
        self.centre = ipywidgets.IntSlider(40, -1100, 2000, description="centre, HU", layout={"width": "330px"})
        self.width = ipywidgets.IntSlider(350, 1, 4000, description="width, HU", layout={"width": "330px"})
        self.before = ipywidgets.Button(
            description="◂ in the prompt", tooltip="Go to the previous slice that the model gets"
        )
        self.after = ipywidgets.Button(
            description="in the prompt ▸", tooltip="Go to the next slice that the model gets"
        )
        self.picture, self.strip = Picture(), Picture()
        self.caption = ipywidgets.Label()
        for name in (
            "plane",
            "slider",
            "preset",
            "centre",
            "width",
            "picture",
            "strip",
            "before",
            "after",
            "caption",
        ):
            getattr(self, name).add_class(f"volume-{name}")

        windows = [ipywidgets.HBox([self.preset, self.centre, self.width], layout={"flex_flow": "row wrap"})]
        steps = ipywidgets.HBox([self.slider, self.before, self.after], layout={"flex_flow": "row wrap"})
        rows = [self.plane, *windows * self._ct, steps, self.caption, self.strip, self.picture]
        super().__init__(rows)
        self.add_class("volume-viewer")

        self._show_window_sliders()
        if not self._ct:
            self._read_all()
            self._range = measured_range(volume, self._voxels)
        self.plane.observe(self._choose_plane, "value")
        self.slider.observe(lambda _: self._draw(), "value")
        self.preset.observe(self._choose_preset, "value")
        self.centre.observe(self._choose_window, "value")
        self.width.observe(self._choose_window, "value")
        self.picture.observe(lambda change: self._move(change["new"] - change["old"]), "turned")
        self.strip.observe(lambda change: self._move(change["new"] - change["old"]), "turned")
        self.strip.observe(self._jump, "clicked")
        self.before.on_click(lambda _: self._next(-1))
        self.after.on_click(lambda _: self._next(1))
        self._draw()

    def _choose_plane(self, change: dict[str, Any]) -> None:
        self._at[change["old"]] = self.slider.value
        if change["new"] != "axial":
            self._read_all()
        last = self._volume.shape[PLANES[change["new"]].cut] - 1
        self._busy = True
        self.slider.max, self.slider.value = last, self._at[change["new"]]
        self._busy = False
        self._draw()

    def _choose_preset(self, change: dict[str, Any]) -> None:
        self._show_window_sliders()
        if change["new"] in PRESETS:
            low, high = PRESETS[change["new"]]
            self._busy = True
            self.centre.value, self.width.value = (low + high) // 2, high - low
            self._busy = False
        self._draw()

    def _show_window_sliders(self) -> None:
        """Hide the sliders of centre and width if three windows are shown at once."""
        for slider in (self.centre, self.width):
            slider.layout.display = "none" if self.preset.value == THREE else ""

    def _choose_window(self, _: Any) -> None:
        if self._busy:
            return
        if self.preset.value == OWN:
            self._draw()
        else:
            self.preset.value = OWN  # this draws the picture again

    def _move(self, steps: int) -> None:
        self.slider.value = min(max(self.slider.value + steps, 0), self.slider.max)

    def _jump(self, change: dict[str, Any]) -> None:
        self._move(round(change["new"][0] * self.slider.max) - self.slider.value)

    def _next(self, direction: int) -> None:
        if self.plane.value != "axial":
            self.plane.value = "axial"
        here = self.slider.value
        there = [k for k in self._numbers if (k - here) * direction > 0]
        if there:
            self.slider.value = min(there, key=lambda k: abs(k - here))

    def _read_all(self) -> None:
        """Read every slice once. The caption shows the progress."""
        if self._voxels is not None:
            return
        done, voxels, count = 0, None, self._volume.shape[0]
        for batch in self._volume.batches():
            if voxels is None:
                voxels = np.empty(self._volume.shape, batch.dtype)
            elif not np.can_cast(batch.dtype, voxels.dtype):  # each slice may have its own scale
                voxels = voxels.astype(batch.dtype)
            voxels[done : done + len(batch)], done = batch, done + len(batch)
            self.caption.value = (
                f"Reading all slices, once: {done} of {count} ({voxels.nbytes / 1e6:.0f} MB in all)"
            )
        self._voxels = voxels

    def _values(self) -> np.ndarray:
        name, k = self.plane.value, self.slider.value
        return cut(self._voxels, name, k) if self._voxels is not None else self._volume.slices([k])[0]

    def _draw(self) -> None:
        if self._busy:
            return
        name, k = self.plane.value, self.slider.value
        values, size = self._values(), proportions(self._volume, name, self._side)
        if self._ct and self.preset.value == THREE:
            picture = self._three(values, size)
        else:
            image = sized(windowed(self._volume, values, self._window()), size)
            picture = image.convert("RGB")
            self._mark(picture, name)
        where = self._where(name, k)
        self.caption.value = where
        self.picture.put(picture, f"{name} plane of {Path(self._volume.path).name}: {where}")
        self._draw_strip(name, k)

    def _window(self) -> tuple[float, float]:
        if not self._ct:
            return self._range
        return self.centre.value - self.width.value / 2, self.centre.value + self.width.value / 2

    def _three(self, values: np.ndarray, size: tuple[int, int]) -> Image.Image:
        """The prompt's colours as a large picture, and each channel in grey beside it."""
        channels = [windowed(self._volume, values, window) for window in CT_WINDOWS.values()]
        main = sized(np.stack(channels, axis=-1), size)
        self._mark(main, self.plane.value)
        height = (size[1] - 2 * GAP) // 3
        small = max(1, round(size[0] * height / size[1])), height
        picture = Image.new("RGB", (size[0] + GAP + small[0], size[1]), "white")
        picture.paste(main, (0, 0))
        draw = ImageDraw.Draw(picture)
        for n, (channel, colour, name) in enumerate(
            zip(channels, ("red", "green", "blue"), CT_WINDOWS, strict=True)
        ):
            left, top = size[0] + GAP, n * (height + GAP)
            picture.paste(sized(channel, small), (left, top))
            write(draw, (left + 4, top + 3), f"{colour}: {name}", size=12)
        return picture

    def _mark(self, picture: Image.Image, name: str) -> None:
        write_letters(picture, letters(self._volume.affine, name))
        if name == "axial":
            return
        draw, count = ImageDraw.Draw(picture), self._volume.shape[0]
        for k in self._numbers:  # marks the prompt's slices at both edges
            y = (count - 0.5 - k) / count * picture.height
            draw.line((0, y, 7, y), ORANGE)
            draw.line((picture.width - 8, y, picture.width, y), ORANGE)

    def _draw_strip(self, name: str, k: int) -> None:
        width, height, last = self._side, 16, max(self.slider.max, 1)
        strip = Image.new("RGB", (width, height), (225, 225, 225))
        draw = ImageDraw.Draw(strip)
        for n in self._numbers if name == "axial" else ():
            x = round(n / last * (width - 3)) + 1
            draw.line((x, 5, x, height), ORANGE, 2)
        x = round(k / last * (width - 3)) + 1
        draw.line((x, 0, x, height), (0, 0, 0), 3)
        marked = f"; {len(self._numbers)} slices of the prompt are marked" if self._numbers else ""
        self.strip.put(strip, f"where {k + 1} lies among {last + 1}{marked}")

    def _where(self, name: str, k: int) -> str:
        plane, count = PLANES[name], self.slider.max + 1
        index = [(n - 1) / 2 for n in self._volume.shape]
        index[plane.cut] = k
        places = self._volume.z_places
        index[0] = np.interp(index[0], np.arange(len(places)), places)
        place = (self._volume.affine @ [*index, 1])[:3]
        axis = int(np.abs(self._volume.affine[:3, plane.cut]).argmax())
        sides = (("right of", "left of"), ("anterior to", "posterior to"), ("inferior to", "superior to"))[axis]
        side = sides[int(place[axis] >= 0)]
        text = f"{name} {k + 1} of {count}, {abs(place[axis]):.1f} mm {side} the origin"
        if name == "axial" and self._numbers:
            number = self._numbers.get(k)
            text += f"; in the prompt as SLICE {number}" if number else "; not in the prompt"
        return text
