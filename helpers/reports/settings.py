"""List the settings of the runs line by line, and mark where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from helpers.reports.runs import Run
from helpers.reports.tables import Table

DIFFERS = "≠"
ABOUT = (
    "These settings come from the run.json beside the answers, and from the answers themselves. "
    f"{DIFFERS} marks settings in which the runs differ. Each of them may be the reason for a "
    "difference of scores."
)
WORDS = {
    "model name": "model",
    "model weights": "weights, hash",
    "model adapter": "adapter, hash",
    "model url": "address",
    "settings max_new_tokens": "token limit",
    "settings decoding": "decoding",
    "cases count": "cases asked for",
    "cases sha256": "cases, hash",
}


def settings_table(runs: Sequence[Run]) -> Table:
    """The settings, model, tables, versions and numbers of every run, one on each line."""
    found = [dict(_of_run(run)) for run in runs]
    names = dict.fromkeys(name for of_run in found for name in of_run)
    several = len(runs) > 1
    rows = [["", "setting", *(run.label for run in runs)]] if several else [["setting", runs[0].label]]
    for name in names:
        values = [of_run.get(name, "-") for of_run in found]
        mark = [DIFFERS if len(set(values)) > 1 else ""] if several else []
        rows.append([*mark, name, *values])
    return Table("Settings", ABOUT if several else ABOUT.partition(DIFFERS)[0].strip(), rows)


def differing(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Which of these settings are not the same in all runs that kept them."""
    found = [dict(_of_run(run)) for run in runs]
    return [name for name in names if len({of_run[name] for of_run in found if name in of_run}) > 1]


def _of_run(run: Run) -> Iterator[tuple[str, str]]:
    flat = dict(_flat(run.record))
    for name, value in flat.items():
        if not name.startswith("versions"):
            yield WORDS.get(name, name.removeprefix("model ")), value
    if "model name" not in flat:
        yield "model", run.models
    yield "cases answered", f"{len(run.done)} in {len({a['group'] for a in run.done})} groups"
    yield "answers last written", run.written or "not known"
    for name in ("engine", "medgemma-tutorials", "transformers", "torch"):
        if values := sorted({str(a[name]) for a in run.answers if a.get(name)}):
            yield name, ", ".join(values)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The plain values of nested JSON, each with the path of names that leads to it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{path} {name}".strip())
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from _flat(inner, f"{path} {number}" if len(value) > 1 else path)
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value)) or "none"
    else:
        yield path, str(value)
