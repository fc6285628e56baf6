"""Many questions about many volumes, from a table of files to the share of right answers; and scores alone.

A model is loaded too. The volumes are every sixth slice of the bundled head CT, six different ones, each asked ten
questions. What is true of them is not known here and not of interest: all ways have to give the same answers.
"""

from __future__ import annotations

import csv
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.prompts import CT_QUESTION
from helpers.storage import whole_file, whole_folder
from tests.benchmarks.measure import BUILD

VOLUMES, QUESTIONS = 6, 10  # different volumes; questions about each
TOKENS = 32


def make_table(n: int) -> Path:
    """Write a table of ``n`` questions, and the volumes that it names, unless they are there."""
    from helpers.data import fetch
    from helpers.volumes import find_dicom_files

    folder = BUILD / "evaluation"
    if not (folder / "volumes").exists():
        with whole_folder(folder / "volumes") as partial:
            files = find_dicom_files(fetch("ct-head"))
            for k in range(VOLUMES):
                (partial / f"ct-{k}").mkdir()
                for file in files[k::VOLUMES]:
                    shutil.copy(file, partial / f"ct-{k}")
    table = folder / f"{n}-questions.csv"
    with whole_file(table) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "group", "path", "modality", "question", "answer"])
        for k in range(n):
            volume, day = divmod(k, QUESTIONS)
            question = CT_QUESTION.format(history=f"Headache, day {day}.", condition="intracranial haemorrhage")
            rows.writerow([k, volume, f"volumes/ct-{volume % VOLUMES}", "ct", question, "no"])
    return table


def loop(table: str) -> Callable[[], float]:
    """One question after the other: read the volume, ask, keep the answer."""

    def work() -> float:
        from helpers.evaluation import read_cases
        from helpers.models import load_model
        from helpers.prompts import parse_final_answer

        chat, right, cases = load_model("standin", device="cpu"), 0, read_cases(table)
        for case in cases:
            reply = chat.generate(case.messages, max_new_tokens=TOKENS)
            right += parse_final_answer(reply.text, case.options) == case.truth
        return round(right / len(cases), 4)

    return work


def one_process(table: str) -> Callable[[], float]:
    """The package's run_evaluation."""

    def work() -> float:
        from helpers.evaluation import read_cases, run_evaluation
        from helpers.models import load_model

        with tempfile.TemporaryDirectory() as folder:
            chat = load_model("standin", device="cpu")
            return _accuracy(run_evaluation(chat, read_cases(table), folder, max_new_tokens=TOKENS))

    return work


def on_ray(table: str, workers: int) -> Callable[[], float]:
    """The same on Ray, whose start is counted."""

    def work() -> float:
        from helpers.evaluation import evaluate_on_ray, read_cases

        with tempfile.TemporaryDirectory() as folder:
            cases = read_cases(table)
            scores = evaluate_on_ray("standin", cases, folder, workers=workers, max_new_tokens=TOKENS)
            return _accuracy(scores)

    return work


def answered() -> Path:
    """The answers of the stand-in to 40 teaching questions; they are asked unless they are there."""
    from helpers.evaluation import run_evaluation
    from helpers.models import load_model
    from helpers.teaching import HELD_OUT, generate

    folder = BUILD / "evaluation" / "answers"
    if not folder.exists():
        with whole_folder(folder) as partial:
            cases = generate("ct", 40, HELD_OUT)
            run_evaluation(load_model("standin", device="cpu"), cases, partial, max_new_tokens=TOKENS)
    return folder / "answers.jsonl"


def scored(answers: str, n: int) -> Callable[[], float]:
    """The package's scores of ``n`` answers: all kinds and conditions, with intervals."""
    from helpers.evaluation import score

    many = _copies(answers, n)
    return lambda: _accuracy(score(many))


def scored_in_a_loop(answers: str, n: int) -> Callable[[], float]:
    """One interval alone, as one writes it first: 1,000 times, draw groups and count what is right in them."""
    many = _copies(answers, n)

    def work() -> float:
        right, rng = defaultdict(list), random.Random(0)
        for answer in many:
            right[answer["group"]].append(answer["parsed"] == answer["truth"])
        groups = list(right.values())
        sums = [(sum(group), len(group)) for group in groups]
        shares = []
        for _ in range(1000):
            drawn = rng.choices(sums, k=len(sums))
            shares.append(sum(a for a, _ in drawn) / sum(b for _, b in drawn))
        shares.sort()  # the interval is from the 25th to the 975th
        return round(sum(map(sum, groups)) / len(many), 4)

    return work


def _copies(answers: str, n: int) -> list[dict[str, Any]]:
    """``n`` answers to questions with options: the kept ones again and again, each time about other volumes."""
    from helpers.evaluation import read_answers

    kept = [answer for answer in read_answers(answers) if answer["form"] == "choice"]
    copies = (divmod(k, len(kept)) for k in range(n))
    return [{**kept[k], "id": f"{time}-{k}", "group": f"{time}-{kept[k]['group']}"} for time, k in copies]


def _accuracy(scores: dict) -> float:
    return round(scores["kinds"]["ct"]["accuracy"]["mean"], 4)
