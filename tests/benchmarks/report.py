"""One report of all works: a table and plots in Markdown, and every measurement in JSON. Whole files or none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from helpers.storage import whole_file, write_json
from tests.benchmarks.measure import Measurement
from tests.benchmarks.works import Work

NAME = "bench"
COLUMNS = "| work | way | seconds | against the package | CPU seconds | peak MB | against the package |"


@dataclass
class Outcome:
    """What came of one work: measurements by size and way, and the reasons of those that there are none of."""

    work: Work
    measured: dict[int, dict[str, Measurement]] = field(default_factory=dict)
    failed: dict[int, dict[str, str]] = field(default_factory=dict)  # way -> reason; the work's own under ""

    @property
    def sizes(self) -> list[int]:
        """The sizes at which at least one way was measured, from small to large."""
        return sorted(n for n, ways in self.measured.items() if ways)

    @property
    def shown(self) -> int | None:
        """The size in the table; None where nothing was measured."""
        return self.work.shown if self.work.shown in self.sizes else max(self.sizes, default=None)


def write_report(folder: Path, outcomes: Sequence[Outcome], about: Mapping[str, Any], estimate: str) -> Path:
    """Write bench.md, bench.json and bench_WORK.png into ``folder`` and return the path of bench.md.

    ``about`` says on what machine and how it was measured; ``estimate`` is Markdown, put in as it is.
    """
    grown = [outcome for outcome in outcomes if len(outcome.sizes) > 1]
    how = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in about.items())
    parts = ["# Benchmarks", f"Medians; the ways of a work took turns. {how}.", table(outcomes)]
    if reasons := list(_reasons(outcomes)):
        parts += ["## Why", "\n".join(f"- {reason}" for reason in reasons)]
    if missing := list(_missing(outcomes)):
        parts += ["## Failed or left out", "\n".join(f"- {line}" for line in missing)]
    if grown:
        parts += ["## How each grows", *(_growth(outcome) for outcome in grown)]
    text = "\n\n".join([*parts, estimate]) + "\n"  # before anything is written: an error leaves the old report
    for outcome in grown:
        plot_growth(outcome, folder / f"{NAME}_{outcome.work.key}.png")
    write_json(folder / f"{NAME}.json", {"about": dict(about), "works": [_as_json(o) for o in outcomes]})
    path = folder / f"{NAME}.md"
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def read_report(folder: Path, works: Sequence[Work]) -> tuple[dict[str, Outcome], float]:
    """What ``folder`` keeps of a run that was interrupted: the outcome of each of ``works``, and the minutes."""
    path, known = folder / f"{NAME}.json", {work.key: work for work in works}
    if not path.exists():
        return {}, 0.0
    kept = json.loads(path.read_text(encoding="utf-8"))
    outcomes = {
        of["work"]: Outcome(
            known[of["work"]],
            {at["size"]: {way: Measurement(**row) for way, row in at["measured"].items()} for at in of["sizes"]},
            {at["size"]: at["failed"] for at in of["sizes"] if at["failed"]},
        )
        for of in kept["works"]
        if of["work"] in known
    }
    return outcomes, kept["about"]["minutes"]


def table(outcomes: Sequence[Outcome]) -> str:
    """All works at the size that is shown, as a Markdown table; what failed is in it too.

    "Against the package" is time or memory of a way over the package's: above 1 the package needs less. Of less
    than 1 MB there is no ratio: so little is not told apart from nothing.
    """
    lines = [COLUMNS, "|---|---|---:|---:|---:|---:|---:|"]
    for outcome in outcomes:
        size = outcome.shown
        title = outcome.work.title.format(n=f"{outcome.work.shown if size is None else size:,}")
        measured = outcome.measured.get(size, {})
        failed = _failed_at(outcome, size)
        for way in outcome.work.ways:
            cells = [title, way.name]
            if row := measured.get(way.name):
                cells += _cells(row, measured.get(outcome.work.package.name))
            else:
                cells += ["failed" if way.name in failed or "" in failed else "left out", *[""] * 4]
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
    return "\n".join(lines)


def _cells(row: Measurement, package: Measurement | None) -> list[str]:
    def times(value: float, base: float | None) -> str:
        return f"{value / base:.2f}x" if base else "-"

    return [
        f"{row.seconds:.2f}",
        times(row.seconds, package and package.seconds),
        f"{row.cpu_seconds:.2f}",
        f"{row.peak_mb:,.0f}",
        times(row.peak_mb, package.peak_mb if package and package.peak_mb >= 1 else None),
    ]


def _failed_at(outcome: Outcome, size: int | None) -> dict[str, str]:
    if size is not None:
        return outcome.failed.get(size, {})
    return {way: reason for ways in outcome.failed.values() for way, reason in ways.items()}


def _reasons(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"**{_plain_title(o.work)}**: {o.work.why}" for o in outcomes if o.work.why]


def _missing(outcomes: Sequence[Outcome]) -> list[str]:
    lines = []
    for outcome in outcomes:
        title = _plain_title(outcome.work)
        for size, failures in outcome.failed.items():
            at = f", {outcome.work.axis} {size:,}" if outcome.work.axis else ""
            lines += [f"{title}{at}: {way or 'all'} failed: {reason}" for way, reason in failures.items()]
        lines += [f"{title}: {way.name} left out: {way.absent}" for way in outcome.work.ways if way.absent]
        lines += [
            f"{title}: {way.name} left out beyond {way.largest:,}: it needs too much memory"
            for way in outcome.work.ways
            if way.largest and any(size > way.largest for size in outcome.sizes)
        ]
    return lines


def _plain_title(work: Work) -> str:
    return work.title.format(n="n")


def _growth(outcome: Outcome) -> str:
    """A plot, and in words what happens from the last size but one to the last."""
    work = outcome.work
    parts = [f"![{_plain_title(work)}]({NAME}_{work.key}.png)"]
    before, last = outcome.sizes[-2:]
    both = [name for name in _names(outcome) if {before, last} <= {n for n, _ in _points(outcome, name)}]
    folds = (f"{name} {fold(outcome, name, before, last)}" for name in both)
    parts += [f"From {before:,} to {last:,} {work.axis} the time grows: {'; '.join(folds)}."]
    if work.each:
        costs = (f"{name} {per_unit(outcome, name, before, last)}" for name in both)
        parts += [f"A further {work.each} costs: {'; '.join(costs)}."]
    return "\n\n".join(parts)


def fold(outcome: Outcome, way: str, before: int, last: int) -> str:
    """How many times as long a way takes at the larger of two sizes."""
    return f"{outcome.measured[last][way].seconds / outcome.measured[before][way].seconds:.1f}x"


def per_unit(outcome: Outcome, way: str, before: int, last: int) -> str:
    """Time that one more of a work's axis takes between two sizes, with its unit."""
    cost = (outcome.measured[last][way].seconds - outcome.measured[before][way].seconds) / (last - before)
    unit, scale = ("s", 1) if abs(cost) >= 0.1 else ("ms", 1e3) if abs(cost) >= 1e-4 else ("µs", 1e6)
    return f"{cost * scale:.3g} {unit}" if cost > 0 else "less than the noise"


def _points(outcome: Outcome, way: str) -> list[tuple[int, Measurement]]:
    return [(n, outcome.measured[n][way]) for n in outcome.sizes if way in outcome.measured[n]]


def _names(outcome: Outcome) -> list[str]:
    return [way.name for way in outcome.work.ways if _points(outcome, way.name)]


def plot_growth(outcome: Outcome, path: Path) -> None:
    """Seconds and peak memory of all ways by size, on logarithmic axes, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    for name in _names(outcome):
        points = _points(outcome, name)
        style = {
            "marker": "o",
            "linewidth": 2.5 if name == outcome.work.package.name else 1.2,
            "linestyle": "--" if outcome.work.limit and name == outcome.work.limit.name else "-",
        }
        sizes = [n for n, _ in points]
        axes[0].plot(sizes, [row.seconds for _, row in points], label=name, **style)
        axes[1].plot(sizes, [max(row.peak_mb, 1) for _, row in points], **style)
    for axis, label in zip(axes, ("seconds", "peak memory, MB (at least 1)"), strict=True):
        axis.set(xscale="log", yscale="log", xlabel=outcome.work.axis, ylabel=label)
        axis.set_xticks(outcome.sizes, [f"{n:,}" for n in outcome.sizes])
        axis.set_xticks([], minor=True)
        axis.grid(True, which="both", alpha=0.2)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "work": outcome.work.key,
        "title": outcome.work.title,
        "axis": outcome.work.axis,
        "why": outcome.work.why,
        "left out": {way.name: way.absent for way in outcome.work.ways if way.absent},
        "sizes": [
            {
                "size": size,
                "measured": {name: asdict(row) for name, row in outcome.measured.get(size, {}).items()},
                "failed": outcome.failed.get(size, {}),
            }
            for size in sorted({*outcome.measured, *outcome.failed})
        ],
    }
