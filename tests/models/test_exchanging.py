"""Exchanged images: the logits of the prompt written, encoded and read anew with the other images in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Gemma3ForConditionalGeneration

from helpers.errors import InputError
from helpers.models import ChatModel, ImageExchange, exchanging
from helpers.prompts import image_messages, images_of, slide_messages, volume_messages, with_images

QUESTION = 'Is there "intracranial haemorrhage" in the CT volume?'


@pytest.fixture(scope="module")
def random_chat(standin: ChatModel) -> ChatModel:
    """A random model whose answers depend on each image, with windows far shorter than the prompts."""
    torch.manual_seed(2)
    config = standin.model.config.__class__.from_dict(standin.model.config.to_dict())
    config.text_config.sliding_window = 50
    config.text_config.layer_types = ["sliding_attention", "full_attention"] * 3
    model = Gemma3ForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    return ChatModel("random", model, standin.processor, is_standin=True)


def pictures(n: int, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8)) for _ in range(n)]


def naive(chat: ChatModel, messages: list, begun: list[int]) -> torch.Tensor:
    """Logits after the whole prompt, by one forward pass of the model as transformers has it."""
    inputs = chat.inputs(messages)
    more = torch.tensor([begun], dtype=torch.long)
    inputs["input_ids"] = torch.cat([inputs["input_ids"], more], dim=1)
    inputs["token_type_ids"] = torch.cat([inputs["token_type_ids"], torch.zeros_like(more)], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        return chat.model(**inputs, logits_to_keep=1).logits[0, -1]


@pytest.mark.parametrize("at_once", [1, 60, 100_000])  # tokens: an image at a time, a few, the whole prompt
@pytest.mark.parametrize("begun", [[], [40, 41, 42]])
def test_the_logits_are_those_of_the_prompt_written_anew(random_chat, monkeypatch, at_once, begun):
    cuts = exchanging._cuts
    monkeypatch.setattr(exchanging, "_cuts", lambda starts, tokens, _: cuts(starts, tokens, at_once))
    images, (other, another) = pictures(9), pictures(2, seed=1)
    messages = volume_messages(images, QUESTION)
    exchange = ImageExchange(random_chat, messages, begun)
    features = exchange.encode([other, another])
    # Neither in order nor out of it, single ones and several, twice the same, and none.
    asked = [{4: 0}, {0: 1}, {8: 0}, {}, {2: 0, 7: 1}, {4: 0}, {k: 0 for k in range(9)}]
    logits = exchange.logits([{k: features[n] for k, n in one.items()} for one in asked])
    for one, got in zip(asked, logits, strict=True):
        shown = [(other, another)[one[k]] if k in one else image for k, image in enumerate(images)]
        wanted = naive(random_chat, with_images(messages, shown), begun)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(exchange.plain, naive(random_chat, messages, begun), rtol=1e-4, atol=1e-4)
    assert (logits - exchange.plain).abs().amax(-1).topk(6).values.min() > 1e-2  # each image counts
    again = exchange.logits([{8: features[0]}])[0]  # after others have written over what stands before it
    torch.testing.assert_close(again, logits[2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("messages", [image_messages(pictures(1), "What?"), slide_messages(pictures(3), "Colon.")])
def test_the_prompts_of_single_images_and_slides(random_chat, messages):
    exchange = ImageExchange(random_chat, messages)
    (feature,) = exchange.encode(pictures(1, seed=3))
    shown = [*pictures(1, seed=3), *images_of(messages)[1:]]
    wanted = naive(random_chat, with_images(messages, shown), [])
    torch.testing.assert_close(exchange.logits([{0: feature}])[0], wanted, rtol=1e-4, atol=1e-4)
    assert exchange.logits([]).shape == (0, len(wanted))


def test_no_image_is_encoded_twice_and_half_of_the_prompt_is_read(random_chat, monkeypatch):
    encoded = []
    tower = random_chat.model.get_image_features
    monkeypatch.setattr(
        random_chat.model,
        "get_image_features",
        lambda **given: encoded.append(len(given["pixel_values"])) or tower(**given),
    )
    exchange = ImageExchange(random_chat, volume_messages(pictures(20), QUESTION))
    (feature,) = exchange.encode(pictures(1))
    read = []
    forward = exchange._forward
    monkeypatch.setattr(exchange, "_forward", lambda part, *ends: read.append(len(part)) or forward(part, *ends))
    exchange.logits([{k: feature} for k in range(20)])
    assert sum(encoded) == 21
    assert sum(read) == exchange.tokens_to_read([[k] for k in range(20)]) < 0.6 * 20 * exchange.tokens


def test_an_image_is_never_cut_in_two():
    assert exchanging._cuts([5, 45, 85], 130, 1024) == [0]  # fits into one part
    starts = [10 + 300 * k for k in range(10)]
    cuts = exchanging._cuts(starts, 3100, 1024)
    assert cuts == [0, 910, 1810, 2710]  # each part has at most 1,024 tokens: 910, 900, 900 and 390


def test_what_cannot_be_exchanged_is_refused(random_chat, monkeypatch):
    with pytest.raises(InputError, match="no image"):
        ImageExchange(random_chat, image_messages([], "What?"))
    exchange = ImageExchange(random_chat, volume_messages(pictures(3), QUESTION))
    for number in (3, -1):
        with pytest.raises(InputError, match=f"no image {number}"):
            exchange.logits([{number: exchange.features[0]}])
    monkeypatch.setattr(exchanging, "free_bytes", lambda device: 1000)
    with pytest.raises(InputError, match=r"Keys and values .* fewer images"):
        ImageExchange(random_chat, volume_messages(pictures(3), QUESTION))
