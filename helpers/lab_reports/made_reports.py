"""Invent lab reports: draw tables of results as pages, make the pages look badly scanned, and keep every row.

No report belongs to a patient or a laboratory. A seed decides everything, and each page says that it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from helpers.errors import InputError, did_you_mean
from helpers.lab_reports.analytes import DECIMAL_SIGN, LANGUAGES, PANELS, SYSTEMS, WORDS, Analyte, analytes
from helpers.lab_reports.page_layouts import LAYOUTS, Line, Sheet, draw_pages
from helpers.lab_reports.scans import SCANS, scan
from helpers.lab_reports.schema import LabRow
from helpers.lab_reports.units import print_unit

FLAG_STYLES = {"letters": ("L", "H"), "arrows": ("↓", "↑"), "star": ("*", "*")}
_RANGE_STYLES = ("{} - {}", "{}-{}", "({} - {})", "[{} - {}]", "{} – {}")
_BELOW, _ABOVE = ("< {}", "<{}", "≤ {}"), ("> {}", ">{}", "≥ {}")
_ABNORMAL = 0.3  # share of the results
_UNDER_THE_LIMIT = 0.25  # share of the results with a range "below" that are printed as a limit, such as "<0.3"
_MOST_ROWS = {"lined": 16, "columns": 28, "pairs": 18, "pages": 40}


@dataclass(frozen=True)
class MadeReport:
    """One made report: its language and look, its rows as they are printed, and its pages."""

    id: str
    seed: int
    language: str  # one of `LANGUAGES`
    system: str  # system of units, one of `SYSTEMS`
    layout: str  # one of `LAYOUTS`
    scan: str  # one of `SCANS`
    rows: tuple[LabRow, ...]  # in the order of the pages
    pages_of_rows: tuple[int, ...]  # the page of each row, from 0
    sheet: Sheet

    def rows_of(self, page: int) -> list[LabRow]:
        """The rows on a page. Pages are counted from 0."""
        return [row for row, at in zip(self.rows, self.pages_of_rows, strict=True) if at == page]

    @property
    def clean_pages(self) -> list[Image.Image]:
        """The pages before they were scanned: RGB, 1,240 by 1,754 pixels (A4 with 150 dots an inch)."""
        return draw_pages(self.sheet)

    @cached_property
    def pages(self) -> list[Image.Image]:
        """The pages as a model gets them."""
        return [scan(page, self.scan, self.seed + k) for k, page in enumerate(self.clean_pages)]


def make_report(
    seed: int,
    *,
    language: str | None = None,
    system: str | None = None,
    layout: str | None = None,
    scan: str | None = None,
) -> MadeReport:
    """Make a report from a seed, which also draws each choice that is None. Equal arguments give equal pixels.

    Raises `InputError` for an unknown language, system, layout or scan.
    """
    rng = np.random.default_rng([seed, 11])
    drawn = {
        name: str(rng.choice(options)) if value is None else _known(name, value, options)
        for name, value, options in (
            ("language", language, LANGUAGES),
            ("system", system, SYSTEMS),
            ("layout", layout, tuple(LAYOUTS)),
            ("scan", scan, tuple(SCANS)),
        )
    }
    language, layout = drawn["language"], drawn["layout"]
    chosen = _choose(analytes(language, drawn["system"]), _MOST_ROWS[layout], rng)
    style = _Style(
        language,
        FLAG_STYLES[str(rng.choice(list(FLAG_STYLES)))],
        str(rng.choice(_RANGE_STYLES)),
        str(rng.choice(_BELOW)),
        str(rng.choice(_ABOVE)),
    )
    lines = [Line(analyte.panel, _row(analyte, style, rng)) for analyte in chosen]
    number = f"{rng.integers(10**7, 10**8)}"
    day = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.20{rng.integers(18, 27)}"
    look = int(rng.integers(0, 1_000_000))
    sheet = Sheet(tuple(lines), WORDS[language], layout, f"P-{number[:6]}", f"S-{number}", day, look)
    return MadeReport(
        id=f"report-{seed:04d}-{language}-{layout}-{drawn['scan']}",
        seed=seed,
        rows=tuple(line.row for line in lines),
        pages_of_rows=tuple(k for k, page in enumerate(sheet.split) for _ in page),
        sheet=sheet,
        **drawn,
    )


def make_reports(count: int, seed: int = 0) -> list[MadeReport]:
    """Make ``count`` reports from successive seeds. Every layout, language and scan comes in turn."""
    layouts, scans = tuple(LAYOUTS), tuple(SCANS)
    return [
        make_report(
            1000 * seed + k,
            language=LANGUAGES[(k + k // 4) % 4],
            layout=layouts[k % len(layouts)],
            scan=scans[(k + k // len(scans)) % len(scans)],
        )
        for k in range(count)
    ]


@dataclass(frozen=True)
class _Style:
    language: str
    flags: tuple[str, str]
    between: str
    below: str
    above: str

    def number(self, value: float, decimals: int) -> str:
        return f"{value:.{decimals}f}".replace(".", DECIMAL_SIGN[self.language])


def _known(name: str, value: str, options: tuple[str, ...]) -> str:
    if value not in options:
        raise InputError(
            f"There is no {name} {value!r}.",
            remedy=f"{did_you_mean(value, options)}Use one of {', '.join(options)}.",
        )
    return value


def _choose(known: tuple[Analyte, ...], most: int, rng: np.random.Generator) -> list[Analyte]:
    """Choose whole panels in their order, then leave out some of their tests, as a doctor's order would."""
    panels = set(rng.permutation(PANELS)[: rng.integers(2, len(PANELS))]) | {"chemistry"}
    if most > 30:
        panels = set(PANELS)
    chosen = [analyte for analyte in known if analyte.panel in panels and rng.random() > 0.15]
    kept = sorted(rng.permutation(len(chosen))[:most])
    return [chosen[k] for k in kept]


def _row(analyte: Analyte, style: _Style, rng: np.random.Generator) -> LabRow:
    words = WORDS[style.language]
    low_mark, high_mark = style.flags
    if analyte.form == "text":
        positive = rng.random() < _ABNORMAL
        mark = ("*" if low_mark == "*" else high_mark) if positive else ""
        value = words["positive" if positive else "negative"]
        return LabRow(test=analyte.name, value=value, range=words["negative"], flag=mark)
    number, limit = _value(analyte, rng)
    rounded = float(f"{number:.{analyte.decimals}f}")
    ends = {"low": analyte.low, "high": analyte.high}
    shown = {name: style.number(end, analyte.decimals) for name, end in ends.items() if end is not None}
    printed = {
        "between": lambda: style.between.format(shown["low"], shown["high"]),
        "below": lambda: style.below.format(shown["high"]),
        "above": lambda: style.above.format(shown["low"]),
    }[analyte.form]()
    strict = {"below": "≤" not in style.below, "above": "≥" not in style.above}.get(analyte.form, False)
    too_low = analyte.low is not None and (rounded < analyte.low or (strict and rounded == analyte.low))
    too_high = analyte.high is not None and (rounded > analyte.high or (strict and rounded == analyte.high))
    return LabRow(
        test=analyte.name,
        value=f"{limit}{style.number(number, analyte.decimals)}",
        unit=print_unit(analyte.unit, style.language),
        range=printed,
        flag="" if limit else low_mark if too_low else high_mark if too_high else "",
    )


def _value(analyte: Analyte, rng: np.random.Generator) -> tuple[float, str]:
    """Draw a result within its range or outside of it. A result that is too low to measure gets "<"."""
    if analyte.form == "below":
        if rng.random() < _UNDER_THE_LIMIT:
            return max(analyte.high * 0.1, 10.0**-analyte.decimals), "<"
        share = rng.uniform(1.1, 3.0) if rng.random() < _ABNORMAL else rng.uniform(0.2, 0.95)
        return analyte.high * share, ""
    if analyte.form == "above":
        share = rng.uniform(0.4, 0.95) if rng.random() < _ABNORMAL else rng.uniform(1.05, 2.0)
        return analyte.low * share, ""
    width = analyte.high - analyte.low
    if rng.random() < _ABNORMAL:
        away = rng.uniform(0.1, 0.6) * width
        low_side = rng.random() < 0.5 and analyte.low - away > 0
        return (analyte.low - away if low_side else analyte.high + away), ""
    return rng.uniform(analyte.low, analyte.high), ""
