"""The stand-in: loads without this package, keeps Gemma 3's turns, and answers from what it sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.models import STANDIN_FOLDER, ChatModel
from helpers.prompts import image_messages, parse_final_answer, slide_messages
from helpers.standin.scoring import score, swapped, wide_window
from helpers.standin.sight import KINDS
from helpers.teaching import image_of, worded_image

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
    kinds, n = ("ct", "mri", "image"), 10
    seen, others = (score(standin, n, 5_000_000, kinds=kinds, control=c)["kinds"] for c in (None, swapped))
    # Chance: one half for the volumes, less for images, of which some are a choice of four.
    assert seen["ct"]["accuracy"]["mean"] >= 0.7 and seen["mri"]["accuracy"]["mean"] >= 0.7
    assert seen["image"]["accuracy"]["mean"] >= 0.6
    assert np.mean([seen[k]["accuracy"]["mean"] - others[k]["accuracy"]["mean"] for k in kinds]) > 0.15


def test_it_finds_the_letter_of_the_option_that_it_chose(standin: ChatModel) -> None:
    """Chance is less than a half: there are two to four options."""
    rng, right = np.random.default_rng(5_000_001), 0
    for kind in 2 * KINDS:
        question = worded_image(kind, rng, held_out=True, form="kind by letter")
        reply = standin.generate(image_messages([image_of(kind, rng)], question.text), max_new_tokens=60)
        right += parse_final_answer(reply.text, question.options) == question.truth
    assert right >= 0.8 * 2 * len(KINDS)


def test_it_tells_where_something_is_and_describes_slides(standin: ChatModel) -> None:
    found = score(standin, 16, 5_000_000, kinds=("box", "slide"))
    assert found["kinds"]["box"]["IoU"]["mean"] >= 0.3
    assert found["kinds"]["slide"]["ROUGE-L"]["mean"] >= 0.6
    assert found["unparsable"] < 0.1


def test_the_ct_windows_matter(standin: ChatModel) -> None:
    usual, wide = (score(standin, 8, 6_000_000, kinds=["ct"], control=c)["kinds"] for c in (None, wide_window))
    assert usual["ct"]["accuracy"]["mean"] > wide["ct"]["accuracy"]["mean"] + 0.1


def test_it_says_so_when_it_did_not_learn_something(standin: ChatModel) -> None:
    assert "did not learn" in standin.generate(image_messages([], "What causes diabetes?")).text
