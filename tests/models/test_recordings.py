"""Replies in a folder: found again by words, pixels and limit, and never mixed with those of another model."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from helpers.cli import main
from helpers.errors import InputError
from helpers.models import RECORDED_PREFIX, RecordedModel, load_model, read_recording
from helpers.models.recordings import ABOUT, REPLIES, About, Recorder
from helpers.prompts import Reply, image_messages, volume_messages

ROOT = Path(__file__).resolve().parents[2]
ABOUT_IT = About(
    model="google/medgemma-1.5-4b-it",
    revision="0" * 40,
    is_standin=False,
    dtype="bfloat16",
    device="NVIDIA L4",
    context=32_768,
    image_tokens=256,
    wrapper_tokens=4,
    versions={"torch": "2.13.0"},
    date="2026-01-31",
)
GREY = Image.new("RGB", (8, 8), "grey")
PROMPT = image_messages([GREY, GREY], "Is it grey?")
WHOLE = Reply("Final Answer: yes", "thought", 2 * 260 + 30, 7, 1.25, finished=True)
CUT = Reply("Let me", "", 40, 3, 0.5, finished=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recorder = Recorder(tmp_path / "kept", ABOUT_IT)
    recorder.keep(PROMPT, 100, WHOLE)
    recorder.keep(image_messages([], "Why?"), 3, CUT)
    recorder.keep_likelihoods(PROMPT, 100, {"p_yes": 0.75, "yes_no_mass": 0.5})
    recorder.note_memory(9_000)
    return tmp_path / "kept"


def open_folder(folder: Path) -> RecordedModel:
    return load_model(f"{RECORDED_PREFIX}{folder}")


def test_a_reply_is_found_by_words_pixels_and_limit(folder, capsys):
    chat = open_folder(folder)
    said = capsys.readouterr().out
    assert said.startswith(
        "2 replies of google/medgemma-1.5-4b-it, recorded on 2026-01-31 on NVIDIA L4 in bfloat16."
    )
    assert chat.name == "google/medgemma-1.5-4b-it, recorded 2026-01-31" and not chat.is_standin
    running: list[str] = []
    assert chat.generate(PROMPT, 100, on_text=running.append) == WHOLE and running == [WHOLE.text]
    assert chat.generate(PROMPT, 7) == WHOLE, "a reply of seven tokens that ended is the same under a lower limit"
    assert chat.recorded(PROMPT, 100)[1] == {"p_yes": 0.75, "yes_no_mass": 0.5}
    assert chat.generate(image_messages([], "Why?"), 3) == CUT
    assert chat.recorded(image_messages([], "Why?"), 3)[1] is None
    for messages, limit, what in (
        (PROMPT, 6, "another limit than 6"),
        (image_messages([], "Why?"), 4, "another limit than 4"),
        (image_messages([GREY], "Is it grey?"), 100, r"\(1 image\)"),
        (image_messages([GREY, GREY], "Is it gray?"), 100, r"No reply .*\(2 images\)"),
        (image_messages([GREY, Image.new("RGB", (8, 8), "gray")], "Is it grey?"), 100, None),
        (image_messages([GREY, Image.new("RGB", (8, 8), "black")], "Is it grey?"), 100, "No reply"),
    ):
        if what is None:  # another name of the same colour
            assert chat.generate(messages, limit) == WHOLE
            continue
        with pytest.raises(InputError, match=what) as told:
            chat.generate(messages, limit)
        assert told.value.path == str(folder) and "medgemma-tutorials record --model google/" in told.value.remedy


def test_tokens_are_those_that_were_counted_then_or_an_estimate(folder):
    chat = open_folder(folder)
    count = chat.count_tokens(PROMPT)
    assert (count.images, count.image, count.wrapper, count.text, count.estimated) == (2, 512, 8, 30, False)
    assert chat.count_tokens(image_messages([GREY], "12345678")).estimated
    with pytest.raises(InputError, match="over the budget of 32,768"):
        chat.count_tokens(volume_messages([GREY] * 130, "?", limit=130))
    with pytest.raises(InputError, match="no session"):
        chat.session(PROMPT)


def test_a_folder_is_of_one_model_and_goes_on_after_an_interruption(folder):
    with (folder / REPLIES).open("a", encoding="utf-8") as file:
        file.write('{"prompt": "cut o')
    recorder = Recorder(folder, replace(ABOUT_IT, date="2026-02-01"))
    recorder.keep(PROMPT, 100, WHOLE)  # is there
    recorder.keep(PROMPT, 200, WHOLE)
    lines = [json.loads(line) for line in (folder / REPLIES).read_text(encoding="utf-8").splitlines()]
    assert [line["max_new_tokens"] for line in lines] == [100, 3, 100, 200]
    assert lines[0]["question"] == "Is it grey?" and lines[0]["images"] == 2
    assert read_recording(folder).about == replace(ABOUT_IT, peak_memory_mb=9_000)
    with pytest.raises(InputError, match=r"replies of google/medgemma-1\.5-4b-it 0+ bfloat16, but the model is"):
        Recorder(folder, replace(ABOUT_IT, dtype="float32"))


def test_a_damaged_folder_is_named(folder, tmp_path, capsys):
    (folder / REPLIES).write_text('{"prompt": "x"}\n')
    with pytest.raises(InputError, match=r"replies\.jsonl: Line 1 is not a recorded reply \(KeyError"):
        open_folder(folder)
    about = folder / ABOUT
    for content, what in (("{", "cannot be read"), ('{"format": 2}', "format 2"), ('{"format": 1}', "missing")):
        about.write_text(content)
        with pytest.raises(InputError, match=what):
            open_folder(folder)
    with pytest.raises(InputError, match="no recorded replies"):
        open_folder(tmp_path / "elsewhere")
    assert main(["ask", "ct-head", "Why?", "--model", f"{RECORDED_PREFIX}{tmp_path}"]) == 2
    assert "no recorded replies, because the file about.json is missing" in capsys.readouterr().err


def test_nothing_else_takes_recorded_replies(folder, tmp_path, capsys):
    name = f"{RECORDED_PREFIX}{folder}"
    with pytest.raises(InputError, match="chosen only where the model runs"):
        load_model(name, quantized=True)
    for command in (
        ["serve", "--model", name],
        ["merge", "--model", name, "--adapter", str(tmp_path), "--output", str(tmp_path / "out")],
        ["record", "--model", name, "--output", str(tmp_path / "out")],
        ["record", "--model", "endpoint:https://host.example/v1#m", "--output", str(tmp_path / "out")],
        ["record", "--model", "standin", "--only", "06", "--output", str(tmp_path / "out")],
    ):
        assert main(command) == 2, command
    assert not (tmp_path / "out").exists()
    assert "Notebook 06 uses the weights of the model" in capsys.readouterr().err


def test_a_folder_that_no_recording_made_is_not_removed(tmp_path, capsys):
    (tmp_path / "pages").mkdir()
    mine = tmp_path / "pages" / "thesis.txt"
    mine.write_text("years of work")
    assert main(["record", "--model", "standin", "--only", "02", "--output", str(tmp_path)]) == 2
    assert mine.is_file() and "not made by an earlier recording" in capsys.readouterr().err


def test_replies_are_given_without_torch(folder):
    code = f"""
import sys
from helpers import image_messages, load_model
from PIL import Image
grey = Image.new("RGB", (8, 8), "grey")
print(load_model({RECORDED_PREFIX + str(folder)!r}).generate(image_messages([grey, grey], "Is it grey?")).text)
assert not {{"torch", "transformers"}} & set(sys.modules), "heavy"
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == WHOLE.text
