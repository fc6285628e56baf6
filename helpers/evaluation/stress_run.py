"""Run an evaluation that also asks its cases in other ways: first the plain cases, then their variants.

The variants do not change the plain run, its answers or its scores. They are a separate run in the folder
``stress`` of its output, which can be stopped and continued in the same way.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from helpers.evaluation.answer_file import explained, only_run
from helpers.evaluation.answer_shards import read_run
from helpers.evaluation.asking import Asked
from helpers.evaluation.intervals import DRAWS
from helpers.evaluation.marks import Answer
from helpers.evaluation.stress_cases import stress_variants
from helpers.evaluation.stress_scores import score_stress
from helpers.storage import Store, json_text, write_json

FOLDER = "stress"  # in the folder of a run


class Evaluate(Protocol):
    """`run_evaluation` or `evaluate_on_ray`, its model and settings given."""

    def __call__(
        self,
        cases: Sequence[Asked],
        output: str | os.PathLike[str],
        *,
        scored: Callable[[str, Iterable[Answer]], dict[str, Any]] = ...,
    ) -> dict[str, Any]:
        """Ask the cases; write and return what ``scored`` makes of the model's name and the answers."""


def run_stressed(evaluate: Evaluate, cases: Sequence[Asked], output: str | os.PathLike[str]) -> dict[str, Any]:
    """Ask every case plainly and in other ways; write and return the scores, with ``stress`` of the other ways.

    ``evaluate`` is `run_evaluation` or `evaluate_on_ray` with its model and settings:
    ``functools.partial(run_evaluation, chat)``. What is asked is in
    `helpers.evaluation.stress_cases`, what the scores mean in `helpers.evaluation.stress_scores`. Writes into
    ``output`` what ``evaluate`` writes, the answers to the variants into its folder ``stress``, and their scores
    there and, as ``stress``, into ``scores.json`` of both. An evaluation without stress takes them out of the
    latter.

    Raises:
        InputError: no case can be asked in other ways; or as ``evaluate`` does.
    """
    variants, address = stress_variants(cases), os.fspath(output)
    scores = evaluate(cases, output)
    plain = read_run(address)
    stress = evaluate(variants, f"{address.rstrip('/')}/{FOLDER}", scored=functools.partial(_scored, plain))
    scores = {**scores, "stress": stress["stress"]}
    if "://" in address:
        Store(address).write("scores.json", json_text(scores, indent=2) + "\n")
    else:
        with only_run(Path(address)), explained(address):
            write_json(Path(address) / "scores.json", scores)
    return scores


def read_stress(output: str | os.PathLike[str], draws: int = DRAWS) -> dict[str, Any] | None:
    """The scores of the variants in the folder of a run, anew from the answers; as `score_stress` gives them.

    None where there are none, and where they are of another model, settings or table than the plain answers, as
    after these were asked anew without stress. Raises `InputError` as `read_run` does.
    """
    address = os.fspath(output).rstrip("/")
    asked = read_run(f"{address}/{FOLDER}")
    return score_stress(read_run(address), asked, draws) if asked and _of_one_run(address) else None


def _scored(plain: Sequence[Answer], model: str, asked: Iterable[Answer]) -> dict[str, Any]:
    return {"model": model, "stress": score_stress(plain, asked)}


def _of_one_run(address: str) -> bool:
    """Whether the records of both runs name one model, asked in one way, and one table."""
    records = [_record(place) for place in (address, f"{address}/{FOLDER}")]
    return None not in records and records[0] == records[1]


def _record(address: str) -> list[Any] | None:
    try:
        if "://" in address:
            content = Store(address).read("run.json")
        else:
            content = (Path(address) / "run.json").read_text(encoding="utf-8")
        record = json.loads(content)
        return [record[name] for name in ("model", "settings", "tables")]
    except (OSError, ValueError, KeyError, TypeError):
        return None
