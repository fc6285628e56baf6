"""What is known before anything is loaded is told before anything is loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.cli import main

ROOT = Path(__file__).resolve().parents[2]
LIGHT = [  # lines, with their exit status, that need no torch
    ("--help", 0),
    ("--version", 0),
    ("evaluate --help", 0),
    ("evaluate --cases teaching", 0),
    ("evaluate --columns", 0),
    ("evaluate --cases none.csv --output o", 2),
    ("evaluate --cases teaching:ct --n 0 --output o", 2),
    ("evaluate --cases teaching:slide --n 1 --stress --output o", 2),
    ("evaluate --cases teaching:ct --output a-file", 2),
    ("evaluate --cases teaching:ct --output o --vision-batch 0", 2),
    ("evaluate --cases teaching:ct --output o --model none", 2),
    ("ask none.png What?", 2),
    ("ask one.png What? --model none", 2),
    ("ask one.png What? --adapter none", 2),
    ("prepare one.png --output prepared", 0),
    ("finetune --config none.yaml", 2),
    ("finetune --init", 0),
    ("merge --adapter none --output m", 2),
    ("serve --model none", 2),
    ("serve --port 70000", 2),
    ("report none", 2),
    ("gallery --run none", 2),
    ("run --only 99 --output o", 2),
    ("benchmark slak", 2),
    ("doctor", 0),
]
PROGRAM = """
import json, shlex, sys
from helpers import fetch
from helpers.cli import main
found = []
for line in json.load(sys.stdin):
    try:
        code = main(shlex.split(line))
    except SystemExit as ended:
        code = ended.code
    found.append([line, code, "torch" in sys.modules])
fetch("ihc-patch")
print(json.dumps([*found, ["fetch", 0, "torch" in sys.modules]]))
"""


def test_torch_is_not_loaded_where_it_is_not_needed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "data" / "ihc.png", tmp_path / "one.png")
    (tmp_path / "a-file").write_text("")
    lines = json.dumps([line for line, _ in LIGHT])
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=tmp_path, env=settings)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found == [[line, code, False] for line, code in [*LIGHT, ("fetch", 0)]]
    assert not (tmp_path / "o").exists(), "an error left a folder behind"


@pytest.mark.parametrize("command", ["report one", "gallery", "run --only 01", "prepare one.png"])
def test_an_output_that_no_folder_can_be_is_told_first(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("")
    assert main([*command.split(), "--output", "a-file/below"]) == 2
    assert "a-file is a file, so no folder can be made at this path" in capsys.readouterr().err


def test_a_short_command_shows_no_bar_and_python_keeps_its_own() -> None:
    program = (
        "import os, sys\n"
        "if sys.argv[1] == 'quiet':\n"
        "    from helpers.cli.quiet import delay_bars\n"
        "    delay_bars()\n"
        "assert 'TQDM_DELAY' not in os.environ\n"
        "from tqdm.auto import tqdm\n"
        "list(tqdm(range(3), desc='work'))\n"
    )
    shown = {
        way: subprocess.run(
            [sys.executable, "-c", program, way], capture_output=True, text=True, cwd=ROOT, check=True
        ).stderr
        for way in ("quiet", "python")
    }
    assert shown["quiet"] == "" and "work: 100%" in shown["python"]
