"""Prompts read by blocks and with dense masks: the same logits, and a way that the device can go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from helpers.errors import InputError
from helpers.finetuning.planning import model_config
from helpers.models import ChatModel, attention, prefill
from helpers.models.prefill import FROM, kernel_fault, prefill_attention
from helpers.prompts import image_messages, volume_messages, with_question
from tests.models.conftest import noise


@pytest.fixture
def forget() -> Iterator[None]:
    kernel_fault.cache_clear()
    attention.FAULTS.known.clear()
    yield
    kernel_fault.cache_clear()
    attention.FAULTS.known.clear()


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("images", [0, 1, 5])  # shorter and longer than the window; no length is a multiple of 128
def test_both_ways_give_the_same_logits(wide_chat: ChatModel, images: int) -> None:
    opened = volume_messages(noise(images), "What?") if images else image_messages([], "What is a voxel? " * 30)
    inputs = wide_chat.inputs(opened)
    assert inputs["input_ids"].shape[1] % 128
    logits = []
    for way in ("sdpa", "flex_attention"):
        with torch.inference_mode(), attention.reading(wide_chat.model, way):
            logits.append(wide_chat.model(**inputs).logits)
    dense, blocks = logits
    torch.testing.assert_close(blocks, dense, rtol=0, atol=1e-5 * float(dense.abs().max()))
    assert not torch.equal(blocks, dense)  # another way was gone indeed


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_generate_and_sessions_take_the_way_that_is_asked_for(
    wide_chat: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, questions = volume_messages(noise(1), None), ["What?", "Is there a fracture?"]
    by_blocks, made = replace(wide_chat, prefill="flex_attention"), []
    real = attention.block_mask
    monkeypatch.setattr(attention, "block_mask", lambda *a: made.append(a[1]) or real(*a))
    assert prefill_attention(wide_chat.model, 300, "flex_attention") == "flex_attention"  # has tried its kernel
    made.clear()
    expected = [wide_chat.generate(with_question(opened, q), max_new_tokens=5).text for q in questions]
    assert not made
    assert [by_blocks.generate(with_question(opened, q), max_new_tokens=5).text for q in questions] == expected
    assert len(made) == 2 * len(questions)  # one mask for each kind of layer, and only for the prompt
    with by_blocks.session(opened) as session:
        assert [reply.text for reply in session.ask_all(questions, max_new_tokens=5)] == expected
    assert len(made) == 2 * len(questions) + 2
    with pytest.raises(InputError, match="'flash' is not a way"):
        replace(wide_chat, prefill="flash").generate(opened)


def gpu_model() -> SimpleNamespace:
    config = model_config("google/medgemma-1.5-4b-it")
    return SimpleNamespace(device=torch.device("cuda"), dtype=torch.bfloat16, config=config)


@pytest.mark.parametrize(
    ("capability", "tokens", "asked", "fault", "wanted"),
    [
        ((8, 0), 22_420, None, "", "flex_attention"),
        ((9, 0), FROM, None, "", "flex_attention"),
        ((9, 0), FROM - 1, None, "", "sdpa"),  # not worth a kernel's compilation
        ((9, 0), 300, "flex_attention", "", "flex_attention"),
        ((9, 0), 22_420, "sdpa", "", "sdpa"),
        ((7, 5), 22_420, None, "", "sdpa"),
        ((8, 9), 22_420, None, "no shared memory", "sdpa"),
    ],
)
def test_the_way_follows_gpu_length_and_kernel(monkeypatch, capability, tokens, asked, fault, wanted) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(prefill, "kernel_fault", lambda *_: fault)
    assert prefill_attention(gpu_model(), tokens, asked) == wanted


def test_a_cpu_reads_densely_unless_asked(wide_chat: ChatModel) -> None:
    assert prefill_attention(wide_chat.model, 10**5) == "sdpa"


def test_a_kernel_that_does_not_compile_is_told_of_once(forget, monkeypatch, capsys) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of resource: shared memory\nRequired: 180000")

    monkeypatch.setattr(attention, "flex_attention", broken)
    monkeypatch.setattr(prefill, "_is_new_gpu", lambda _: True)
    model = gpu_model()
    model.device = torch.device("cpu")
    assert [prefill_attention(model, 22_420) for _ in range(3)] == ["sdpa"] * 3
    (line,) = capsys.readouterr().out.splitlines()
    assert "dense masks" in line and line.endswith("RuntimeError: out of resource: shared memory")
    with pytest.raises(InputError, match=r"out of resource.*prefill=None"):
        prefill_attention(model, 22_420, "flex_attention")


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_kernel_that_fails_on_a_prompt_gives_way_to_dense_masks(wide_chat, forget, monkeypatch, capsys) -> None:
    opened, real = volume_messages(noise(1), "What?"), attention.flex_attention
    expected = wide_chat.generate(opened, max_new_tokens=5).text
    by_blocks = replace(wide_chat, prefill="flex_attention")
    assert by_blocks.generate(opened, max_new_tokens=5).text == expected and not attention.FAULTS.known

    def limited(query: torch.Tensor, *args: object, **settings: object) -> torch.Tensor:
        if query.shape[1] == 8 and query.shape[2] not in (300, 500):
            raise RuntimeError("recompile_limit reached")
        return real(query, *args, **settings)

    monkeypatch.setattr(attention, "flex_attention", limited)
    assert by_blocks.generate(opened, max_new_tokens=5).text == expected
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("on cpu: RuntimeError: recompile_limit reached")
    monkeypatch.setattr(prefill, "_is_new_gpu", lambda _: True)
    assert prefill_attention(wide_chat.model, FROM) == "sdpa"  # the next prompt goes there at once


@pytest.mark.parametrize("factor", [2.0, float("nan")])
def test_a_kernel_with_wrong_results_is_not_used(forget, monkeypatch, capsys, factor: float) -> None:
    monkeypatch.setattr(attention, "flex_attention", lambda query, *_, **__: query * factor)
    assert "differ by" in kernel_fault("cpu", torch.float32, (8, 4, 64, 100))
    assert "dense masks" in capsys.readouterr().out


def test_dense_masks_are_those_of_transformers(wide_chat: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def both(**settings: Any) -> torch.Tensor:
        made = attention._dense_masks(**settings)
        assert torch.equal(made, sdpa_mask(**settings))
        compared.append(tuple(made.shape))
        return made

    monkeypatch.setitem(AttentionMaskInterface._global_mapping, attention.NAMES["sdpa"], both)
    opened = volume_messages(noise(5), None)
    with wide_chat.session(opened) as session:
        session.ask("What?", max_new_tokens=2)
    inputs = wide_chat.inputs(with_question(opened, "What?"))
    assert wide_chat.model.config.get_text_config().sliding_window < inputs["input_ids"].shape[1]
    inputs = {k: v.repeat(2, 1) for k, v in inputs.items() if k != "mm_encoder_outputs"}
    inputs["attention_mask"][0, :30] = 0  # filled up on the left, as where prompts are read side by side
    with torch.inference_mode():
        wide_chat.model(**inputs)
    assert {shape[0] for shape in compared} == {1, 2}
