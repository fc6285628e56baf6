"""The number format that a device computes in, and results that are not numbers: an error, and never an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers.quantizers.quantizers_utils import should_convert_module

from helpers.cli import main
from helpers.errors import InputError
from helpers.evaluation import read_answers, run_evaluation
from helpers.models import KEPT_WHOLE, load_model
from helpers.models.number_formats import dtype_for
from helpers.models.vision import encode_images
from helpers.prompts import images_of
from helpers.teaching import generate


@pytest.fixture
def gpu_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int]], None]:
    return lambda capability: monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)


@pytest.mark.parametrize(
    ("device", "capability", "small", "wanted"),
    [
        ("cuda", (7, 5), False, torch.float32),  # T4
        ("cuda:1", (7, 0), False, torch.float32),  # V100
        ("cuda", (8, 0), False, torch.bfloat16),  # A100
        ("cuda", (8, 9), False, torch.bfloat16),  # L4, RTX 4090
        ("cuda", (8, 9), True, torch.float32),
        ("mps", (0, 0), False, torch.bfloat16),
        ("cpu", (0, 0), False, torch.bfloat16),
        ("cpu", (0, 0), True, torch.float32),
    ],
)
def test_the_format_follows_the_compute_capability(gpu_of, device, capability, small, wanted) -> None:
    gpu_of(capability)
    assert dtype_for(device, None, small=small, name="m") is wanted
    assert dtype_for(device, torch.float32, small=small, name="m") is torch.float32


def test_formats_that_give_wrong_answers_or_no_room_are_refused(gpu_of) -> None:
    gpu_of((7, 5))
    with pytest.raises(InputError, match=r"capability 7\.5\) only emulates bfloat16.*float32.*quantized=True"):
        dtype_for("cuda", torch.bfloat16, small=False, name="m")
    for device in ("cuda", "cpu"):
        with pytest.raises(InputError, match=r"float16 ends at 65,504.*would not be numbers"):
            dtype_for(device, torch.float16, small=False, name="m")
    with pytest.raises(InputError, match="standin: float16"):
        load_model("standin", dtype=torch.float16, device="cpu")


def overflowing() -> object:
    """The stand-in with a residual stream 10,000 times as large, which its norms undo: the same answers."""
    chat = load_model("standin", device="cpu")
    model = chat.model.model
    with torch.no_grad():
        # Tied to the embeddings, the head would make its logits larger, too.
        chat.model.lm_head.weight = torch.nn.Parameter(chat.model.lm_head.weight.clone())
        model.language_model.embed_tokens.weight *= 1e4
        model.multi_modal_projector.mm_input_projection_weight *= 1e4
        for layer in model.language_model.layers:
            for norm in (layer.post_attention_layernorm, layer.post_feedforward_layernorm):
                norm.weight.copy_((1 + norm.weight) * 1e4 - 1)
    return chat


def test_what_overflows_in_float16_is_an_error_and_in_float32_the_same_answer(standin) -> None:
    case = generate("image", 1, seed=7)[0]
    chat = overflowing()
    assert chat.generate(case.messages, max_new_tokens=12).text == standin.generate(case.messages, 12).text
    chat.model.half()
    with pytest.raises(InputError, match=r"standin.*not numbers.*computed in float16.*float32"):
        chat.generate(case.messages, max_new_tokens=12)


def broken() -> object:
    chat = load_model("standin", device="cpu")
    with torch.no_grad():
        chat.model.model.language_model.norm.weight.fill_(float("nan"))
    return chat


def test_no_answer_is_made_of_logits_that_are_no_numbers() -> None:
    chat, (case,) = broken(), generate("ct", 1, seed=5)
    with pytest.raises(InputError, match="not numbers"):
        chat.generate(case.messages, max_new_tokens=4)
    with chat.session(case.messages) as session:
        with pytest.raises(InputError, match="not numbers"):
            session.generate_all([case.messages])
        with pytest.raises(InputError, match="not numbers"):
            session.next_token([case.messages], "Final Answer:")
    with torch.no_grad():
        chat.model.model.multi_modal_projector.mm_input_projection_weight.fill_(float("inf"))
    with pytest.raises(InputError, match="not numbers"):
        chat.session(case.messages)


def test_an_evaluation_notes_the_case_and_scores_the_others(standin, tmp_path: Path) -> None:
    cases = [case for case in generate("ct", 8, seed=5) if case.options][:4]
    run_evaluation(standin, cases[:2], tmp_path, max_new_tokens=8)
    spoilt = standin.model.lm_head.register_forward_hook(lambda _module, _inputs, logits: logits * float("nan"))
    try:
        scores = run_evaluation(standin, cases, tmp_path, max_new_tokens=8)
    finally:
        spoilt.remove()
    assert (scores["answers"], scores["failed"]) == (2, 2)
    answers = {answer["id"]: answer for answer in read_answers(tmp_path / "answers.jsonl")}
    assert all("not numbers" in answers[case.id]["error"] for case in cases[2:])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for name in ("scores.json", "answers.jsonl"):  # NaN is not JSON
        for line in (tmp_path / name).read_text(encoding="utf-8").split("\n" if name != "scores.json" else "\0"):
            assert not line or json.loads(line, parse_constant=refuse)
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "report")]) == 0


def test_a_run_of_failures_alone_is_scored_and_reported(tmp_path: Path) -> None:
    cases = [case for case in generate("image", 4, seed=5) if case.options][:2]
    for _ in range(2):  # again, as a second run does
        scores = run_evaluation(broken(), cases, tmp_path, max_new_tokens=8)
        assert (scores["answers"], scores["failed"]) == (0, len(cases))
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "report")]) == 0


def test_images_pass_the_tower_half_as_many_where_memory_runs_out(standin, monkeypatch) -> None:
    images = [image for case in generate("image", 5, seed=3) for image in images_of(case.messages)]
    processor = standin.processor.image_processor
    whole = encode_images(standin.model, processor, images)
    tried, encode = [], standin.model.get_image_features

    def small_gpu(pixel_values: torch.Tensor, **options: object) -> object:
        tried.append(len(pixel_values))
        if len(pixel_values) > 2:
            raise torch.OutOfMemoryError
        return encode(pixel_values=pixel_values, **options)

    monkeypatch.setattr(standin.model, "get_image_features", small_gpu)
    assert torch.allclose(encode_images(standin.model, processor, images, batch_size=8), whole, atol=1e-5)
    assert tried == [5, 4, 2, 2, 1]


def test_four_bits_are_for_the_language_model_alone(standin) -> None:
    linear = [name for name, module in standin.model.named_modules() if isinstance(module, torch.nn.Linear)]
    changed = [name for name in linear if should_convert_module(name, KEPT_WHOLE)]
    assert changed and all(".language_model.layers." in name for name in changed)
    assert [name for name in linear if "vision" in name] and "lm_head" in linear
