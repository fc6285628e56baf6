"""Read the folders of evaluations: their answers, the settings of the runs, and the scores of the answers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from helpers.errors import InputError
from helpers.evaluation import MEASURES, Answer, read_run, read_stress, score
from helpers.storage import filesystem

# The fields of an answer that all versions have kept, and that scores need.
NEEDED = ("kind", "group", "condition", "form", "text", "parsed", "truth", "options")
NEEDED_OF = {"number": ("unit", "tolerance")}


@dataclass(frozen=True)
class Run:
    """One evaluation."""

    label: str  # name of the run in the report
    place: str  # folder of the run, as the caller gave it
    answers: list[Answer]
    scores: Mapping[str, Any]  # from `helpers.evaluation.score`, and from `read_stress` as "stress"
    record: Mapping[str, Any]  # run.json; empty if an earlier version wrote none
    written: str  # the day on which the answers were last written; empty if not known

    @property
    def done(self) -> list[Answer]:
        """The answers without those that failed."""
        return [answer for answer in self.answers if "error" not in answer]

    @property
    def failed(self) -> list[Answer]:
        """The cases that were not answered, each with its ``error``."""
        return [answer for answer in self.answers if "error" in answer]

    @property
    def models(self) -> str:
        """The names of the models that answered."""
        return ", ".join(sorted({answer["model"] for answer in self.answers}))


def read_runs(folders: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """The evaluations in these folders, in order.

    Raises:
        InputError: a folder has no answers, a bad line, or a broken ``run.json``, or is given twice.
    """
    places = [os.fspath(folder) for folder in folders]
    whole = [place if "://" in place else str(Path(place).resolve()) for place in places]
    if not places:
        raise InputError("No run was given to report on.", remedy="Give the output folder of evaluate.")
    for k, place in enumerate(whole):
        if place in whole[:k]:
            raise InputError("You gave this run twice.", path=places[k], remedy="Give each run once.")
    names = [place.rstrip("/").rpartition("/")[2] for place in whole]
    return [
        _read_run(place, name if names.count(name) == 1 else place)
        for place, name in zip(places, names, strict=True)
    ]


def forms_of(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """The kinds of cases with the forms of their questions, in order."""
    return list(dict.fromkeys((answer["kind"], answer["form"]) for answer in answers))


def main_measure(form: str) -> str:
    """The measure that the answers of a form are judged by first."""
    return next(iter(MEASURES[form]))


def of_kind(answers: Sequence[Answer], kind: str, form: str) -> list[Answer]:
    """The answers of one kind and form."""
    return [answer for answer in answers if (answer["kind"], answer["form"]) == (kind, form)]


def by_condition(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """The answers of each condition, in order."""
    out: dict[str, list[Answer]] = {}
    for answer in answers:
        out.setdefault(answer["condition"], []).append(answer)
    return out


def _read_run(place: str, label: str) -> Run:
    answers = read_run(place)
    if not answers:
        raise InputError("This folder holds no answers.", path=place, remedy="Give the output folder of evaluate.")
    for answer in answers:
        needed = (*NEEDED, *NEEDED_OF.get(answer.get("form", ""), ()))
        absent = [] if "error" in answer else [name for name in needed if name not in answer]
        unknown = "" if "error" in answer or absent or answer["form"] in MEASURES else answer["form"]
        wrong = "" if "error" in answer or absent or unknown else _misfit(answer)
        if absent or unknown or wrong:
            why = (
                f"has no {', '.join(absent)}"
                if absent
                else f"has a form that this version does not know: {unknown}"
            )
            why = f"has a value of {wrong} that cannot be scored: {answer[wrong]!r:.60}" if wrong else why
            raise InputError(
                f"The answer to {answer['id']} {why}.",
                path=place,
                remedy="Delete its line from the answers, and run the same evaluate again: it asks this case "
                "again.",
            )
    scores = score(answers)
    if (stress := read_stress(place)) is not None:
        scores = {**scores, "stress": stress}
    return Run(label, place, answers, scores, _record(place), _written(place))


def _misfit(answer: Answer) -> str:
    """The first field whose value cannot be scored; "" if all can."""
    fits = {name: isinstance(answer[name], str) for name in ("kind", "group", "condition", "text")}
    fits["options"] = isinstance(answer["options"], list) and all(isinstance(o, str) for o in answer["options"])
    truth, parsed = answer["truth"], answer["parsed"]
    if answer["form"] == "number":
        fits |= {"truth": _is_number(truth), "parsed": parsed is None or _is_number(parsed)}
        fits |= {"tolerance": _is_number(answer["tolerance"]), "unit": isinstance(answer["unit"], str)}
    elif answer["form"] == "box":
        fits["truth"] = truth == [] or _is_box(truth)
        fits["parsed"] = parsed is None or (isinstance(parsed, list) and all(map(_is_box, parsed)))
    else:
        fits["truth"] = isinstance(truth, str)
        fits["parsed"] = parsed is None or isinstance(parsed, str)
    return next((name for name, fit in fits.items() if not fit), "")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # neither NaN nor infinity


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _record(place: str) -> dict[str, Any]:
    address = f"{place.rstrip('/')}/run.json"
    try:
        if "://" in place:
            system, inner = filesystem(address)
            content = system.cat_file(inner)
        else:
            content = Path(address).read_bytes()
        found = json.loads(content)
        if not isinstance(found, dict):
            raise TypeError("not an object")
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, OSError) as error:
        raise InputError(
            f"This file does not say how the run was made ({error}).",
            path=address,
            remedy="Delete the file, and run the same evaluate again: it writes the file again, and asks no "
            "case again.",
        ) from error
    return found


def _written(place: str) -> str:
    if "://" in place:
        return ""
    files = [Path(place) / "answers.jsonl", *Path(place).glob("answers/*.parquet")]
    last = max((path.stat().st_mtime for path in files if path.exists()), default=None)
    return "" if last is None else datetime.fromtimestamp(last).astimezone().strftime("%Y-%m-%d %H:%M %Z")
