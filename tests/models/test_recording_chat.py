"""A model that is recorded says what it always says: alone, in a session, in an evaluation; so does a replay."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers.cli import main
from helpers.evaluation import read_answers, run_evaluation
from helpers.models import RECORD_TO, RECORDED_PREFIX, load_model, read_recording
from helpers.prompts import image_messages, volume_messages, with_question
from helpers.teaching import generate

QUESTIONS = ["What is it?", "Is it a head? You can respond with a single word: yes or no."]


def pictures(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8)) for _ in range(n)]


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, Path]:
    """The stand-in, recording into a folder."""
    folder = tmp_path / "kept"
    monkeypatch.setenv(RECORD_TO, f"{folder}#standin")
    chat = load_model("standin", device="cpu")
    monkeypatch.delenv(RECORD_TO)
    return chat, folder


def test_what_is_asked_alone_and_in_a_session_is_given_again(recording, standin):
    chat, folder = recording
    opened = volume_messages(pictures(5), None)
    alone = image_messages(pictures(1), QUESTIONS[0])
    said = [chat.generate(alone, max_new_tokens=12)]
    with chat.session(opened) as session:
        said += session.ask_all(QUESTIONS, max_new_tokens=12)
    plain = [
        standin.generate(p, max_new_tokens=12) for p in (alone, *(with_question(opened, q) for q in QUESTIONS))
    ]
    replayed = load_model(f"{RECORDED_PREFIX}{folder}")
    again = [
        replayed.generate(p, max_new_tokens=12) for p in (alone, *(with_question(opened, q) for q in QUESTIONS))
    ]
    for first, second, third in zip(plain, said, again, strict=True):
        assert first.text == second.text == third.text
        assert first.prompt_tokens == second.prompt_tokens == third.prompt_tokens
        assert third.seconds == pytest.approx(second.seconds, abs=1e-4)
    assert replayed.count_tokens(alone) == standin.count_tokens(alone)
    about = read_recording(folder).about
    assert (about.model, about.is_standin, about.device, about.dtype) == ("standin", True, "cpu", "float32")
    assert about.peak_memory_mb > 50 and set(about.versions) == {"medgemma-tutorials", "torch", "transformers"}


def test_another_model_and_one_with_no_such_wish_are_not_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv(RECORD_TO, f"{tmp_path / 'kept'}#google/medgemma-1.5-4b-it")
    load_model("standin", device="cpu").generate(image_messages([], "Why?"), max_new_tokens=2)
    assert not (tmp_path / "kept").exists()


def test_an_evaluation_has_the_same_answers_and_likelihoods(recording, tmp_path):
    chat, folder = recording
    cases = generate("ct", 3, 7_000_000)
    run_evaluation(chat, cases, tmp_path / "first", max_new_tokens=24)
    run_evaluation(load_model(f"{RECORDED_PREFIX}{folder}"), cases, tmp_path / "again", max_new_tokens=24)
    first, again = (read_answers(tmp_path / name / "answers.jsonl") for name in ("first", "again"))
    assert len(first) == 3
    for one, other in zip(first, again, strict=True):
        assert one["p_yes_direct"] is not None and other["engine"] == "recorded"
        for name in ("id", "prompt", "text", "parsed", "p_yes", "p_yes_direct", "yes_no_mass", "finished"):
            assert one[name] == other[name], name


def test_a_recorded_notebook_runs_again_with_its_replies(tmp_path, capsys):
    v4 = nbformat.v4
    parameters = 'MODEL = "standin"\nOUTPUT_DIR = "outputs"\nMAX_NEW_TOKENS = 8'
    code = """
import json
from pathlib import Path
from helpers import fetch, image_messages, load_model, read_image
chat = load_model(MODEL)
reply = chat.generate(image_messages([read_image(fetch("chest-radiograph"))], "What is it?"), MAX_NEW_TOKENS)
results = {"text": reply.text, "tokens": reply.completion_tokens, "model": chat.name}
Path(OUTPUT_DIR, "results.json").write_text(json.dumps(results))
"""
    cells = [v4.new_markdown_cell("# 01 A"), v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    notebook = v4.new_notebook(cells=[*cells, v4.new_code_cell(code)])
    (tmp_path / "notebooks").mkdir()
    for name in ("01_asks", "06_trains"):
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    shared = ["--notebooks", str(tmp_path / "notebooks")]
    kept = tmp_path / "kept"
    assert main(["record", "--model", "standin", "--output", str(kept), *shared]) == 0
    assert f"run --model {RECORDED_PREFIX}{kept} --only 01" in capsys.readouterr().out
    command = [
        "run",
        "--model",
        f"{RECORDED_PREFIX}{kept}",
        "--output",
        str(tmp_path / "run"),
        "--only",
        "1",
        *shared,
    ]
    assert main(command) == 0
    first = json.loads((kept / "pages" / "01_asks" / "results.json").read_text())
    again = json.loads((tmp_path / "run" / "01_asks" / "results.json").read_text())
    assert again == first | {"model": f"standin, recorded {read_recording(kept).about.date}"}
    assert main([*command, "-p", "MAX_NEW_TOKENS", "3"]) == 1
    assert "recorded with another limit than 3" in capsys.readouterr().err
