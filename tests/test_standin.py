"""The stand-in: loads without this package, keeps Gemma 3's turns, and answers from what it sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.cases import image_of
from helpers.hub import STANDIN_FOLDER
from helpers.models import ChatModel
from helpers.prompts import image_messages, slide_messages
from helpers.standin_scores import score, swapped, wide_window

ALONE = """
import sys
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained(sys.argv[1])
processor = AutoProcessor.from_pretrained(sys.argv[1])
image = Image.new("RGB", (50, 50), "white")
content = [{"type": "image", "image": image}, {"type": "text", "text": "What is this?"}]
settings = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
inputs = processor.apply_chat_template([{"role": "user", "content": content}], **settings)
out = model.generate(**inputs, max_new_tokens=30)
assert "helpers" not in sys.modules
print(type(model).__name__, type(processor).__name__, processor.decode(out[0, -1:]))
"""


def test_it_loads_through_transformers_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(STANDIN_FOLDER)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert done.stdout.split()[:2] == ["Gemma3ForConditionalGeneration", "Gemma3Processor"]
    assert done.stdout.split()[2] == "<end_of_turn>"  # it stops by itself


def test_turns_are_those_of_gemma_3(standin: ChatModel) -> None:
    turns = [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]},
        {"role": "assistant", "content": [{"type": "text", "text": "A chest."}]},
        {"role": "user", "content": "Why?"},
    ]
    text = standin.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<bos><start_of_turn>user\nBe brief.\n\n<start_of_image>What is it?<end_of_turn>\n"
        "<start_of_turn>model\nA chest.<end_of_turn>\n"
        "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n"
    )


@pytest.mark.parametrize("words", ["Grüße, 15 µm² — ok?", "日本語 <unused94>", "\tx  y\n"])
def test_any_text_survives_the_tokenizer(standin: ChatModel, words: str) -> None:
    tokenizer = standin.processor.tokenizer
    assert tokenizer.decode(tokenizer(words, add_special_tokens=False)["input_ids"]) == words


@pytest.mark.parametrize("n", [1, 16, 126])
def test_it_takes_any_number_of_images(standin: ChatModel, n: int) -> None:
    rng = np.random.default_rng(n)
    patches = [image_of("H&E histology", rng) for _ in range(n)]
    assert standin.count_tokens(slide_messages(patches)).image == n * 16
    reply = standin.generate(slide_messages(patches), max_new_tokens=40)
    assert reply.finished and reply.text


def test_files_are_small_and_readable_by_all() -> None:
    files = list(STANDIN_FOLDER.iterdir())
    assert sum(f.stat().st_size for f in files) < 15e6
    assert all(f.stat().st_mode & 0o044 == 0o044 for f in files)
    assert not [f for f in files if f.suffix in (".bin", ".pt", ".pkl")]


def test_it_sees_what_it_answers(standin: ChatModel) -> None:
    """Held-out cases against the same cases with other images: far from chance, and back to it."""
    kinds = ("ct", "mri", "image")
    seen = score(standin, 16, 5_000_000, kinds=kinds)["scores"]
    others = score(standin, 16, 5_000_000, kinds=kinds, control=swapped)["scores"]
    # Chance: one half for the volumes; for images less than 0.3, as the swapped ones show.
    assert seen["ct"]["accuracy"] >= 0.75 and seen["mri"]["accuracy"] >= 0.75
    assert seen["image"]["accuracy"] >= 0.45
    assert np.mean([seen[k]["accuracy"] - others[k]["accuracy"] for k in kinds]) > 0.2


def test_the_ct_windows_matter(standin: ChatModel) -> None:
    usual, wide = (score(standin, 12, 6_000_000, kinds=["ct"], control=c)["scores"] for c in (None, wide_window))
    assert usual["ct"]["accuracy"] > wide["ct"]["accuracy"] + 0.15


def test_it_says_so_when_it_did_not_learn_something(standin: ChatModel) -> None:
    assert "did not learn" in standin.generate(image_messages([], "What causes diabetes?")).text
