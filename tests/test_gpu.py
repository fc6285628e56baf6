"""What only a GPU, or only the gated weights, can show; everywhere else these tests are skipped."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub import get_token

from helpers.data import fetch
from helpers.images import read_image
from helpers.models import ChatModel, load_model
from helpers.models.vllm_engine import load_vllm
from helpers.prompts import YES_NO_QUESTION, image_messages, parse_final_answer, volume_messages
from helpers.volumes import ct_to_rgb, read_volume, select_slices

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
needs_token = pytest.mark.skipif(not get_token(), reason="needs HF_TOKEN for the gated weights")


@pytest.mark.gpu
@needs_cuda
def test_the_stand_in_answers_on_cuda_as_on_the_cpu(standin: ChatModel) -> None:
    volume = read_volume(fetch("ct-head"))
    messages = volume_messages(ct_to_rgb(volume, select_slices(volume.shape[0])), "Is there haemorrhage?")
    on_gpu = load_model("standin", device="cuda", dtype=torch.float32)
    assert on_gpu.generate(messages).text == standin.generate(messages).text


@pytest.fixture(scope="module")
def medgemma() -> ChatModel:
    """The real model, from the cache or downloaded."""
    return load_model("google/medgemma-1.5-4b-it")


@pytest.mark.real_model
@needs_cuda
@needs_token
def test_medgemma_knows_a_chest_radiograph(medgemma: ChatModel) -> None:
    question = YES_NO_QUESTION.format(question="Is this a chest radiograph?")
    messages = image_messages([read_image(fetch("chest-radiograph"))], question)
    assert medgemma.count_tokens(messages).image == 256
    assert "final answer: yes" in medgemma.generate(messages).text.lower()


@pytest.mark.real_model
@needs_cuda
@needs_token
def test_medgemma_takes_85_slices(medgemma: ChatModel) -> None:
    volume = read_volume(fetch("ct-head"), modality="CT")
    messages = volume_messages(ct_to_rgb(volume, select_slices(volume.shape[0])), "Which body part is this?")
    assert medgemma.count_tokens(messages).image == 85 * 256
    answer = medgemma.generate(messages).text.lower()
    assert any(part in answer for part in ("head", "brain", "skull"))


@pytest.mark.real_model
@needs_cuda
@needs_token
def test_vllm_gets_the_prompt_of_transformers_and_answers_alike(medgemma: ChatModel) -> None:
    pytest.importorskip("vllm")
    if torch.cuda.mem_get_info()[1] < 30e9:
        pytest.skip("needs a GPU with room for the model twice")
    volume = read_volume(fetch("ct-head"), modality="CT")
    slices = ct_to_rgb(volume, select_slices(volume.shape[0]))
    prompts = [
        volume_messages(slices, YES_NO_QUESTION.format(question=f"Is this a CT of the {part}?"))
        for part in ("head", "abdomen")
    ]
    replies = load_vllm("google/medgemma-1.5-4b-it", memory_share=0.5).generate_all(prompts, max_new_tokens=256)
    for prompt, reply in zip(prompts, replies, strict=True):
        answer, alone = (
            parse_final_answer(one.text, ("yes", "no"))
            for one in (reply, medgemma.generate(prompt, max_new_tokens=256))
        )
        assert answer in ("yes", "no") and answer == alone
