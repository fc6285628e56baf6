"""What the tests of this folder share."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Gemma3ForConditionalGeneration

from helpers.cli import main
from helpers.models import ChatModel, opening as models


@pytest.fixture(scope="module")
def one_thread():
    """So small a model gains nothing from a second thread, and on a busy machine waits for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, standin) -> Callable[..., tuple]:
    """Run the command and return its exit code, what it printed and what it said beside it."""
    load = models.load_model
    monkeypatch.setattr(models, "load_model", lambda name, **k: standin if name == "standin" else load(name, **k))

    def run(path: str | Path, question: str = "What is this?", *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()  # what the test printed before
        code = main(["ask", str(path), question, "--max-new-tokens", "12", *arguments])
        return code, *capsys.readouterr()

    return run


def refused(asked: Callable[..., tuple], path: str | Path, *arguments: str) -> str:
    code, out, err = asked(path, *(arguments or ("What is this?",)), "--json")
    assert code == 2 and "error: " not in err
    told = json.loads(out)["error"]
    return " ".join(filter(None, (told["path"] and f"{told['path']}:", told["message"], told["remedy"])))


@pytest.fixture(scope="session")
def wide_chat(standin: ChatModel) -> ChatModel:
    """Two layers of random weights whose attention has its true size: 8 and 4 heads of 256, windows of 1,024.

    Images are 256 tokens. What attention does not see, the width between the layers, is small.
    """
    config = copy.deepcopy(standin.model.config)
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 320, 320, 2
    text.num_attention_heads, text.num_key_value_heads, text.head_dim = 8, 4, 256
    text.query_pre_attn_scalar, text.sliding_window = 256, 1024
    text.layer_types = ["sliding_attention", "full_attention"]
    vision.hidden_size = vision.intermediate_size = 64
    vision.num_hidden_layers, vision.num_attention_heads, vision.image_size, vision.patch_size = 1, 4, 896, 56
    config.mm_tokens_per_image = 256
    # Tied, a random model would repeat its input.
    config.tie_word_embeddings = text.tie_word_embeddings = False
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for seed, weight in enumerate(model.parameters()):  # so a word more changes no other weight
            if weight.dim() > 1:
                weight.normal_(std=0.04, generator=torch.Generator().manual_seed(seed))
        model.lm_head.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    model.generation_config = copy.deepcopy(standin.model.generation_config)
    processor = copy.deepcopy(standin.processor)
    processor.image_processor.size = {"height": 896, "width": 896}
    processor.image_seq_length = 256
    words = processor.full_image_sequence
    start, end = words.index("<image_soft_token>"), words.rindex("<image_soft_token>") + len("<image_soft_token>")
    processor.full_image_sequence = words[:start] + "<image_soft_token>" * 256 + words[end:]
    return replace(standin, name="wide", model=model, processor=processor)


def noise(n: int, seed: int = 0) -> list[Image.Image]:
    """Images of noise."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8)) for _ in range(n)]
