"""Draw the pages of a report with Pillow, in four layouts, on A4 at 150 dots an inch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from helpers.lab_reports.schema import LabRow

WIDTH, HEIGHT, MARGIN = 1240, 1754, 84
_INK, _PALE, _LINE = (24, 26, 32), (96, 100, 110), (150, 154, 164)
_COLOURS = ((22, 66, 120), (120, 28, 40), (16, 96, 84), (66, 66, 72))  # colours of letterheads
_FACES = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono")  # these have signs such as ⁹ and ↑
_SMALLER = {"DejaVuSansMono": 0.86}  # makes it as wide as the others
_ROWS_A_PAGE = 14  # in the layout with several pages


@dataclass(frozen=True)
class Line:
    """A row and the panel that it stands under."""

    panel: str
    row: LabRow


@dataclass(frozen=True)
class Sheet:
    """Everything that the pages of one report show."""

    lines: tuple[Line, ...]
    words: dict[str, str]  # the words in the report's language
    layout: str  # one of `LAYOUTS`
    patient: str
    sample: str
    day: str
    look: int  # chooses the colour, the typeface and the widths

    @property
    def split(self) -> list[tuple[Line, ...]]:
        """The rows of each page."""
        if self.layout != "pages":
            return [self.lines]
        return [self.lines[k : k + _ROWS_A_PAGE] for k in range(0, len(self.lines), _ROWS_A_PAGE)]


def draw_pages(sheet: Sheet) -> list[Image.Image]:
    """Draw the pages of a sheet, RGB, `WIDTH` by `HEIGHT` pixels."""
    pages = sheet.split
    return [_Page(sheet, k, len(pages)).drawn(lines) for k, lines in enumerate(pages)]


@functools.cache
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """A typeface that matplotlib brings along, so that every machine draws the same pixels."""
    size = round(size * _SMALLER.get(face.removesuffix("-Bold"), 1))
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{face}.ttf"), size)


class _Page:
    """One page while it is drawn, and the height at which the next line goes."""

    def __init__(self, sheet: Sheet, number: int, count: int) -> None:
        rng = np.random.default_rng(sheet.look)
        self.sheet, self.number, self.count = sheet, number, count
        self.colour = _COLOURS[rng.integers(len(_COLOURS))]
        self.face = _FACES[rng.integers(3)]
        self.bold = f"{self.face}-Bold"
        self.band = bool(rng.integers(2))
        self.image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self.pen = ImageDraw.Draw(self.image)
        self.bars = rng.integers(1, 5, 60)

    def drawn(self, lines: Sequence[Line]) -> Image.Image:
        y = self._foot(LAYOUTS[self.sheet.layout](self, lines, self._head()))
        assert y <= HEIGHT, "the rows run over the page"
        return self.image

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 23,
        *,
        bold: bool = False,
        room: float = WIDTH,
        **how: object,
    ) -> None:
        """Write a text. If it is wider than ``room``, it becomes smaller."""
        face = self.bold if bold else self.face
        while size > 12 and self.pen.textlength(text, font(face, size)) > room:
            size -= 1
        self.pen.text((x, y), text, **{"fill": _INK, "font": font(face, size), **how})

    def _head(self) -> int:
        words, sheet = self.sheet.words, self.sheet
        if self.band:
            self.pen.rectangle((0, 0, WIDTH, 128), fill=self.colour)
            self.text(MARGIN, 34, words["lab"], 40, bold=True, fill="white")
            self.text(MARGIN, 86, words["made"], 19, fill=(235, 238, 245))
        else:
            self.pen.ellipse((MARGIN, 36, MARGIN + 76, 112), outline=self.colour, width=7)
            self.pen.polygon([(MARGIN + 38, 50), (MARGIN + 58, 92), (MARGIN + 18, 92)], fill=self.colour)
            self.text(MARGIN + 100, 38, words["lab"], 38, bold=True, fill=self.colour)
            self.text(MARGIN + 100, 88, words["made"], 19, fill=_PALE)
            self.pen.line((MARGIN, 132, WIDTH - MARGIN, 132), fill=self.colour, width=3)
        self.text(MARGIN, 156, words["title"], 30, bold=True)
        if self.count > 1:
            self.text(WIDTH - MARGIN, 162, words["page"].format(self.number + 1, self.count), 21, anchor="ra")
        facts = (
            (words["patient"], sheet.patient),
            (words["sample"], sheet.sample),
            (words["taken"], sheet.day),
            (words["reported"], sheet.day),
        )
        for k, (name, value) in enumerate(facts):
            x, y = MARGIN + (k % 2) * 400, 208 + 34 * (k // 2)
            self.text(x, y, f"{name}:", 20, fill=_PALE)
            self.text(x + 180, y, value, 20)
        x = WIDTH - MARGIN - 180
        for k, width in enumerate(self.bars):  # a bar code that encodes nothing
            if x < WIDTH - MARGIN - 4:
                self.pen.rectangle((x, 208, x + int(width) - 1, 262), fill=_INK if k % 2 == 0 else "white")
            x += int(width)
        return 300

    def _foot(self, y: int) -> int:
        self.pen.line((MARGIN, HEIGHT - 96, WIDTH - MARGIN, HEIGHT - 96), fill=_LINE, width=1)
        self.text(MARGIN, HEIGHT - 84, f"{self.sheet.words['lab']} · {self.sheet.words['made']}", 17, fill=_PALE)
        return y + 100

    def panel(self, x: float, y: float, name: str, width: float) -> None:
        self.pen.rectangle((x, y, x + width, y + 32), fill=tuple(225 + c // 9 for c in self.colour))
        self.text(x + 8, y + 3, self.sheet.words[name], 22, bold=True, fill=self.colour)


def _lined(page: _Page, lines: Sequence[Line], y: int) -> int:
    """Draw a table with lines around every cell."""
    return _table(page, lines, y, grid=True)


def _open_table(page: _Page, lines: Sequence[Line], y: int) -> int:
    """Draw a table without lines between its columns, as on reports of several pages."""
    return _table(page, lines, y, grid=False)


def _table(page: _Page, lines: Sequence[Line], y: int, *, grid: bool) -> int:
    words, step = page.sheet.words, 46 if grid else 42
    names = ("test", "value", "flag", "unit", "range")
    edges = (MARGIN, 440, 580, 670, 880, WIDTH - MARGIN)
    rooms = [right - left - 16 for left, right in pairwise(edges)]
    top = y
    for name, x, room in zip(names, edges, rooms, strict=False):
        page.text(x + 10, y + 8, words[name], 21, bold=True, room=room)
    y += step
    rows_from = y
    page.pen.line((MARGIN, y, WIDTH - MARGIN, y), fill=_INK, width=2)
    panel = None
    for line in lines:
        if line.panel != panel:
            panel = line.panel
            page.panel(MARGIN, y + 4, panel, WIDTH - 2 * MARGIN)
            y += 40
        cells = (line.row.test, line.row.value, line.row.flag, line.row.unit, line.row.range)
        for name, cell, x, room in zip(names, cells, edges, rooms, strict=False):
            marked = name == "flag" or (name == "value" and bool(line.row.flag))
            page.text(x + 10, y + 9, cell, bold=marked, room=room)
        y += step
        page.pen.line((MARGIN, y, WIDTH - MARGIN, y), fill=_LINE if grid else (222, 224, 230), width=1)
    if grid:
        page.pen.rectangle((MARGIN, top, WIDTH - MARGIN, y), outline=_INK, width=2)
        for x in edges[1:-1]:
            page.pen.line((x, top, x, rows_from), fill=_LINE, width=1)
    return y


def _columns(page: _Page, lines: Sequence[Line], y: int) -> int:
    """Draw two columns side by side. Each row has two lines of text, the result above and its range below."""
    width = (WIDTH - 2 * MARGIN - 60) // 2
    half = (len(lines) + 1) // 2
    ends = []
    for column, part in enumerate((lines[:half], lines[half:])):
        x, at, panel = MARGIN + column * (width + 60), y, None
        for line in part:
            if line.panel != panel:
                panel = line.panel
                page.panel(x, at, panel, width)
                at += 42
            row = line.row
            page.text(x + 8, at, row.test, 22, room=width - 310)
            page.text(x + width - 200, at, row.value, 23, bold=True, anchor="ra")
            page.text(x + width - 188, at, row.flag, 22, bold=True)
            page.text(x + width - 148, at + 1, row.unit, 20, room=148)
            page.text(x + 8, at + 30, f"{page.sheet.words['range']}: {row.range}", 18, fill=_PALE)
            at += 66
            page.pen.line((x, at - 6, x + width, at - 6), fill=(222, 224, 230), width=1)
        ends.append(at)
    return max(ends)


def _pairs(page: _Page, lines: Sequence[Line], y: int) -> int:
    """Draw each row as its name and its result with dots between them, then the range in brackets."""
    panel = None
    for line in lines:
        if line.panel != panel:
            panel = line.panel
            page.text(MARGIN, y + 8, page.sheet.words[panel].upper(), 22, bold=True, fill=page.colour)
            y += 46
        row = line.row
        page.text(MARGIN + 16, y, row.test)
        start = MARGIN + 30 + page.pen.textlength(row.test, font(page.face, 23))
        said = f"{row.value} {row.unit}".strip()
        end = 700 - page.pen.textlength(said, font(page.bold, 23))
        for x in np.arange(start, end - 12, 12):
            page.pen.ellipse((x, y + 19, x + 2, y + 21), fill=_PALE)
        page.text(700, y, said, bold=True, anchor="ra")
        page.text(714, y, row.flag, bold=True)
        if row.range:
            page.text(790, y, row.range if row.range[0] in "([" else f"({row.range})", 21, fill=_PALE)
        y += 48
    return y


LAYOUTS: dict[str, Callable[[_Page, Sequence[Line], int], int]] = {
    "lined": _lined,
    "columns": _columns,
    "pairs": _pairs,
    "pages": _open_table,
}
