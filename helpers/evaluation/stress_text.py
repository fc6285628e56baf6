"""The scores of cases that were asked in other ways, as a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers.evaluation.score_lines import failure_lines, text


def stress_summary(stress: Mapping[str, Any]) -> str:
    """The result of `helpers.evaluation.score_stress` by kind of case, with one measure on each line.

    Each line has the 95 % interval, the number of cases or answers, and the value by chance.
    """
    first = (
        f"  asked in other ways: {stress['cases']} cases, {stress['answers']} answers, {stress['failed']} failed"
    )
    if stress["unparsable"]:
        first += f", {stress['unparsable']:.1%} unparsable"
    if stress["left out"]:
        first += f"; {stress['left out']} cases left out"
    lines = [first, *failure_lines(stress)]
    for kind, measures in stress["kinds"].items():
        lines += [f"  {kind:8s} {name:28s} {_value(value)}" for name, value in measures.items()]
    return "\n".join(lines)


def _value(value: Mapping[str, Any]) -> str:
    n = f"{value['count']} of {value['n']}" if "count" in value else f"n {value['n']}"
    chance = f", by chance {value['by chance']:.2f}" if "by chance" in value else ""
    silent = f", {value['unparsable']} unparsable" if "unparsable" in value else ""
    return f"{text(value)}, {n}{chance}{silent}"
