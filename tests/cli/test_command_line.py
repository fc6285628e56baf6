"""What becomes of values that no command can use."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.cli import main


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("evaluate --cases '' --output out", "cases"),
        ("evaluate --cases teaching:image --output ''", "output"),
        ("evaluate --example ' '", "example"),
        ("report one ''", "runs"),
        ("ask '' 'What is this?'", "path"),
        ("ask a.png 'What is this?' --options yes ''", "options"),
        ("finetune --init ''", "init"),
        ("gallery --run ''", "run"),
    ],
)
def test_an_empty_value_is_an_error_and_not_the_current_folder(
    line: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)) == 2
    assert f"The value of {name} is empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("evaluate --cases teaching:image --output out --max-new-tokens 0", "The limit of an answer is 0 tokens"),
        ("evaluate --cases teaching:image --output out --seed -1", "The seed is -1, below 0"),
        ("ask nothing.png 'What is this?' --max-new-tokens -3", "The limit of an answer is -3 tokens"),
        ("prepare nothing --output out --limit 0", "Give a limit of 1 or more"),
        ("serve --port 65536", "Port 65536 does not exist"),
    ],
)
def test_a_number_that_cannot_be_is_told_before_any_work(
    line: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)) == 2
    assert problem in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


LONG = "Is there a fracture in this image, and " * 10


@pytest.mark.parametrize(
    "line",
    [
        f"ask '{LONG}' ct-head",
        f"evaluate --cases '{LONG}' --output out",
        f"ask fundus What? --adapter '{LONG}'",
        f"ask fundus What? --model 'recorded:{LONG}'",
        f"finetune --config '{LONG}'",
    ],
)
def test_a_text_in_place_of_a_path_is_a_path_to_nothing(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("evaluate --cases mine.csv --output out --n 1", "--n and --seed choose teaching cases"),
        ("evaluate --cases mine.csv --output out --seed 3", "--n and --seed choose teaching cases"),
        ("ask . --schema lab-report --output out --block 5", "--block does not go with --schema"),
        ("ask . --schema lab-report --output out --threshold 0", "--threshold does not go with --schema"),
        ("ask . --schema lab-report --output out --modality ct", "--modality does not go with --schema"),
        ("bench-serve --output there.json", "There is something here already"),
    ],
)
def test_what_would_change_nothing_or_write_over_a_file_is_refused(
    line: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.json").write_text("mine")
    assert main(shlex.split(line)) == 2
    assert problem in capsys.readouterr().err and Path("there.json").read_text() == "mine"


def test_a_reader_that_has_read_enough_ends_a_command_quietly() -> None:
    words = [sys.executable, "-m", "helpers", "evaluate", "--columns"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        run.stdout.close()
        assert run.wait(timeout=60) == 0 and run.stderr.read() == ""
