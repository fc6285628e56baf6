"""Write the scores of one run as a few lines of text, and one score with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from helpers.evaluation.likelihood_scores import LOW_MASS

REASON_SHOWN = 300  # characters


def summary(scores: Mapping[str, Any]) -> str:
    """Scores of one run as a few lines of text."""
    lines = [f"{scores['model']}: {scores['answers']} answers, {scores['failed']} failed"]
    if scores["unparsable"] is not None:
        lines[0] += f", {scores['unparsable']:.1%} unparsable"
    for name, words in (("runaway", "ran away"), ("cut", "cut at the token limit")):
        if share := scores.get(name):
            lines[0] += f", {share:.1%} {words}"
    lines += failure_lines(scores)
    if named := scores.get("cut ids"):
        more = round(scores["cut"] * scores["answers"]) - len(named)
        listed = ", ".join(named) + (f" and {more} more" if more else "")
        lines.append(
            f"  These replies were cut off: {listed}. Give them more room with a larger --max-new-tokens "
            "(max_new_tokens)."
        )
    for kind, measures in scores["kinds"].items():
        lines += [f"  {kind:8s} {name:10s} {text(value)}, n {value['n']}" for name, value in measures.items()]
    masses = [m for of in scores["conditions"].values() for m in (of.get("mass on yes and no"),) if m]
    if low := sum(mass["low"] for mass in masses):
        n = sum(mass["n"] for mass in masses)
        lines.append(
            f"  In {low} of {n} yes-or-no answers, yes and no had under {LOW_MASS:.0%} of the likelihood together."
        )
    return "\n".join(lines)


def failure_lines(scores: Mapping[str, Any]) -> list[str]:
    """A line for each of the most frequent reasons why cases failed, with the number of cases."""
    reasons = scores.get("failures", {}).items()  # earlier versions did not keep them
    return [f"  {n} failed: {shorten(reason.removeprefix('InputError: '), REASON_SHOWN)}" for reason, n in reasons]


def text(value: Mapping[str, Any] | None) -> str:
    """A score with its interval, such as ``0.81 (0.70 to 0.89)``; a dash if there is no score."""
    if value is None:
        return "-"
    found = f"{value['mean']:.2f}"
    return found if "interval" not in value else "{} ({:.2f} to {:.2f})".format(found, *value["interval"])
