"""``medgemma-tutorials ask --find``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers.cli import main
from helpers.coarse_to_fine import paths
from tests.coarse_to_fine.made import Server, volume_with


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """The model that a command loads; a volume with a finding in slices 18 and 19 of 40 in place of a file's."""
    made = Server()
    monkeypatch.setattr(paths, "load_model", lambda *a, **k: made)
    monkeypatch.setattr(paths, "part_volume", lambda *a: volume_with({17, 18}))
    return made


def test_it_says_what_it_costs_before_it_asks_and_then_where_it_found_something(server, capsys):
    assert main(["ask", "mri-t1", "Is there a bright square?", "--find", "--limit", "12"]) == 0
    out = capsys.readouterr().out
    cost, answer = out.index("The search reads 425 tokens in 5 prompts"), out.index("Final Answer: yes")
    assert cost < answer
    assert "Slices 15 to 26: the server sent no likelihood. Answer: yes" in out
    assert "5 + 1 prompts, 550 tokens in" in out


def test_json_has_every_part(server, capsys):
    line = [
        "ask",
        "mri-t1",
        "Is there a bright square?",
        "--find",
        "--limit",
        "12",
        "--json",
        "--options",
        "no",
        "yes",
    ]
    assert main(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert [part["slices"] for part in found["scan"]] == [[1, 8], [9, 16], [17, 24], [25, 32], [33, 40]]
    assert [part["answer"] for part in found["scan"]] == ["no", "no", "yes", "no", "no"]
    assert (found["final_answer"], found["p_yes"], found["where"]) == ("yes", None, {"slices": [15, 26]})
    assert found["prompt_tokens"] == 550


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--find", "--options", "left", "right"], "A search asks for yes or no"),
        (["--find", "--limit", "0"], "A prompt cannot show 0 slices"),
        (["--find", "--limit", "7"], "too small for a block of 8"),
        (["--find", "--block", "3"], "too small"),
        (["--find", "--best", "0"], "0 blocks"),
        (["--find", "--threshold", "nan"], "not a number"),
        (["--find", "--threshold", "50"], "not a number from 0 to 1"),
        (["--find", "--magnification", "20"], "--magnification"),
        (["--block", "9"], "--block belongs to a search. Add --find"),
    ],
)
def test_what_cannot_be_searched_is_refused(server, capsys, words, problem):
    assert main(["ask", "mri-t1", "Is there a bright square?", *words]) == 2
    assert problem in capsys.readouterr().err
    assert not server.prompts


def test_a_picture_and_several_volumes_are_refused(server, capsys, tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert main(["ask", str(tmp_path / "a.png"), "Is it there?", "--find"]) == 2
    assert "nothing to search" in capsys.readouterr().err
    assert main(["ask", "mri-t1", " ", "--find"]) == 2
    assert "The question is empty" in capsys.readouterr().err
