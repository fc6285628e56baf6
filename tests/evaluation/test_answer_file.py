"""The folder of a run: one run at a time, and no answer lost where nothing can be written."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from tqdm.auto import tqdm

from helpers.errors import InputError
from helpers.evaluation import check_output, read_answers, run_evaluation
from helpers.prompts import Message, Reply
from tests.evaluation.parrot import Parrot, questions


class Waiting(Parrot):
    """Says that it was asked, and answers when it may."""

    def __init__(self, begun: Any, may: Any) -> None:
        super().__init__()
        self.begun, self.may = begun, may

    def generate(self, messages: list[Message], max_new_tokens: int) -> Reply:
        self.begun.set()
        self.may.wait()
        return super().generate(messages, max_new_tokens)


def run_and_wait(begun: Any, may: Any, output: Path) -> None:
    tqdm.set_lock(threading.RLock())
    run_evaluation(Waiting(begun, may), questions(3), output)


def test_two_runs_at_once_are_refused_and_a_killed_one_blocks_none(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    begun, may = fork.Event(), fork.Event()
    child = fork.Process(target=run_and_wait, args=(begun, may, tmp_path))
    child.start()
    begun.wait()
    chat = Parrot()
    with pytest.raises(InputError, match="Another run is writing"):
        run_evaluation(chat, questions(3), tmp_path)
    assert not chat.asked
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert run_evaluation(chat, questions(3), tmp_path)["answers"] == 3
    begun, may = threading.Event(), threading.Event()
    other = threading.Thread(target=run_evaluation, args=(Waiting(begun, may), questions(4), tmp_path))
    other.start()
    begun.wait()
    with pytest.raises(InputError, match="Another run is writing"):
        run_evaluation(chat, questions(4), tmp_path)
    may.set()
    other.join()
    assert len(read_answers(tmp_path / "answers.jsonl")) == 4


def test_a_full_disk_is_one_error_and_keeps_the_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync, left = os.fsync, [2]

    def full(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="No space left") as caught:
            run_evaluation(Parrot(), questions(4), tmp_path)
    assert caught.value.path == str(tmp_path) and "keeps the answers that are there" in caught.value.remedy
    assert len(read_answers(tmp_path / "answers.jsonl")) >= 2
    assert run_evaluation(Parrot(), questions(4), tmp_path)["answers"] == 4


def test_where_nothing_can_be_written_is_said_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="a file is there"):
            check_output(output)
    with pytest.raises(InputError, match="File name too long"):
        check_output(tmp_path / ("x" * 300))
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))

    def refuse(**_: Any) -> None:
        raise read_only

    monkeypatch.setattr("helpers.evaluation.answer_file.TemporaryFile", refuse)
    chat = Parrot()
    with pytest.raises(InputError, match="Read-only"):
        run_evaluation(chat, questions(2), tmp_path / "out")
    assert not chat.asked


def test_what_is_set_aside_is_lost_by_no_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_evaluation(Parrot(), questions(4), tmp_path)
    kept = {a["id"] for a in read_answers(tmp_path / "answers.jsonl")}

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("helpers.evaluation.answer_file.whole_file", killed)  # between the one file and the other
        with pytest.raises(KeyboardInterrupt):
            run_evaluation(Parrot(), questions(2), tmp_path)
    assert {a["id"] for a in read_answers(tmp_path / "answers.jsonl")} == kept
    for n in (2, 4):
        chat = Parrot()
        assert run_evaluation(chat, questions(n), tmp_path)["answers"] == n
        assert not chat.asked
    aside = (tmp_path / "set_aside.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(aside) == len(set(aside)) == 2


def test_half_a_character_from_a_server_is_kept_as_its_escape(tmp_path: Path) -> None:
    class Half(Parrot):
        def generate(self, messages: list[Message], max_new_tokens: int) -> Reply:
            return Reply("A \ud83d. Final Answer: yes", "", 1, 1, 0.0, True)

    assert run_evaluation(Half(), questions(1), tmp_path)["failed"] == 0
    assert read_answers(tmp_path / "answers.jsonl")[0]["text"] == "A \ud83d. Final Answer: yes"
