"""An answer belongs to one question: what has changed is asked anew, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image

from helpers.evaluation import LabelledCase, read_answers, read_cases, run_evaluation
from helpers.preparing import prepare
from helpers.prompts import image_messages
from tests.evaluation.parrot import Parrot, questions

Ask = Callable[..., int]
TIMES = {"seconds", "state"}


def write_table(folder: Path, n: int = 4, **cells: str) -> Path:
    """A table of pictures of plain colours, which are made where they are not there."""
    folder.mkdir(exist_ok=True)
    for k in range(n):
        if not (folder / f"{k}.png").exists():
            Image.new("RGB", (8, 8), (60 * k, 0, 0)).save(folder / f"{k}.png")
    rows = [
        {"path": f"{k}.png", "modality": "image", "question": "Red?", "answer": "no"} | cells for k in range(n)
    ]
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder / "t.jsonl"


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask about a table of four pictures, and tell how many questions were put to the model."""

    def run(limit: int = 20, *, model: Any = None, url: str = "", table: Path | None = None, **cells: str) -> int:
        chat = Parrot(model=model, url=url)
        cases = read_cases(table or write_table(tmp_path / "in", **cells))
        scores = run_evaluation(chat, cases, tmp_path / "out", max_new_tokens=limit)
        answers = read_answers(tmp_path / "out" / "answers.jsonl")
        assert scores["answers"] == len(answers) == 4
        assert sorted(a["id"] for a in answers) == sorted(case.id for case in cases)
        assert {a["group"] for a in answers} == {case.group for case in cases}
        return len(chat.asked)

    return run


def test_what_has_changed_is_asked_anew_and_nothing_else(ask: Ask, tmp_path: Path) -> None:
    pictures = tmp_path / "in"
    assert (ask(), ask()) == (4, 0)
    assert (ask(question="Blue?"), ask(question="Blue?")) == (4, 0)
    assert ask(options="yes|no|unsure") == 4
    assert (ask(2), ask(2), ask(20)) == (4, 0, 0)  # answers that were set aside come back
    shutil.copy(pictures / "1.png", pictures / "0.png")
    assert (ask(), ask()) == (1, 0)
    before = (pictures / "2.png").stat()
    (pictures / "2.png").write_bytes((pictures / "3.png").read_bytes())
    os.utime(pictures / "2.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ask() == 1  # though its size and its time say that it did not


def test_it_is_said_how_many_are_asked_anew_and_why(
    ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(limit: int, model: Any = None) -> str:
        ask(limit, model=model)
        return capsys.readouterr().out

    anew = "{} of the earlier answers were set aside, and their cases are asked again ({}).\n"
    one, two = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    assert said(512) == said(512) == ""
    assert said(2_000) == anew.format(4, "max_new_tokens was 512 and is 2000")
    assert said(512) == ""  # they come back
    shutil.copy(tmp_path / "in" / "1.png", tmp_path / "in" / "0.png")
    assert said(512) == anew.format(1, "their questions or images changed")
    said(512, one)
    assert said(512, two) == anew.format(4, "the model's weights changed")


def test_the_same_question_in_other_words_about_it_is_not_asked_again(ask: Ask, tmp_path: Path) -> None:
    assert ask() == 4
    for file in (tmp_path / "in").iterdir():
        file.touch()
    assert ask() == 0
    shutil.copytree(tmp_path / "in", tmp_path / "copy")
    assert ask(table=tmp_path / "copy" / "t.jsonl") == 0
    assert ask(group="patient 1") == 0
    assert ask(answer="yes") == 0
    answers = read_answers(tmp_path / "out" / "answers.jsonl")
    assert {a["truth"] for a in answers} == {"yes"} and {a["question"][:4] for a in answers} == {"Red?"}
    assert {Path(a["path"]) for a in answers} == {tmp_path / "in" / f"{k}.png" for k in range(4)}


def test_models_of_one_name_are_told_by_weights_and_address(ask: Ask) -> None:
    one, two = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    assert [ask(model=one), ask(model=one), ask(model=two), ask(model=one)] == [4, 0, 4, 0]
    assert ask(model=one.to(torch.bfloat16)) == 0
    here, there = "http://localhost:1/v1", "http://localhost:2/v1"
    assert [ask(url=here), ask(url=there), ask(url=here)] == [4, 4, 0]


def test_what_is_not_asked_any_more_is_out_of_the_scores(tmp_path: Path) -> None:
    cases = questions(6)
    for n, asked in ((6, 6), (2, 0), (6, 0)):
        chat = Parrot()
        assert run_evaluation(chat, cases[:n], tmp_path)["answers"] == n
        assert len(chat.asked) == asked
        assert {a["id"] for a in read_answers(tmp_path / "answers.jsonl")} == {case.id for case in cases[:n]}
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert run["settings"] == {"max_new_tokens": 2_000, "decoding": "greedy"}
    assert (run["cases"]["count"], run["model"]["name"], run["tables"]) == (6, "parrot", [])


def test_a_resumed_run_reads_no_image_that_did_not_change(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask() == 4
    drawn = []
    read = LabelledCase.messages.fget
    monkeypatch.setattr(LabelledCase, "messages", property(lambda case: drawn.append(case.id) or read(case)))
    assert ask(answer="yes") == 0 and not drawn


def test_runs_from_files_and_from_what_was_prepared_have_the_same_ids_and_answers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / name, n=2)
    rows = [
        {"path": f"{name}/{k}.png", "modality": "image", "question": "Red?", "answer": "no"}
        for name in ("a", "b")
        for k in range(2)
    ]
    tables = {"files": tmp_path / "t.jsonl", "prepared": tmp_path / "elsewhere" / "t.jsonl"}
    for table in tables.values():
        table.parent.mkdir(exist_ok=True)
        table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / name / "t.jsonl").unlink()
    for name in ("a", "b"):
        shutil.copytree(tmp_path / name, tmp_path / "in" / name)
    prepare(tmp_path / "in", tmp_path / "made")
    cases = read_cases(tables["files"])
    held = read_cases(tables["prepared"], tmp_path / "made")
    assert [case.id for case in cases] == [case.id for case in held] and len({case.id for case in cases}) == 4
    asked = []
    for given_cases in (cases, held):
        chat = Parrot()
        run_evaluation(chat, given_cases, tmp_path / "out")
        asked.append(len(chat.asked))
    assert asked == [4, 0]


def test_cases_that_tell_no_state_are_drawn_and_compared(tmp_path: Path) -> None:
    cases = questions(4)
    run_evaluation(Parrot(), cases, tmp_path)
    chat = Parrot()
    run_evaluation(chat, [replace(cases[0], prompt=image_messages([], "other")), *cases[1:]], tmp_path)
    assert chat.asked == ["other"]


questions_asked = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), min_size=1)
runs = st.lists(st.tuples(questions_asked, st.sampled_from([5, 9])), min_size=1, max_size=6)


def without_times(answers: Path) -> dict[str, dict[str, Any]]:
    return {a["id"]: {k: v for k, v in a.items() if k not in TIMES} for a in read_answers(answers)}


@settings(max_examples=25, deadline=None)
@given(runs)
def test_over_any_runs_each_question_is_asked_once_and_answered_as_alone(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[dict[str, str], int]]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    seen: set[tuple[str, str, int]] = set()
    for words, limit in runs:
        cases = [replace(questions(1)[0], id=k, prompt=image_messages([], f"{k} {w}")) for k, w in words.items()]
        chat = Parrot()
        run_evaluation(chat, cases, folder / "out", max_new_tokens=limit)
        now = {(name, word, limit) for name, word in words.items()}
        assert sorted(chat.asked) == sorted(f"{name} {word}" for name, word, _ in now - seen)
        seen |= now
        shutil.rmtree(folder / "alone", ignore_errors=True)
        run_evaluation(Parrot(), cases, folder / "alone", max_new_tokens=limit)
        found, alone = (without_times(folder / run / "answers.jsonl") for run in ("out", "alone"))
        assert found == alone
