"""``ask --explain``: what the answer depends on as a picture and as JSON, and errors before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers.cli import main
from helpers.teaching import generate, write_case

FAR = "endpoint:https://models.example.org/v1#m"  # nothing is sent there


def test_the_slices_of_a_volume(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    case = next(c for c in generate("ct-staining", 40, 1_800_000) if c.truth == "yes" and len(c.images) > 2)
    series, folder = write_case(case, tmp_path / "case"), tmp_path / "where"
    words = ["ask", str(series), "Is there blood?", "--options", "yes", "no", "--limit", "6"]
    capsys.readouterr()  # what making the case has said
    code = main([*words, "--explain", str(folder), "--json"])
    out, err = capsys.readouterr()
    told = json.loads((folder / "where.json").read_text(encoding="utf-8"))
    assert code == 0 and "each of the 6 images is exchanged" in err
    assert [part["image"] for part in told["parts"]] == [1, 2, 3, 4, 5, 6]
    best = max(told["parts"], key=lambda part: part["support"])
    assert told["winner"] == best["image"]
    assert told["likelier"] == ("yes" if told["log_odds"] > 0 else "no")
    assert Image.open(folder / "where.png").size[0] > 500
    assert json.loads(out)["where"]["winner"] == told["winner"]


def test_the_fields_of_one_image(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "where"
    code = main(
        ["ask", "fundus", "Is this a fundus photograph?", "--options", "yes", "no", "--explain", str(folder)]
    )
    out = capsys.readouterr().out
    told = json.loads((folder / "where.json").read_text(encoding="utf-8"))
    assert code == 0 and "64 fields" in out and str(folder / "where.png") in out
    assert len(told["parts"]) == 64 and told["winner"] in [part["field_y0_x0_y1_x1"] for part in told["parts"]]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--explain", "where"], "--options yes no"),
        (["--explain", "where", "--options", "a", "b", "c"], "compares two answers"),
        (
            ["--explain", "where", "--options", "yes", "no", "--model", FAR],
            "loaded on",
        ),
        (["--explain", __file__, "--options", "yes", "no"], "another folder with --explain"),
    ],
)
def test_what_cannot_be_explained_is_refused_at_once(more, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["ask", "nowhere", "Is there blood?", *more]) != 0
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_answer_that_was_given_is_in_the_error_of_what_follows(tmp_path, capsys) -> None:
    """One option is the beginning of the other, which only the model's tokens tell."""
    words = ["ask", "fundus", "Is it?", "--options", "fundus", "fundus photograph"]
    assert main([*words, "--explain", str(tmp_path / "where")]) == 2
    told = capsys.readouterr().err
    assert "tokens cannot tell" in told and "The model had answered: " in told and "fundus" in told
