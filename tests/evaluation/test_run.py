"""A run of many questions: nothing lost, nothing asked twice, and the answers those of asking one by one."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.evaluation import ANSWER_BEGUN, read_answers, run_evaluation
from helpers.models import ChatModel
from helpers.prompts import Message, image_messages, volume_messages
from helpers.teaching import HELD_OUT, generate
from tests.evaluation.parrot import Parrot, Question, questions

TIMES = {"seconds"}


def without_times(path: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in answer.items() if k not in TIMES} for answer in read_answers(path)]


def run_slowly(cases: list[Question], output: Path) -> None:
    # Forked processes share the lock of tqdm; one that is killed while it draws would keep it for ever.
    tqdm.set_lock(threading.RLock())
    run_evaluation(Parrot(pause=0.005), cases, output)


def test_killed_at_twenty_moments_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    cases, whole, broken = questions(400), tmp_path / "whole", tmp_path / "broken"
    run_evaluation(Parrot(), cases, whole)
    draw, kills = random.Random(0), 0
    fork = multiprocessing.get_context("fork")
    for _ in range(20):
        child = fork.Process(target=run_slowly, args=(cases, broken))
        child.start()
        child.join(draw.uniform(0.01, 0.05))
        if child.exitcode is None:
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.join()
        assert child.exitcode in {0, -signal.SIGKILL}
    before = len(read_answers(broken / "answers.jsonl"))
    assert kills == 20 and 0 < before < len(cases)
    chat = Parrot()
    run_evaluation(chat, cases, broken)
    assert len(chat.asked) == len(cases) - before
    lines = (broken / "answers.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [case.id for case in cases]
    assert without_times(broken / "answers.jsonl") == without_times(whole / "answers.jsonl")
    assert (broken / "scores.json").read_bytes() == (whole / "scores.json").read_bytes()


@pytest.mark.parametrize("left", [0, 1, 40, -2, -1])
def test_a_torn_last_line_is_cut_off_and_asked_again(left: int, tmp_path: Path) -> None:
    cases = questions(5)
    run_evaluation(Parrot(), cases, tmp_path)
    path = tmp_path / "answers.jsonl"
    whole = path.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    path.write_bytes(whole[: start + left] if left >= 0 else whole[:left])
    chat = Parrot()
    run_evaluation(chat, cases, tmp_path)
    assert chat.asked == ["question 4"]
    assert len(read_answers(path)) == len(path.read_text().splitlines()) == 5


def test_a_failing_case_is_noted_and_asked_again_and_stops_no_other(tmp_path: Path) -> None:
    cases = questions(4)
    cases[1] = replace(cases[1], prompt=image_messages([], "break"))
    cases[2] = replace(cases[2], prompt=[])
    found = run_evaluation(Parrot(), cases, tmp_path)
    assert (found["answers"], found["failed"]) == (2, 2)
    errors = {a["id"]: a["error"] for a in read_answers(tmp_path / "answers.jsonl") if "error" in a}
    assert errors == {"q1": "ConnectionError: gone", "q2": "OSError: slice 7 cannot be read"}
    chat = Parrot()
    found = run_evaluation(chat, questions(4), tmp_path)
    assert sorted(chat.asked) == ["question 1", "question 2"]
    assert (found["answers"], found["failed"]) == (4, 0)


def test_answers_of_others_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    run_evaluation(Parrot(), questions(3), tmp_path)
    with pytest.raises(InputError, match="parrot, not of owl"):
        run_evaluation(Parrot(name="owl"), questions(3), tmp_path)
    with pytest.raises(InputError, match="Two cases have the id 'q0'"):
        run_evaluation(Parrot(), questions(1) * 2, tmp_path / "other")
    answers = tmp_path / "answers.jsonl"
    whole = answers.read_text(encoding="utf-8")
    for line in ("not json", "[1]", '{"id": "q0"}', '{"id": ["q0"], "model": "parrot"}'):
        answers.write_text(f"{whole}{line}\n", encoding="utf-8")
        with pytest.raises(InputError, match="Line 4"):
            run_evaluation(Parrot(), questions(3), tmp_path)


def test_a_volume_is_read_once_and_answered_as_by_itself(
    standin: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = generate("ct", 1, HELD_OUT + 40)[0]
    slices = case.images[:12]
    asked = [
        Question(
            f"ct-{k}",
            volume_messages(slices, f'Is there "{what}"? End with "Final Answer: yes" or "Final Answer: no".'),
            group="volume",
            condition=what,
        )
        for k, what in enumerate(["intracranial haemorrhage", "oedema", "haemorrhage"])
    ]
    started = []
    session = ChatModel.session
    monkeypatch.setattr(ChatModel, "session", lambda *a, **k: started.append(1) or session(*a, **k))
    found = run_evaluation(standin, asked, tmp_path, max_new_tokens=30)
    assert len(started) == 1
    answers = {a["id"]: a for a in read_answers(tmp_path / "answers.jsonl")}
    for question in asked:
        alone = standin.generate(question.messages, max_new_tokens=30)
        answer = answers[question.id]
        assert (answer["text"], answer["prompt_tokens"]) == (alone.text, alone.prompt_tokens)
        assert answer["p_yes_direct"] == pytest.approx(share_of_yes(standin, question.messages), abs=1e-4)
    assert found["answers"] == 3 and set(found["conditions"]) == {f"ct: {q.condition}" for q in asked}


def share_of_yes(chat: ChatModel, messages: list[Message]) -> float:
    """By one forward pass over the whole prompt."""
    inputs = chat.inputs(messages)
    words = chat.processor.tokenizer(ANSWER_BEGUN, add_special_tokens=False, return_tensors="pt")["input_ids"]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], words], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["token_type_ids"] = torch.cat([inputs["token_type_ids"], torch.zeros_like(words)], dim=1)
    yes, no = (chat.processor.tokenizer(f" {w}", add_special_tokens=False)["input_ids"][0] for w in ("yes", "no"))
    with torch.inference_mode():
        logits = chat.model(**inputs).logits[0, -1]
    return float(np.exp(logits[yes]) / (np.exp(logits[yes]) + np.exp(logits[no])))


def test_a_limit_without_room_for_a_token_leaves_the_answers_as_they_are(tmp_path: Path) -> None:
    cases = questions(3)
    run_evaluation(Parrot(), cases, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="The limit of an answer is 0 tokens"):
        run_evaluation(Parrot(), cases, tmp_path, max_new_tokens=0)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
