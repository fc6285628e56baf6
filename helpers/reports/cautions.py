"""Cautions that a reader should know before believing the scores, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from helpers.evaluation import LOW_MASS
from helpers.models import is_standin
from helpers.reports.runs import Run
from helpers.reports.settings import differing
from helpers.reports.verdict import counted

FEW_GROUPS = 30  # with fewer, intervals by drawing groups are too narrow (Rev. Econ. Stat. 90:414, 2008)
MANY = 10  # with this many intervals by condition, one of them probably misses the true value
NAMED = 3  # the most cases that a sentence names


def cautions(runs: Sequence[Run]) -> list[str]:
    """Sentences about the runs, beginning with those that may change a conclusion; empty if there are none.

    A sentence that holds for every run occurs once.
    """
    found: dict[str, list[str]] = {}
    for run in runs:
        for sentence in _of_run(run):
            found.setdefault(sentence, []).append(run.label)
    of_runs = [
        sentence if len(labels) == len(runs) else f"{', '.join(labels)}: {sentence}"
        for sentence, labels in found.items()
    ]
    return [*_between(runs), *of_runs, *_of_conditions(runs)]


def _of_run(run: Run) -> Iterator[str]:
    done, failed = run.done, run.failed
    if any(is_standin(model.partition("+")[0]) for model in {answer["model"] for answer in run.answers}):
        yield "The small stand-in model gave these answers. Its figures say nothing about MedGemma."
    if failed:
        yield (
            f"{len(failed)} of {counted(len(run.answers), 'case')} could not be asked, for example "
            f"{_names(failed)}: {_short(failed[0]['error'])} No score counts them. Run the same "
            "evaluate again: it asks only these cases."
        )
    asked = run.record.get("cases", {}).get("count")
    if isinstance(asked, int) and asked > len(run.answers):
        yield (
            f"The run is not finished: {len(run.answers)} of {counted(asked, 'case')} are there. Run "
            "the same evaluate again: it continues."
        )
    closed = [a for a in done if a["form"] != "text"]
    if silent := [a for a in closed if a["parsed"] is None]:
        yield (
            f"{counted(len(silent), 'answer')} ({len(silent) / len(closed):.1%}) could not be read and "
            "counted as wrong. Read the replies below. If they give the answer in other words, let "
            "the question name its options."
        )
    if cut := [a for a in done if a.get("finished") is False]:
        limit = run.record.get("settings", {}).get("max_new_tokens")
        of = f" of {limit}" if limit else ""
        yield (
            f"The token limit{of} cut {len(cut)} of {len(done)} replies ({len(cut) / len(done):.1%}), "
            f"for example {_names(cut)}. A reply that is cut before its answer counts as wrong. Ask "
            "with a larger --max-new-tokens."
        )
    if share := run.scores.get("runaway"):
        yield (
            f"{share:.1%} of the replies repeat the same words until their end. Look at them below. "
            "Usual causes are a model in 4 bits, or an adapter that was tuned too long."
        )
    masses = [m for of in run.scores["conditions"].values() for m in (of.get("mass on yes and no"),) if m]
    if low := sum(mass["low"] for mass in masses):
        yield (
            f"In {low} of {sum(mass['n'] for mass in masses)} yes-or-no answers, yes and no together "
            f"had under {LOW_MASS:.0%} of the likelihood. The AUROC and calibration of these answers "
            "mean little."
        )
    groups: dict[str, set[str]] = {}
    for answer in done:
        groups.setdefault(answer["kind"], set()).add(answer["group"])
    if few := [f"{kind} {len(names)}" for kind, names in groups.items() if len(names) < FEW_GROUPS]:
        yield (
            f"The cases come from few groups (patients or volumes): {', '.join(few)}. Intervals from "
            f"fewer than {FEW_GROUPS} groups are too narrow. More patients help; more questions about "
            "the same patients do not."
        )


def _between(runs: Sequence[Run]) -> Iterator[str]:
    first, *others = runs
    asked = {answer["id"]: answer for answer in first.done}
    for other in others:
        here = {answer["id"]: answer for answer in other.done}
        common = asked.keys() & here.keys()
        if len(common) < max(len(asked), len(here)):
            yield (
                f"{first.label} answered {len(asked)} cases, {other.label} {len(here)}, and both "
                f"{len(common)}. Comparisons use the cases that both answered; the scores of each run "
                "use all of its cases."
            )
        if changed := [name for name in sorted(common) if _prompts_differ(asked[name], here[name])]:
            yield (
                f"{len(changed)} of {len(common)} common cases were asked with other words or pixels in "
                f"{other.label} than in {first.label}, for example {', '.join(changed[:NAMED])}."
            )
    if changed := differing(runs, ("token limit", "decoding", "medgemma-tutorials", "transformers", "torch")):
        yield f"The runs also differ in {', '.join(changed)}; see the settings."


def _prompts_differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return bool(a.get("prompt") and b.get("prompt")) and a["prompt"] != b["prompt"]


def _of_conditions(runs: Sequence[Run]) -> Iterator[str]:
    shown = sum("interval" in of.get("accuracy", {}) for run in runs for of in run.scores["conditions"].values())
    if shown >= MANY:
        yield (
            f"The report shows {shown} intervals by condition. About one in twenty 95 % intervals "
            "misses the true value, and chance makes the best and the worst of many conditions look "
            "more extreme. Look at the means over all conditions first."
        )


def _names(answers: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(_short(answer["id"], 60) for answer in answers[:NAMED])


def _short(text: str, length: int = 160) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= length else f"{one_line[:length]}..."
