"""What the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SiglipConfig, SiglipModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from helpers.embeddings import Embedder, load_embedder


def pictures(n: int, side: int = 64, seed: int = 0) -> list[Image.Image]:
    values = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)
    return [Image.fromarray(v) for v in values]


@pytest.fixture(scope="module")
def embedder(standin) -> Embedder:
    return load_embedder(standin)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SigLIP of MedSigLIP's classes, small, random, without its tokenizer."""
    folder = tmp_path_factory.mktemp("siglip")
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**small, "image_size": 56, "patch_size": 14}
    torch.manual_seed(0)
    SiglipModel(SiglipConfig(text_config={**small, "vocab_size": 100}, vision_config=vision)).save_pretrained(
        folder
    )
    SiglipImageProcessorPil(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images and one file that is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    for k, image in enumerate(pictures(5)):
        image.save(folder / f"{k}.png")
    (folder / "2b.png").write_text("no image")
    return folder
