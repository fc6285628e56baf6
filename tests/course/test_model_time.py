"""How long MedGemma takes, counted by hand on a tiny model and by a model of its shapes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from helpers.course import (
    BANDWIDTH_SHARE,
    HARDWARE,
    LAUNCH,
    MEDGEMMA_4B,
    Hardware,
    Weights,
    estimate,
    likely,
    measured_speed,
    minutes_on_cpu,
    read_operations,
    step_bytes,
    vision_operations,
)
from helpers.course.model_time import ANSWER, LABELS, QUESTION, Speed

TINY = Weights(100, 20, (4, None), queries=2, keys=1, vision=10, vision_layers=1, vision_width=3, patches=5)
SLOW = Hardware("slow", operations=1000, bandwidth=100, source="")


def test_operations_and_bytes_are_what_one_counts_by_hand() -> None:
    # Two layers, one looks 4 tokens back, one at all. With dense masks each of 6 tokens meets all 6 in both.
    assert read_operations(TINY, 6) == 2 * 100 * 6 + 4 * 2 * (36 + 36)
    # Behind 10 others the layer with a window has kept 4 of them.
    assert read_operations(TINY, 6, before=10) == 2 * 100 * 6 + 4 * 2 * (6 * 10 + 6 * 16)
    # By blocks 6 tokens see 1+2+3+4+4+4 and 1+2+3+4+5+6 others.
    assert read_operations(TINY, 6, blocks=True) == 2 * 100 * 6 + 4 * 2 * (18 + 21)
    parts = read_operations(TINY, 2, blocks=True) + read_operations(TINY, 4, before=2, blocks=True)
    assert parts == read_operations(TINY, 6, blocks=True)
    assert vision_operations(TINY) == 2 * 10 * 5 + 4 * 1 * 3 * 25
    assert step_bytes(TINY, 10) == 2 * (120 + 2 * 1 * (4 + 10))
    assert step_bytes(TINY, 10, questions=3) == 2 * (120 + 3 * 2 * 1 * (4 + 10))


@pytest.mark.parametrize("blocks", [False, True])
def test_a_session_shares_the_images_and_the_steps(blocks: bool) -> None:
    one, many = (estimate(TINY, SLOW, images=2, questions=n, blocks=blocks) for n in (1, 5))
    assert one.vision == many.vision == 2 * vision_operations(TINY) / 1000
    prefix = 2 * (256 + LABELS)
    read = [read_operations(TINY, n, before, blocks=blocks) for n, before in ((prefix, 0), (QUESTION, prefix))]
    assert one.reading == pytest.approx(sum(read) / 1000)
    assert one.writing == pytest.approx(sum(step_bytes(TINY, prefix + QUESTION + k) for k in range(ANSWER)) / 100)
    apart = estimate(TINY, SLOW, images=2, questions=5, together=False, blocks=blocks)
    assert apart.total == pytest.approx(5 * one.total) and many.total < 5 * one.total
    assert estimate(TINY, SLOW, images=2, compute_share=0.5).vision == 2 * one.vision
    at_once, waiting = (estimate(TINY, SLOW, images=2, launch=launch, answer=8).writing for launch in (0, 0.25))
    assert waiting - at_once == pytest.approx(2.0)


def test_an_h100_writes_in_about_twice_what_its_memory_needs_and_other_gpus_wait_less() -> None:
    slower = {
        gpu.name[:4].strip(): likely(MEDGEMMA_4B, gpu).writing / likely(MEDGEMMA_4B, gpu, launch=0).writing
        for gpu in HARDWARE
    }
    assert slower["H100"] == pytest.approx(2, abs=0.15) and slower["L4"] < slower["A100"] < slower["H100"]
    assert likely(MEDGEMMA_4B, HARDWARE[0], answer=1).writing > LAUNCH and BANDWIDTH_SHARE < 1


@pytest.fixture(scope="module")
def shapes() -> Iterator[Gemma3ForConditionalGeneration]:
    """MedGemma 4B without numbers."""
    text = {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "num_attention_heads": 8}
    text |= {"num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208, "sliding_window": 1024}
    vision = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
    vision |= {"image_size": 896, "patch_size": 14, "vision_use_head": False}
    with torch.device("meta"):
        yield Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=vision))


def test_the_sizes_are_those_of_the_model(shapes: Gemma3ForConditionalGeneration) -> None:
    def count(part: str) -> int:
        return sum(p.numel() for name, p in shapes.named_parameters() if part in name)

    text, vision = shapes.config.text_config, shapes.config.vision_config
    windows = tuple(text.sliding_window if kind == "sliding_attention" else None for kind in text.layer_types)
    assert MEDGEMMA_4B.layers == count("language_model.layers")
    assert MEDGEMMA_4B.head == text.hidden_size * text.vocab_size
    assert MEDGEMMA_4B.windows == windows
    assert (MEDGEMMA_4B.queries, MEDGEMMA_4B.keys) == (8 * text.head_dim, 4 * text.head_dim)
    assert MEDGEMMA_4B.vision == count("vision_tower")
    assert (MEDGEMMA_4B.vision_layers, MEDGEMMA_4B.vision_width) == (vision.num_hidden_layers, vision.hidden_size)
    assert MEDGEMMA_4B.patches == (vision.image_size // vision.patch_size) ** 2


def test_minutes_on_a_cpu_are_products_and_attention_each_at_its_speed() -> None:
    tokens = 2 * (256 + LABELS) + QUESTION
    products = 2 * 2 * 10 * 5 + 2 * 100 * tokens
    attention = 2 * 4 * 3 * 25 + 4 * 2 * 2 * tokens**2
    assert minutes_on_cpu(Speed(60.0, 600.0), 2, TINY) == pytest.approx((products / 60 + attention / 600) / 60)
    # At 180 and 150 billion a second a volume takes about an hour, not minutes.
    assert 60 < minutes_on_cpu(Speed(180e9, 150e9), 85) < 90


def test_the_speed_of_this_machine_is_a_speed() -> None:
    speed = measured_speed(torch.float32)
    assert speed.products > 1e6 and speed.attention > 1e6
