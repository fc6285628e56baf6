"""Write the measured figures into the guide, from the JSON of one run, so that nobody types them.

Run: python -m tests.benchmarks.guide [build/bench.json] [--growth build/growth/bench.json]

With a path, its JSON is first kept as docs/benchmark.json. A run of a few works (``--only``) takes only their
places there, and the page says so. ``--growth`` keeps a run of large sizes (`make bench GROWTH=1`) beside it, and
draws docs/growth.png. A page takes figures between two comments, of which
the first names what stands there: ``<!-- figures: works -->`` and ``<!-- end of figures -->``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.storage import whole_file, write_json
from tests.benchmarks.measure import REPOSITORY
from tests.benchmarks.works import WORKS, Work

DOCS = REPOSITORY / "docs"
KEPT = DOCS / "benchmark.json"
PAGES = ("benchmark.md", "prepare.md")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
LIMIT = "limit: "
ABOUT = ("cores", "memory_gb", "python", "minutes", "works")  # what is kept about the machine and the run

Rows = Mapping[str, Mapping[str, Any]]  # way -> its measurement, as the JSON has it


def main() -> None:
    """Keep the JSON of a run, if one is given, and write the figures into the pages of the guide."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.guide", description=main.__doc__)
    parser.add_argument("run", nargs="?", type=Path, help="bench.json of a run; default: the kept one")
    parser.add_argument("--growth", type=Path, help="bench.json of a run of large sizes")
    options = parser.parse_args()
    if options.run:
        run = json.loads(options.run.read_text(encoding="utf-8"))
        write_json(KEPT, kept_with(run, json.loads(KEPT.read_text(encoding="utf-8"))))
    if options.growth:
        grown = json.loads(options.growth.read_text(encoding="utf-8"))
        grown["about"] = {name: grown["about"][name] for name in ABOUT}
        write_json(KEPT, {**json.loads(KEPT.read_text(encoding="utf-8")), "growth": grown})
        draw_growth(grown, DOCS / "growth.png")
    for name in PAGES:
        page = DOCS / name
        text = with_figures(page.read_text(encoding="utf-8"), json.loads(KEPT.read_text(encoding="utf-8")))
        with whole_file(page) as partial:
            partial.write_text(text, encoding="utf-8")


def kept_with(run: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What to keep: a whole run itself, or the kept run with the works of a run that measured fewer."""
    found = {work["work"]: work for work in run["works"]}
    grown = {"growth": kept["growth"]} if "growth" in kept else {}
    if {work["work"] for work in kept["works"]} <= found.keys():
        return {**run, "about": {name: run["about"][name] for name in ABOUT}, **grown}
    again = dict.fromkeys([*kept["about"].get("again", []), *found])
    works = {**{work["work"]: work for work in kept["works"]}, **found}
    return {"about": {**kept["about"], "again": list(again)}, "works": list(works.values()), **grown}


def with_figures(page: str, run: Mapping[str, Any]) -> str:
    """A page with the figures of a run in place of those that it had."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]](run)}\n{found[3]}", page)


def works(run: Mapping[str, Any]) -> str:
    """Every work at each of its sizes: the usual ways, the package, and the limit where there is one."""
    about = run["about"]
    titles = [work.title.format(n="n") for work in WORKS if work.key in about.get("again", [])]
    again = f" Measured again later, with a newer version: {'; '.join(titles)}." if titles else ""
    lines = [
        f"Medians on {about['cores']} CPU cores of one machine with {about['memory_gb']} GB "
        f"(Python {about['python']}). The run took {about['minutes']:.0f} minutes.{again}",
        "",
        "| work | the usual way | the package | limit |",
        "|---|---|---|---|",
    ]
    for work, sizes in _measured(run):
        for size, rows in sizes:
            usual = [way.name for way in work.others if way.name in rows]
            limit = [way.name for way in [work.limit] if way and way.name in rows]
            cells = [
                work.title.format(n=f"{size:,}"),
                "; ".join(f"{name}: {_time(rows[name])}, {_memory(rows[name])}" for name in usual),
                f"{_time(rows[work.package.name])}, {_memory(rows[work.package.name])}",
                "; ".join(f"{name.removeprefix(LIMIT)}: {_time(rows[name])}" for name in limit),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def reasons(run: Mapping[str, Any]) -> str:
    """What keeps each work from its limit, or the package from being faster."""
    return "\n".join(f"- **{work.title.format(n='n')}**: {work.why}" for work, _ in _measured(run) if work.why)


def pictures(run: Mapping[str, Any]) -> str:
    """The forms of pictures without loss: seconds to write and to read, and size."""
    work, [*_, (_, rows)] = next(of for of in _measured(run) if of[0].key == "png")
    names = {work.package.name: "fpng", **{way.name: way.name for way in work.others}}
    lines = ["| written by | seconds to write | MB | seconds to read |", "|---|---:|---:|---:|"]
    for name, shown in names.items():
        facts = rows[name]["facts"]
        lines.append(
            f"| {shown} | {facts['seconds to write']:.2f} | {facts['MB']:.1f} | {facts['seconds to read']:.2f} |"
        )
    return "\n".join(lines)


def growth(run: Mapping[str, Any]) -> str:
    """Large works by the package alone: time, time for each unit, and memory at every size."""
    lines = ["| work | time | time for each | memory |", "|---|---:|---:|---:|"]
    for work, sizes in _measured(run["growth"]):
        for size, rows in sizes:
            row = rows[work.package.name]
            each = f"{1000 * row['seconds'] / size:.3g} ms" if work.each else ""
            lines.append(f"| {work.title.format(n=f'{size:,}')} | {_time(row)} | {each} | {_memory(row)} |")
    return "\n".join(lines)


def draw_growth(run: Mapping[str, Any], path: Path) -> None:
    """Time and memory of large works by their size, on logarithmic axes, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    found = _measured(run)
    figure = Figure(figsize=(2.6 * len(found), 4.6), layout="constrained")
    axes = figure.subplots(2, len(found), squeeze=False, sharex="col")
    for k, (work, sizes) in enumerate(found):
        at = [size for size, _ in sizes]
        for axis, key in zip(axes[:, k], ("seconds", "peak_mb"), strict=True):
            axis.plot(at, [max(rows[work.package.name][key], 0.1) for _, rows in sizes], marker="o")
            axis.set(xscale="log", yscale="log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.grid(True, which="both", alpha=0.2)
        axes[1, k].set_xlabel(work.axis)
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("peak memory, MB")
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=100)


BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "works": works,
    "reasons": reasons,
    "pictures": pictures,
    "growth": growth,
}


def _measured(run: Mapping[str, Any]) -> list[tuple[Work, Sequence[tuple[int, Rows]]]]:
    """The works of a run with their measurements by size, without the sizes at which the package has none."""
    known, found = {work.key: work for work in WORKS}, []
    for of in run["works"]:
        if work := known.get(of["work"]):
            sizes = [(at["size"], at["measured"]) for at in of["sizes"] if work.package.name in at["measured"]]
            found += [(work, sizes)] if sizes else []
    return found


def _time(row: Mapping[str, Any]) -> str:
    return f"{row['seconds']:.{1 if row['seconds'] >= 10 else 2}f} s"


def _memory(row: Mapping[str, Any]) -> str:
    return f"{row['peak_mb']:,.0f} MB"


if __name__ == "__main__":
    main()
